"""What each column of a cohort table may hold, row by row (pandera) and across the rows of a patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from alnus.cohort.reading import KNOWN, RawTable, first_few, quoted
from alnus.errors import CohortError

SPLITS = ("train", "val", "test_a", "test_b")
SPLIT_ALIASES = {
    **{name: name for name in SPLITS},
    **{"validation": "val", "test": "test_a", "internal": "test_a", "external": "test_b"},
}
ROI = ("roi_x", "roi_y", "roi_w", "roi_h")
READER = "reader_"
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null")
WHOLE_OR_ABSENT = ("center", "split", "fold")
CONSTANT = ("label", "center", "split", "fold")
SHOWN_PROBLEMS = 3

_WHOLE = r"\d{1,9}(?:\.0*)?"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"


@dataclass(frozen=True)
class Problem:
    """What is wrong in a column (or some that belong together): which rows (positions), and what was expected."""

    columns: tuple[str, ...]
    expected: str
    positions: NDArray[np.intp]


def is_reader(column: str) -> bool:
    """Tell whether a column holds a reader's calls: `reader_` and a name."""
    return column.startswith(READER) and len(column) > len(READER)


def normalised(raw: RawTable) -> pd.DataFrame:
    """Return the cells with one spelling each: "" for missing, decimal points, the splits' own names.

    A known column that is empty in every row counts as absent: drafts have such columns.
    """
    cells = raw.cells.copy()
    for name in cells.columns:
        if name in ("patient_id", "video"):
            continue
        column = cells[name]
        column = column.mask(column.isin(MISSING), "")
        if raw.delimiter == ";" and name not in ("image", "mask", "center"):
            column = column.str.replace(r"^([+-]?\d+),(\d+)$", r"\1.\2", regex=True)
        cells[name] = column
    if "split" in cells:
        lower = cells["split"].str.lower()
        cells["split"] = lower.map(SPLIT_ALIASES).fillna(lower).astype(str)
    optional = [name for name in cells.columns if name in KNOWN[2:] or is_reader(name)]
    return cells.drop(columns=[name for name in optional if bool((cells[name] == "").all())])


def check(raw: RawTable, cells: pd.DataFrame, *, need_labels: bool) -> None:
    """Refuse a table that breaks the schema. Raises CohortError: one line, the first few rows, and how many."""
    _require_columns(raw, cells, need_labels=need_labels)
    problems = _row_problems(cells, need_labels=need_labels) + _partial_columns(cells) + _roi_problems(cells)
    if problems:
        shown = "; ".join(_described(raw, problem) for problem in problems[:SHOWN_PROBLEMS])
        more = "" if len(problems) <= SHOWN_PROBLEMS else f"; and {len(problems) - SHOWN_PROBLEMS} more kinds of error"
        raise CohortError(f"{raw.source}: {shown}{more}")
    _refuse_repeated_videos(raw, cells)
    for column in (*CONSTANT, *filter(is_reader, cells.columns)):
        if column in cells:
            _refuse_varying(raw, cells, column)


def _require_columns(raw: RawTable, cells: pd.DataFrame, *, need_labels: bool) -> None:
    for name in ("patient_id", "video", "label") if need_labels else ("patient_id", "video"):
        if name not in raw.cells:
            found = first_few([quoted(name) for name in raw.cells.columns], shown=12)
            raise CohortError(f"{raw.source}: column {name} is missing; the columns are: {found}; add or rename one")
    if need_labels and "label" not in cells:
        raise CohortError(f"{raw.source}: column label is empty in every row; write 1 = metastasis, 0 = none")
    present = [name for name in ROI if name in cells]
    if present and len(present) < len(ROI):
        absent = ", ".join(name for name in ROI if name not in cells)
        raise CohortError(
            f"{raw.source}: column {absent} is missing or empty beside {present[0]}; give all four or none"
        )


def _row_schema(columns: list[str], *, need_labels: bool) -> pa.DataFrameSchema:
    """Return the pandera schema of the text; each check's error text is what was expected."""
    binary = "[01](?:\\.0*)?" + ("" if need_labels else "|")
    patterns = {
        "patient_id": (r"[^\x00-\x1f\x7f]+", "expected an id without control characters: write the study's own id"),
        "video": (r"[^\x00-\x1f\x7f]+", "expected a path relative to the table"),
        **dict.fromkeys(("image", "mask"), (r"[^\x00-\x1f\x7f]*", "expected a path relative to the table")),
        "label": (binary, "expected 1 (metastasis by pathology) or 0 (none)"),
        "split": ("|".join(SPLITS) + "|", f"expected one of {', '.join(SPLITS)}"),
        "origin": (".*", ""),
        **dict.fromkeys(("fold", "keyframe", "roi_x", "roi_y"), (_WHOLE + "|", "expected a whole number from 0")),
        **dict.fromkeys(("roi_w", "roi_h"), (r"0*[1-9]\d{0,8}(?:\.0*)?|", "expected a whole number of pixels from 1")),
    }
    for name in filter(is_reader, columns):
        patterns[name] = (_NUMBER + "|", "expected a call of 0 or 1, or an ordinal suspicion as a number")
    return pa.DataFrameSchema(
        {
            name: pa.Column(checks=pa.Check.str_matches(f"^(?:{pattern})$", error=expected))
            for name, (pattern, expected) in patterns.items()
            if name in columns
        }
    )


