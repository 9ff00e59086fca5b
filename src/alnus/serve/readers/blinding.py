"""While a reader reads, the room's own pages of cases are closed to them: they show what the reading must not."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException
from sqlmodel import Session, col, select
from starlette.requests import Request

from alnus.serve.pages.rendering import person_or_none, room_of
from alnus.serve.readers.tables import Phase, ReaderStudy, Reading, StudyReader


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
