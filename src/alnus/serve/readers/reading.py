"""A reader's worklist: which reading is next, what may be done with it now, its draft, its lock.

One reading is open at a time: the first that is not locked. It cannot be skipped; what is locked stays shut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from alnus.errors import AlnusError
from alnus.serve.audit import note
from alnus.serve.readers.tables import Phase, ReaderStudy, Reading, StudyReader
from alnus.serve.readers.timing import finish

DAY_S = 86_400.0


def N_(message: str) -> str:  # noqa: N802  gettext's name for a message that is translated where it is shown
    """Return a message as it is."""
    return message


NOT_RUNNING = N_("This study is not running.")
LOCKED = N_("This reading is locked.")
NOT_NEXT = N_("Another reading comes first.")
WASHOUT = N_("The second session is not open yet: the wash-out is not over.")
UNSEEN = N_("No frame was shown yet.")
INCOMPLETE = N_("Give both a call and a suspicion.")
NOT_ON_SCALE = N_("This is not on the study’s scale.")


class RefusedError(AlnusError):
    """A reader asks for what the protocol does not allow now."""


@dataclass(frozen=True)
class Worklist:
    """The readings of one reader in one study, in their order."""

    study: ReaderStudy
    reader: StudyReader
    readings: tuple[Reading, ...]

    @property
    def current(self) -> Reading | None:
        """The reading that is next; None where all are locked."""
        return next((one for one in self.readings if one.locked_s is None), None)

    @property
    def sessions(self) -> list[int]:
        """The sessions, 1 or 1 and 2."""
        return sorted({one.session for one in self.readings})

    def of(self, session: int) -> list[Reading]:
        """Return a session's readings."""
        return [one for one in self.readings if one.session == session]

    def locked(self, session: int) -> int:
        """Return how many of a session's readings are locked."""
        return sum(one.locked_s is not None for one in self.of(session))

    def opens_s(self, session: int) -> float | None:
        """Return from when on a session may be read: wash-out days after the last lock of the one before, or 0.

        None as long as the session before is not done.
        """
        before = [one.locked_s for one in self.readings if one.session < session]
        if not before:
            return 0.0
        locked = [one for one in before if one is not None]
        return max(locked) + self.study.washout_days * DAY_S if len(locked) == len(before) else None

    def refusal(self, reading: Reading, *, now_s: float) -> str | None:
        """Return why a reading may not be looked at or changed now; None where it may."""
        if self.study.phase != Phase.RUNNING:
            return NOT_RUNNING
        if reading.locked_s is not None:
            return LOCKED
        if self.current is None or self.current.id != reading.id:
            return NOT_NEXT
        opens_s = self.opens_s(reading.session)
        return WASHOUT if opens_s is None or now_s < opens_s else None


def worklist_of(session: Session, study: ReaderStudy, reader: StudyReader) -> Worklist:
    """Return a reader's worklist."""
    order = (col(Reading.session), col(Reading.position), col(Reading.step))
    found = session.exec(select(Reading).where(Reading.reader_id == reader.id).order_by(*order)).all()
    return Worklist(study, reader, tuple(found))


def worklists_of_user(session: Session, user_id: str) -> list[Worklist]:
    """Return the worklists of an account in studies that were started, newest first."""
    rows = session.exec(
        select(ReaderStudy, StudyReader)
        .join(StudyReader, col(StudyReader.study_id) == col(ReaderStudy.id))
        .where(StudyReader.user_id == user_id, ReaderStudy.phase != Phase.DRAFT)
        .order_by(col(ReaderStudy.started_s).desc())
    ).all()
    return [worklist_of(session, study, reader) for study, reader in rows]


def as_answer(text: str, *, least: int, most: int) -> int | None:
    """Return what a form says; None where it says nothing. Raises RefusedError for what is not on the scale."""
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and least <= int(text) <= most):
        raise RefusedError(NOT_ON_SCALE)
    return int(text)


def save_draft(session: Session, reading: Reading, *, call: int | None, suspicion: int | None, actor: str) -> bool:
    """Keep an answer that is not given yet; tell whether it changed. Every change is in the audit log."""
    if (reading.call, reading.suspicion) == (call, suspicion):
        return False
    reading.call, reading.suspicion = call, suspicion
    session.add(reading)
    note(session, actor, "reading.draft", reading.id, {"call": call, "suspicion": suspicion})
    return True


def lock(session: Session, worklist: Worklist, reading: Reading, *, now_s: float, actor: str) -> None:
    """Give an answer for good. A second step of the case begins with it as its draft. Raises RefusedError."""
    if reading.call is None or reading.suspicion is None:
        raise RefusedError(INCOMPLETE)
    if reading.begun_s is None:
        raise RefusedError(UNSEEN)
    finish(session, reading, now_s=now_s)
    reading.locked_s = now_s
    session.add(reading)
    for later in _later_steps(worklist.readings, reading):
        later.call, later.suspicion = reading.call, reading.suspicion
        session.add(later)
    detail = {"call": reading.call, "suspicion": reading.suspicion, "seconds": round(reading.active_s, 3)}
    note(session, actor, "reading.lock", reading.id, detail)


def _later_steps(readings: Sequence[Reading], reading: Reading) -> list[Reading]:
    place = (reading.session, reading.position)
    return [one for one in readings if (one.session, one.position) == place and one.step > reading.step]
