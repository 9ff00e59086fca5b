"""Who is blind to what.

While a reader reads, the room's own pages of cases are closed to them: they show what the reading must not. What they
met before, the room tells as far as it knows: cases that they opened, and readings in other studies.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, HTTPException
from sqlmodel import Session, col, select
from starlette.requests import Request

from alnus.serve.database.tables import AuditEntry, Case
from alnus.serve.pages.rendering import person_or_none, room_of
from alnus.serve.readers.tables import Phase, ReaderStudy, Reading, StudyCase, StudyReader


def is_blinded(session: Session, user_id: str) -> bool:
    """Tell whether somebody has readings to do in a running study."""
    return (
        session.exec(
            select(Reading.id)
            .join(StudyReader, col(StudyReader.id) == col(Reading.reader_id))
            .join(ReaderStudy, col(ReaderStudy.id) == col(StudyReader.study_id))
            .where(StudyReader.user_id == user_id, ReaderStudy.phase == Phase.RUNNING, col(Reading.locked_s).is_(None))
            .limit(1)
        ).first()
        is not None
    )


def met_before(session: Session, study: ReaderStudy) -> dict[int, int]:
    """Return how many patients of a study each reader (by place) has met: opened in the room, or read in another study.

    Of a study that was started, before its start.
    """
    before_s = time.time() if study.started_s is None else study.started_s
    of_study = select(Case.patient_key).join(StudyCase, col(StudyCase.case_id) == col(Case.id))
    patients = of_study.where(StudyCase.study_id == study.id)
    places = {
        one.user_id: one.place
        for one in session.exec(select(StudyReader).where(StudyReader.study_id == study.id)).all()
    }
    met: dict[int, set[str]] = {place: set() for place in places.values()}
    for user_id, patient in [*_opened(session, patients, before_s), *_read(session, study, patients, before_s)]:
        if user_id in places:
            met[places[user_id]].add(patient)
    return {place: len(found) for place, found in met.items()}


def _opened(session: Session, patients: Any, before_s: float) -> Sequence[tuple[str, str]]:
    """Return who opened which of these patients' cases in the room."""
    wanted = (
        select(AuditEntry.actor, Case.patient_key)
        .join(Case, col(Case.id) == col(AuditEntry.subject))
        .where(col(AuditEntry.action).in_(("case.open", "case.report")), AuditEntry.at_s < before_s)
        .where(col(Case.patient_key).in_(patients))
        .distinct()
    )
    return session.exec(wanted).all()


def _read(session: Session, study: ReaderStudy, patients: Any, before_s: float) -> Sequence[tuple[str, str]]:
    """Return who began to read which of these patients in another study."""
    wanted = (
        select(StudyReader.user_id, Case.patient_key)
        .join(Reading, col(Reading.reader_id) == col(StudyReader.id))
        .join(StudyCase, col(StudyCase.id) == col(Reading.item_id))
        .join(Case, col(Case.id) == col(StudyCase.case_id))
        .where(StudyReader.study_id != study.id, col(Reading.begun_s) < before_s, col(Case.patient_key).in_(patients))
        .distinct()
    )
    return session.exec(wanted).all()


def refuse_blinded(request: Request) -> None:
    """Send somebody who is reading to their readings. Raises HTTPException."""
    person = person_or_none(request)
    if person is None or person.is_admin or person.via != "session":
        return
    with room_of(request).database.reading() as session:
        if not is_blinded(session, person.id):
            return
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        raise HTTPException(303, headers={"location": "/readings?closed=1"})
    raise HTTPException(403, "closed while you read in a study")


def closed_while_reading(router: APIRouter) -> APIRouter:
    """Return a router whose routes refuse whoever has readings to do in a running study."""
    closed = APIRouter(dependencies=[Depends(refuse_blinded)])
    closed.include_router(router)
    return closed
