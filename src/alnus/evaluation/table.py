"""The predictions table: read from a file that any program may have written, checked, and taken to patients.

One row a source and video (and fold, in cross-validation). Columns:

- `patient_id`, `label` (1 = metastasis by pathology, the same in all rows of a patient): required.
- `score` (finite, higher = more suspicious; no probability needed) or `call` (0/1, the patient's): one is required;
  without `score` the call is the score.
- `source`: who predicts; a table without the column is of one source, "model".
- `split`: train, val, test_a, test_b, folds, or any other set's name; "validation", "test", "internal" and "external"
  are understood. Without the column, or where it is empty, the set is "all".
- `video`: may be missing where there is one row a patient. `fold`: whole numbers, empty where there are no folds.
- `kind`: model, reader or ceiling, where the table wants to say so.
- `origin`: "phantom" in a row whose patient is simulated. It and any further column are kept as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from alnus.errors import CohortError
from alnus.evaluation.csv_text import read_csv_text

COLUMNS = ("patient_id", "video", "split", "label", "source", "score", "call", "fold")
PHANTOM = "phantom"
KINDS = ("model", "reader", "ceiling")
SPLIT_ALIASES = {"validation": "val", "test": "test_a", "internal": "test_a", "external": "test_b", "": "all"}
UNIT = ["source", "split", "fold", "patient_id"]  # what has one score and one call


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a predictions table from CSV or Parquet and check it; identifiers stay text ("007" is not 7).

    CSV: UTF-8 with or without a BOM; commas, semicolons or tabs; with the latter two also decimal commas.
    Raises CohortError naming the file, the row (1 = the first below the header), the patient and the column.
    """
    try:
        table = pd.read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else read_csv_text(path)
    except (OSError, ValueError) as error:  # ValueError: pandas' parsers, text that is not UTF-8, no Parquet
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CohortError(f"{path}: cannot be read as a predictions table ({reason})") from None
    return check_predictions(table, origin=str(path))


def check_predictions(table: pd.DataFrame, *, origin: str = "predictions") -> pd.DataFrame:
    """Return a checked copy: every column of `COLUMNS` there and typed, index 0..n-1, further columns kept.

    patient_id, video, split, source: text; label: 0/1; score: float; call: 0.0/1.0, NaN where there is none; fold:
    -1 where there is none. Checking a checked table changes nothing.
    origin: the table's name in messages. Raises CohortError naming row, patient and column.
    """
    checked = table.reset_index(drop=True).copy()
    _check_columns(checked, origin)
    defaults = {"source": "model", "split": "", "video": "", "call": np.nan, "fold": np.nan}
    for column, value in defaults.items():
        if column not in checked:
            checked[column] = value
    if "score" not in checked:
        checked["score"] = checked["call"]
    for column in ("patient_id", "video", "split", "source"):
        checked[column] = _text(checked[column])
    checked["split"] = checked["split"].replace(SPLIT_ALIASES)
    for column in ("patient_id", "source"):
        _refuse(checked, checked[column] == "", column, "is empty; name the patient and the source", origin)
    _check_numbers(checked, origin)
    _check_kind(checked, origin)
    _check_rows_together(checked, origin)
    return checked


def to_patients(table: pd.DataFrame, aggregation: Literal["mean", "max"] = "mean") -> pd.DataFrame:
    """Return one row a source, set, fold and patient: the mean or the largest score of the patient's videos.

    Columns source, split, fold, patient_id, label, score, call (NaN where there is none) and videos, their number;
    rows sorted by these, hence the same for any order of the table's rows. table: a predictions table.
    Raises CohortError as `check_predictions` does.
    """
    return patients_of(check_predictions(table), aggregation)


def patients_of(checked: pd.DataFrame, aggregation: Literal["mean", "max"]) -> pd.DataFrame:
    """Do what `to_patients` does for a table that has been checked."""
    groups = checked.groupby(UNIT, sort=True)
    patients = groups.agg(label=("label", "first"), call=("call", "first"), videos=("score", "size"))
    patients.insert(1, "score", groups["score"].agg(aggregation))
    return patients.reset_index()


def is_simulated(table: pd.DataFrame) -> bool:
    """Return whether any row says that its patient is simulated: one does, and no result of the table is clinical."""
    if "origin" not in table:
        return False
    return bool((table["origin"].astype(object).map(str).str.strip().str.lower() == PHANTOM).any())


def _check_columns(table: pd.DataFrame, origin: str) -> None:
    there = ", ".join(str(column) for column in table.columns) or "none"
    if not table.columns.is_unique:
        raise CohortError(f"{origin}: a column's name stands twice ({there}); name each column once")
    missing = [column for column in ("patient_id", "label") if column not in table]
    if "score" not in table and "call" not in table:
        missing.append("score")
        _refuse_cohort_table(table, origin)
    if missing:
        raise CohortError(f"{origin}: no column {', '.join(missing)}; the columns are {there}")
    if table.empty:
        raise CohortError(f"{origin}: the table has no row; give one a source and video")


