"""A study's locked readings as the table that `alnus evaluate` and `alnus.evaluation.mrmc` read, one row a reading."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal

from sqlalchemy import func
from sqlmodel import Session, col, select

from alnus.evaluation.table import PHANTOM
from alnus.serve.database.tables import Video
from alnus.serve.readers.making import study_cases
from alnus.serve.readers.tables import ReaderStudy, Reading, ReadingPause, StudyCase, StudyReader

Rating = Literal["suspicion", "call"]
COLUMNS = (
    "treatment", "reader", "case", "truth", "rating", "time_s",
    "said_metastasis", "suspicion", "step_time_s", "pauses", "session", "position", "origin",
)  # fmt: skip
"""time_s: until this answer was given, the case's earlier step included. step_time_s: of this step alone.

said_metastasis: the 0/1 call, under a name that `alnus evaluate` does not take for a predictions table's.
"""


@dataclass(frozen=True)
class Done:
    """A locked reading with its reader and case. pauses: their number."""

    reading: Reading
    reader: StudyReader
    item: StudyCase
    pauses: int


def done_readings(session: Session, study: ReaderStudy) -> list[Done]:
    """Return a study's locked readings, in the order of reader, session, position and step."""
    rows = session.exec(
        select(Reading, StudyReader, StudyCase)
        .join(StudyReader, col(StudyReader.id) == col(Reading.reader_id))
        .join(StudyCase, col(StudyCase.id) == col(Reading.item_id))
        .where(StudyReader.study_id == study.id, col(Reading.locked_s).is_not(None))
        .order_by(col(StudyReader.place), col(Reading.session), col(Reading.position), col(Reading.step))
    ).all()
    counted = (
        select(ReadingPause.reading_id, func.count())
        .join(Reading, col(Reading.id) == col(ReadingPause.reading_id))
        .join(StudyReader, col(StudyReader.id) == col(Reading.reader_id))
        .where(StudyReader.study_id == study.id)
        .group_by(col(ReadingPause.reading_id))
    )
    pauses = dict(session.exec(counted).all())
    return [Done(reading, reader, item, pauses.get(reading.id, 0)) for reading, reader, item in rows]


def rows_of(session: Session, study: ReaderStudy, *, rating: Rating = "suspicion") -> list[dict[str, Any]]:
    """Return one row a locked reading, as COLUMNS. rating: what stands as such. truth: "" where it is not known."""
    phantoms = _phantoms(session, study)
    done = done_readings(session, study)
    steps: dict[tuple[str, int, int], float] = {}
    rows = []
    for one in done:
        reading = one.reading
        case = (one.reader.id, reading.session, reading.position)
        steps[case] = steps.get(case, 0.0) + reading.active_s
        rows.append(
            {
                "treatment": reading.treatment,
                "reader": f"R{one.reader.place}",
                "case": one.item.case_id,
                "truth": "" if one.item.truth is None else one.item.truth,
                "rating": reading.suspicion if rating == "suspicion" else reading.call,
                "time_s": max(round(steps[case], 3), 0.001),
                "said_metastasis": reading.call,
                "suspicion": reading.suspicion,
                "step_time_s": max(round(reading.active_s, 3), 0.001),
                "pauses": one.pauses,
                "session": reading.session,
                "position": reading.position,
                "origin": PHANTOM if one.item.case_id in phantoms else "",
            }
        )
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV with a heading."""
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _phantoms(session: Session, study: ReaderStudy) -> set[str]:
    """Return the study's cases with a simulated video."""
    simulated = set(session.exec(select(Video.id).where(col(Video.is_phantom))).all())
    return {item.case_id for item in study_cases(session, study.id) if simulated & set(item.video_ids)}