def _row_problems(cells: pd.DataFrame, *, need_labels: bool) -> list[Problem]:
    schema = _row_schema(list(cells.columns), need_labels=need_labels)
    try:
        schema.validate(cells, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        return [
            Problem((column,), expected, np.sort(group["index"].to_numpy(dtype=np.intp)))
            for (column, expected), group in cases.groupby(["column", "check"], sort=False)
        ]
    return []


def _partial_columns(cells: pd.DataFrame) -> list[Problem]:
    """Return the columns that are filled in some rows and empty in others, though they concern every patient."""
    empty = {name: np.flatnonzero(cells[name] == "") for name in WHOLE_OR_ABSENT if name in cells}
    expected = "is empty though other rows have one: fill it in every row or in none"
    return [Problem((name,), expected, positions) for name, positions in empty.items() if positions.size]


def _roi_problems(cells: pd.DataFrame) -> list[Problem]:
    if ROI[0] not in cells:
        return []
    given = sum((cells[name] != "").to_numpy(dtype=int) for name in ROI)
    partial = np.flatnonzero((given > 0) & (given < len(ROI)))
    return [Problem(ROI, "expected all four or none", partial)] if partial.size else []


def _described(raw: RawTable, problem: Problem) -> str:
    """Return a problem as: where, whose, which column, what was received, what is expected, where else."""
    first = int(problem.positions[0])
    patient = raw.cells["patient_id"].iloc[first]
    received = ", ".join(quoted(raw.cells[name].iloc[first]) for name in problem.columns)
    where = f"{raw.place(first)}, patient {quoted(patient)}, column {', '.join(problem.columns)}"
    text = f"{where}: received {received}, {problem.expected}"
    others = [f"row {raw.rows[position]}" for position in problem.positions[1:4]]
    if not others:
        return text
    return f"{text} (also {', '.join(others)}; {problem.positions.size} rows in all)"


def _refuse_repeated_videos(raw: RawTable, cells: pd.DataFrame) -> None:
    repeated = np.flatnonzero(cells["video"].duplicated())
    if repeated.size:
        second = int(repeated[0])
        video = cells["video"].iloc[second]
        first = int(np.flatnonzero(cells["video"] == video)[0])
        raise CohortError(
            f"{raw.source}: video {quoted(video)} stands twice, in {raw.place(first)} and {raw.place(second)};"
            f" one row a video: remove one ({repeated.size} repeated rows in all)"
        )


def _refuse_varying(raw: RawTable, cells: pd.DataFrame, column: str) -> None:
    """Refuse a column that has two values within a patient; empty cells (a reader's) are no value."""
    given = np.flatnonzero(cells[column] != "")
    values = cells[column].iloc[given]
    if column == "label" or column == "fold" or is_reader(column):
        values = pd.to_numeric(values)
    codes, _ = pd.factorize(cells["patient_id"].iloc[given])
    value_codes, _ = pd.factorize(values)
    _, first_of = np.unique(codes, return_index=True)
    differs = np.flatnonzero(value_codes != value_codes[first_of[codes]])
    if differs.size:
        second = int(differs[0])
        patients = list(dict.fromkeys(cells["patient_id"].iloc[given[differs]]))
        _raise_varying(raw, column, int(given[first_of[codes[second]]]), int(given[second]), patients)


def _raise_varying(raw: RawTable, column: str, first: int, second: int, patients: list[str]) -> None:
    text = raw.cells[column]
    what = "is in two splits" if column == "split" else f"has two values in column {column}"
    others = f" (patients: {first_few([quoted(patient) for patient in patients])})" if len(patients) > 1 else ""
    raise CohortError(
        f"{raw.source}: patient {quoted(patients[0])} {what}: {quoted(text.iloc[first])} in {raw.place(first)} and"
        f" {quoted(text.iloc[second])} in {raw.place(second)}; give all of a patient's rows the same {column}{others}"
    )
