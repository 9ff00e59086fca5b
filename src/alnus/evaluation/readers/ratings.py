"""A reader study's table from a file, or from a predictions table in which readers are sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from alnus.errors import CohortError
from alnus.evaluation.csv_text import read_csv_text

NUMBERS = ("truth", "rating", "time_s")


def read_ratings(path: Path | str, *, needs: Sequence[str] = ("truth", "rating")) -> pd.DataFrame:
    """Read a CSV with treatment, reader, case and the columns of `needs`; a table without treatment is of one.

    Names that are all numbers are sorted as numbers. Raises CohortError where the file is not such a table.
    """
    path = Path(path)
    try:
        table = read_csv_text(path)
    except (OSError, ValueError) as error:
        raise CohortError(f"{path}: cannot be read as a CSV table: {str(error).splitlines()[0]}") from None
    absent = [name for name in ("reader", "case", *needs) if name not in table.columns]
    if absent:
        raise CohortError(
            f"{path}: column '{absent[0]}' is missing; one row a reading is expected, with treatment, reader, case and "
            f"{', '.join(needs)}"
        )
    for name in [name for name in NUMBERS if name in needs]:
        table[name] = _numbers(table[name], path)
    if "treatment" not in table.columns:
        table["treatment"] = "readers"
    for name in ("treatment", "reader", "case"):
        table[name] = _as_numbers(table[name])
    return table


def ratings_of(
    predictions: pd.DataFrame, treatments: Mapping[str, Mapping[str, str]], *, value: str = "score"
) -> pd.DataFrame:
    """Return ratings from a patients' table (`to_patients`: patient_id, label, source, score, call) of one set.

    treatments: for each treatment the source of each reader, such as {"alone": {"A": "reader_a"}, "with the model":
    {"A": "reader_a_ai"}}. value: "score" or "call". Patients whom a source lacks are missing readings.
    Raises CohortError where a source is not in the table.
    """
    parts = []
    for treatment, sources in treatments.items():
        for reader, source in sources.items():
            rows = predictions[predictions["source"] == source]
            if rows.empty:
                raise CohortError(
                    f"ratings: '{source}' is no source of the table; "
                    f"the sources are {', '.join(map(str, predictions['source'].unique()))}"
                )
            own = rows[["patient_id", "label", value]].dropna()
            own = own.set_axis(["case", "truth", "rating"], axis=1)
            parts.append(own.assign(treatment=treatment, reader=reader))
    return pd.concat(parts, ignore_index=True)


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().any():
        row = int(numbers.isna().argmax())
        raise CohortError(
            f"{path}: {column.name} '{column.iloc[row]}' in row {row + 2} is no number; mend or leave out"
        )
    return numbers


def _as_numbers(column: pd.Series) -> pd.Series:
    """Return names as whole numbers where all are written as such, so that 2 comes before 10; else as they are."""
    return column.astype("int64") if column.str.fullmatch(r"0|[1-9]\d{0,15}").all() else column
