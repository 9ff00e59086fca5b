"""Submit a received file: its video, its case and its job come into being in one transaction, and only once.

The same bytes again are the same video, whoever sends them: a re-send, a second click, a scanner that never got its
answer. So is the same DICOM instance, dropped by a person and sent by the scanner: counted twice it would weigh twice.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from alnus.errors import AlnusError
from alnus.media.identity.asking import pseudonym as keyed
from alnus.serve.audit import note
from alnus.serve.database.tables import WAITING, Case, Job, State, Video
from alnus.serve.intake.receiving import Received, put_in_place
from alnus.serve.intake.whose import Whose
from alnus.serve.room import Room

Origin = Literal["upload", "api", "dicom"]


class QueueFullError(AlnusError):
    """So many videos wait that no more are taken."""


@dataclass(frozen=True)
class Submitted:
    """Where a file has gone. is_new: False for bytes that were here already."""

    case_id: str
    video_id: str
    is_new: bool


def submit(
    room: Room,
    file: Received,
    *,
    origin: Origin,
    actor: str,
    patient_key: str | None = None,
    study_key: str | None = None,
    sop_key: str | None = None,
) -> Submitted:
    """Make a video with its job, in the case of `study_key`, else in a case of its own.

    actor: a user's or key's id, or "system". patient_key, study_key: pseudonyms by `pseudonym`, None where nothing is
    known yet. sop_key: of a DICOM instance, by `alnus.serve.node.keys`. Raises QueueFullError.
    """
    try:
        try:
            made = _submitted(room, file, origin, actor, patient_key, study_key, sop_key)
        except IntegrityError:  # another request submitted the same bytes, or made the same case, a moment ago
            made = _submitted(room, file, origin, actor, patient_key, study_key, sop_key)
    finally:
        file.path.unlink(missing_ok=True)
    room.metrics.received.labels(origin, str(made.is_new).lower()).inc()
    room.wake.set()
    return made


def _submitted(
    room: Room,
    file: Received,
    origin: Origin,
    actor: str,
    patient_key: str | None,
    study_key: str | None,
    sop_key: str | None,
) -> Submitted:
    with room.database.writing() as session:
        known = session.exec(select(Video).where(Video.sha256 == file.sha256)).first()
        if known is not None:
            _again(session, room, known, file, actor)
            return Submitted(known.case_id, known.id, is_new=False)
        twin = _twin(session, sop_key)
        if twin is not None:
            note(session, actor, "video.again", twin.id)
            return Submitted(twin.case_id, twin.id, is_new=False)
        check_queue(session, room)
        case = case_of(session, origin=origin, actor=actor, patient_key=patient_key, study_key=study_key)
        video = Video(case_id=case.id, sha256=file.sha256, size_bytes=file.size_bytes, origin=origin)
        video.sop_key = sop_key
        session.add(video)
        session.flush()
        session.add(Job(video_id=video.id))
        note(session, actor, "video.submit", video.id, {"case": case.id, "bytes": file.size_bytes, "origin": origin})
        put_in_place(room.folders, file)
        return Submitted(case.id, video.id, is_new=True)


def _twin(session: Session, sop_key: str | None) -> Video | None:
    """Return the video that the same DICOM instance has become under other bytes, unless that one came to nothing."""
    if sop_key is None:
        return None
    of_use = col(Job.state).not_in((State.FAILED, State.DEAD))
    same = select(Video).join(Job, col(Job.video_id) == col(Video.id)).where(Video.sop_key == sop_key, of_use)
    return session.exec(same).first()


def submit_failed(room: Room, file: Received, reason: str, *, origin: Origin, actor: str, whose: Whose) -> Submitted:
    """Make a record of a file that was seen to be of no use before it became a video; the file itself is gone."""
    with room.database.writing() as session:
        known = session.exec(select(Video).where(Video.sha256 == file.sha256)).first()
        if known is not None:
            return Submitted(known.case_id, known.id, is_new=False)
        case = case_of(session, origin=origin, actor=actor, patient_key=whose.patient, study_key=whose.study)
        video = Video(case_id=case.id, sha256=file.sha256, size_bytes=file.size_bytes, origin=origin)
        session.add(video)
        session.flush()
        session.add(Job(video_id=video.id, state=State.FAILED, reason=reason))
        note(session, actor, "video.refused", video.id, {"case": case.id, "bytes": file.size_bytes})
        return Submitted(case.id, video.id, is_new=True)


def _again(session: Session, room: Room, video: Video, file: Received, actor: str) -> None:
    """Note that a file came again; what failed is tried again with the new copy, else the copy is not kept."""
    note(session, actor, "video.again", video.id)
    job = session.exec(select(Job).where(Job.video_id == video.id).with_for_update()).one()
    if job.state in (State.FAILED, State.DEAD):
        job.state, job.attempts, job.reason, job.next_try_s = State.RECEIVED, 0, None, time.time()
        session.add(job)
        put_in_place(room.folders, file)


def case_of(session: Session, *, origin: str, actor: str, patient_key: str | None, study_key: str | None) -> Case:
    """Return the case of an examination, made where there is none."""
    if study_key is not None:
        known = session.exec(select(Case).where(Case.study_key == study_key)).first()
        if known is not None:
            return known
    case = Case(patient_key=patient_key or unknown_patient(), study_key=study_key, origin=origin, submitted_by=actor)
    session.add(case)
    session.flush()
    return case


def check_queue(session: Session, room: Room) -> None:
    """Refuse more than the room can wait for. Raises QueueFullError."""
    waiting = session.exec(select(func.count()).select_from(Job).where(col(Job.state).in_(WAITING))).one()
    if waiting >= room.settings.limits.waiting:
        raise QueueFullError(f"{waiting} videos wait already; send this one later")


def pseudonym(room: Room, kind: Literal["patient", "study"], text: str) -> str:
    r"""Return what stands for a patient or an examination: keyed by the room's secret, the same for the same text.

    A patient's text is "id\n<PatientID>\n<IssuerOfPatientID>", an examination's its StudyInstanceUID, as
    `alnus.media.identity.asking` has them.
    """
    return keyed(room.secret, kind, text)


def unknown_patient() -> str:
    """Return the pseudonym of a patient of whom nothing is known: no other case shares it."""
    return f"P-{secrets.token_hex(6).upper()}"