def _refuse_cohort_table(table: pd.DataFrame, origin: str) -> None:
    """Raise CohortError where a table without scores has a cohort table's columns and none that says who predicts."""
    readers = [str(name) for name in table.columns if str(name).startswith("reader_")]
    if "source" in table or not ("video" in table or readers):
        return
    seen = ", ".join([*(["video"] if "video" in table else []), *readers])
    raise CohortError(
        f"{origin}: looks like a cohort table (column {seen}, but no score); a predictions table has one row a source "
        "and video, with its score: give the predictions.csv of a run, or run `alnus study` on the cohort table first"
    )


def _text(column: pd.Series) -> pd.Series:
    """Return identifiers as text; what is missing becomes empty, and whole floats lose their ".0"."""
    if pd.api.types.is_float_dtype(column):
        column = column.astype("Int64") if column.dropna().mod(1).eq(0).all() else column
    return column.astype(object).where(column.notna(), "").map(str).str.strip().astype(object)


def _check_numbers(table: pd.DataFrame, origin: str) -> None:
    for column in ("label", "score", "call", "fold"):
        raw = table[column]
        if getattr(raw.dtype, "kind", "O") in "cmM":  # pandas would make numbers of dates and complex values
            raw = raw.astype(str)
        empty = raw.isna() | raw.astype(object).eq("")
        numbers = pd.to_numeric(raw.where(~empty), errors="coerce").astype(np.float64)
        wanted = "is no number; write 1 for metastasis, 0 for none" if column in ("label", "call") else "is no number"
        _refuse(table, numbers.isna() & ~empty, column, wanted, origin)
        if column in ("label", "score"):
            _refuse(table, empty, column, "is empty; an evaluation needs every label and score", origin)
        table[column] = numbers
    _refuse(table, ~table["label"].isin([0, 1]), "label", "is not 0 or 1 (1 = metastasis)", origin)
    _refuse(table, ~np.isfinite(table["score"]), "score", "is no finite number", origin)
    _refuse(table, table["call"].notna() & ~table["call"].isin([0, 1]), "call", "is not 0 or 1", origin)
    fold = table["fold"].fillna(-1)
    _refuse(table, (fold % 1 != 0) | (fold < -1), "fold", "is no whole number from 0", origin)
    table["label"] = table["label"].astype(np.int64)
    table["fold"] = fold.astype(np.int64)


def _check_kind(table: pd.DataFrame, origin: str) -> None:
    if "kind" not in table:
        return
    table["kind"] = _text(table["kind"])
    _refuse(table, ~table["kind"].isin(["", *KINDS]), "kind", f"is not {', '.join(KINDS)}", origin)
    _refuse(table, _varies(table, ["source"], "kind"), "kind", "differs among the rows of its source", origin)


def _check_rows_together(table: pd.DataFrame, origin: str) -> None:
    """Refuse rows that contradict each other: two answers, two labels, two sets, half a column of calls."""
    twice = table.duplicated(["source", "video", "patient_id", "fold"])
    _refuse(table, twice, "video", "stands twice for this source, patient and fold; keep one row", origin)
    mixed = _varies(table, ["patient_id"], "label")
    _refuse(table, mixed, "label", "differs from the patient's other rows; pathology gives one label a patient", origin)
    unfolded = table["fold"] == -1
    named = table[unfolded & (table["split"] != "all")]
    astray = _varies(named, ["patient_id"], "split").reindex(table.index, fill_value=False)
    _refuse(table, astray, "split", "differs from the patient's other rows; a patient is in one set only", origin)
    again = _varies(table[~table["split"].isin(["train", "val"])], ["source", "split", "patient_id"], "fold")
    again = again.reindex(table.index, fill_value=False)
    _refuse(
        table, again, "fold", "differs from the patient's other rows of this set; a patient is held out once", origin
    )
    mixed = _varies(table, UNIT, "call")
    _refuse(table, mixed, "call", "differs from the patient's other videos; a call is the patient's", origin)
    called = table["call"].notna()
    some = called.groupby([table["source"], table["split"]]).transform("any") & ~called
    _refuse(
        table, some, "call", "is empty, but other patients of its source and set have one; fill all or none", origin
    )


def _varies(table: pd.DataFrame, group: list[str], column: str) -> pd.Series:
    """Mark the rows whose value is not that of their group's first row; a missing call is a value of its own."""
    values = table[column].fillna(-1) if column == "call" else table[column]
    first = values.groupby([table[name] for name in group], sort=False).transform("first")
    marked: pd.Series = values != first
    return marked


def _refuse(table: pd.DataFrame, wrong: pd.Series, column: str, problem: str, origin: str) -> None:
    """Raise CohortError for the first marked row, with its patient and value; do nothing where none is marked."""
    if not wrong.any():
        return
    where = int(np.flatnonzero(wrong.to_numpy())[0])
    row: Any = table.iloc[where]
    more = int(wrong.sum()) - 1
    others = f" ({more} more {'row' if more == 1 else 'rows'} alike)" if more else ""
    value = f"{row[column]:g}" if isinstance(row[column], float) else row[column]
    raise CohortError(
        f"{origin}: row {where + 1} (patient {row['patient_id']}, source {row['source']}), column {column}: "
        f"'{value}' {problem}{others}"
    )
