"""Which cases a study reads: all of the room, or those of a list; one case a patient, for patients are the unit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from alnus.errors import UsageError
from alnus.serve.database.tables import Case, Job, State, Video

DONE = (State.EXPLAINED, State.RETURNED)
MOST = 5000  # cases of a study


@dataclass(frozen=True)
class Readable:
    """A case of the room with those of its videos that can be read, in the order in which they came."""

    case: Case
    videos: tuple[Video, ...]

    @property
    def is_phantom(self) -> bool:
        """Whether any of its videos is simulated."""
        return any(video.is_phantom for video in self.videos)


def readable_cases(session: Session) -> list[Readable]:
    """Return every case with at least one video whose work is done, oldest first."""
    rows = session.exec(
        select(Case, Video)
        .join(Video, col(Video.case_id) == col(Case.id))
        .join(Job, col(Job.video_id) == col(Video.id))
        .where(col(Job.state).in_(DONE))
        .order_by(col(Case.created_s), col(Case.id), col(Video.received_s), col(Video.id))
    ).all()
    found: dict[str, tuple[Case, list[Video]]] = {}
    for case, video in rows:
        found.setdefault(case.id, (case, []))[1].append(video)
    return [Readable(case, tuple(videos)) for case, videos in found.values()]


def one_a_patient(cases: Iterable[Readable]) -> list[Readable]:
    """Return the first case of each patient."""
    firsts: dict[str, Readable] = {}
    for one in cases:
        firsts.setdefault(one.case.patient_key, one)
    return list(firsts.values())


def listed(cases: Sequence[Readable], names: Sequence[str]) -> list[Readable]:
    """Return the cases of a list. names: ids of cases, or of single videos, which are then read alone.

    Raises UsageError where a name is unknown or not ready, or two cases are of one patient.
    """
    by_case = {one.case.id: one for one in cases}
    by_video = {video.id: Readable(one.case, (video,)) for one in cases for video in one.videos}
    chosen: dict[str, Readable] = {}
    for name in names:
        one = by_case.get(name) or by_video.get(name)
        if one is None:
            raise UsageError(f"cases: {name[:40]} is no case or video of this room whose work is done; leave it out")
        other = chosen.setdefault(one.case.patient_key, one)
        if other is not one:
            raise UsageError(
                f"cases: {other.case.id} and {name} are of one patient, and readings of one patient are not "
                "independent; keep one of them"
            )
    return list(chosen.values())


def names_in(text: str) -> list[str]:
    """Return the ids in a text, each once: between commas, semicolons, blanks, line ends; a heading "case" is none."""
    found = [word.strip('"') for word in re.split(r"[\s,;]+", text.upper()) if word.strip('"')]
    return list(dict.fromkeys(word for word in found if word not in ("CASE", "CASE_ID", "VIDEO")))
