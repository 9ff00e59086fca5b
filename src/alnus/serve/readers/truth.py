"""The truth of a study's cases, from a CSV that an administrator brings; readers never get to see it."""

from __future__ import annotations

import csv
from io import StringIO

from sqlmodel import Session

from alnus.errors import UsageError
from alnus.serve.audit import note
from alnus.serve.readers.making import study_cases
from alnus.serve.readers.tables import ReaderStudy

CASE_NAMES, TRUTH_NAMES = ("case", "case_id", "video", "id"), ("truth", "label")


def read_truth(text: str) -> dict[str, int]:
    """Return the truth of each case, 1 = metastasis. text: CSV with a heading, columns case and truth.

    Commas, semicolons or tabs. Raises UsageError naming the row, counted with the heading.
    """
    lines = text.lstrip("\ufeff").strip().splitlines()
    if not lines:
        raise UsageError("truth: the table is empty; give two columns, case and truth")
    rows = list(csv.reader(StringIO("\n".join(lines)), delimiter=max(",;\t", key=lines[0].count)))
    heading = [cell.strip().lower() for cell in rows[0]]
    places = [
        next((heading.index(name) for name in names if name in heading), None) for names in (CASE_NAMES, TRUTH_NAMES)
    ]
    case_at, truth_at = places
    if case_at is None or truth_at is None:
        raise UsageError("truth: the first line names the columns: case and truth")
    found: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = [row[place].strip() if place < len(row) else "" for place in (case_at, truth_at)]
        case, truth = cells[0].upper(), cells[1]
        if truth not in ("0", "1"):
            raise UsageError(f"truth: row {number} is neither 0 nor 1 (1 = metastasis); mend or leave out")
        if found.setdefault(case, int(truth)) != int(truth):
            raise UsageError(f"truth: row {number} says otherwise of a case than a row above; keep one")
    return found


def set_truth(session: Session, study: ReaderStudy, truth: dict[str, int], *, actor: str) -> tuple[int, int]:
    """Write the truth of a study's cases, named by case or video.

    Returns how many cases have one now, and how many rows are of no case of the study. Raises UsageError where all are.
    """
    items, used = study_cases(session, study.id), set()
    for item in items:
        names = [name for name in (item.case_id, *item.video_ids) if name in truth]
        used.update(names)
        if len({truth[name] for name in names}) > 1:
            raise UsageError(f"truth: the rows of case {item.case_id} and its videos contradict each other; keep one")
        if names:
            item.truth = truth[names[0]]
            session.add(item)
    if not used:
        raise UsageError("truth: no row is of a case of this study; its cases are named C-…, as the study's page shows")
    known = sum(item.truth is not None for item in items)
    note(session, actor, "study.truth", study.id, {"rows": len(truth), "known": known})
    return known, len(truth) - len(used)
