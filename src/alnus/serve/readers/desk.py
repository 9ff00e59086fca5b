"""Who may open which reading: its reader when it is next, an administrator to look at it, nobody else."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import HTTPException, Request
from sqlmodel import Session

from alnus.serve.database.tables import Video
from alnus.serve.pages.rendering import person_of
from alnus.serve.readers.design import Treatment
from alnus.serve.readers.reading import RefusedError, Worklist, worklist_of
from alnus.serve.readers.tables import ReaderStudy, Reading, StudyCase, StudyReader


@dataclass(frozen=True)
class Desk:
    """A reading that is open to who asks. is_own: False for an administrator who looks at it."""

    worklist: Worklist
    reading: Reading
    item: StudyCase
    is_own: bool

    @property
    def study(self) -> ReaderStudy:
        """Its study."""
        return self.worklist.study

    @property
    def shows_model(self) -> bool:
        """Whether the model's answer and heat belong to this reading."""
        return self.reading.treatment == Treatment.WITH_MODEL

    def video(self, session: Session, place: int) -> Video:
        """Return a video of the case, counted from 0. Raises HTTPException where there is none."""
        if not 0 <= place < len(self.item.video_ids):
            raise HTTPException(404, f"the case has no video {place}")
        return session.get_one(Video, self.item.video_ids[place])


def open_desk(session: Session, request: Request, reading_id: str) -> Desk:
    """Return a reading to look at. Raises HTTPException where it is another's, RefusedError out of its turn."""
    desk = _desk(session, request, reading_id)
    if desk.is_own:
        _in_turn(desk)
    return desk


def own_desk(session: Session, request: Request, reading_id: str) -> Desk:
    """Return a reading to write in, held until the transaction ends; raises as `open_desk`, for administrators too."""
    session.get(Reading, reading_id, with_for_update=True)
    desk = _desk(session, request, reading_id)
    if not desk.is_own:
        raise HTTPException(403, "only its reader gives an answer")
    _in_turn(desk)
    return desk


def _desk(session: Session, request: Request, reading_id: str) -> Desk:
    person = person_of(request)
    reading = session.get(Reading, reading_id)
    reader = None if reading is None else session.get(StudyReader, reading.reader_id)
    is_own = reader is not None and reader.user_id == person.id
    if reading is None or reader is None or not (is_own or person.is_admin):
        raise HTTPException(403, "this is no reading of yours")
    study, item = session.get_one(ReaderStudy, reader.study_id), session.get_one(StudyCase, reading.item_id)
    return Desk(worklist_of(session, study, reader), reading, item, is_own)


def _in_turn(desk: Desk) -> None:
    refusal = desk.worklist.refusal(desk.reading, now_s=time.time())
    if refusal is not None:
        raise RefusedError(refusal)
