"""A reader study's table, one row a reading, checked and laid out as treatments x readers x cases.

A treatment is a way of reading that is compared: without and with the model, video and still image, two devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import BoolArray, FloatArray, checked_binary, checked_scores

FACTORS = ("treatment", "reader", "case")
Layout = Literal["crossed", "cases nested in readers", "cases nested in treatments", "incomplete"]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Grid:
    """values: (treatments, readers, cases), NaN where a reader did not read a case in a treatment."""

    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    values: FloatArray


def grid_of(table: pd.DataFrame, value: str, *, treatments: Sequence[Any] | None = None) -> Grid:
    """Lay out column `value` (finite numbers) of a table with treatment, reader and case, one row a reading.

    treatments: those to keep, in the order in which differences are taken; else all, sorted.
    Raises CohortError for missing columns, empty or double entries, values that are no finite numbers, and where a
    reader has no reading at all in a treatment; UsageError for treatments that the table does not have.
    """
    rows = _selected(_checked(table, value), treatments)
    names, codes = zip(*(_factor(rows[name]) for name in FACTORS), strict=True)
    if treatments is not None:
        names, codes = _reordered(names, codes, [str(name) for name in treatments])
    _refuse_double(rows, codes)
    values = np.full([len(each) for each in names], np.nan)
    values[codes] = checked_scores(rows[value].to_numpy(), value)
    grid = Grid(names[0], names[1], names[2], values)
    _refuse_absent(grid)
    return grid


def truth_of(table: pd.DataFrame, cases: Sequence[str]) -> BoolArray:
    """Return the truth of each case, (cases,), True = metastasis.

    Raises CohortError where it is not 0 or 1, or not the same in all rows of a case.
    """
    column = pd.Series(checked_binary(table["truth"].to_numpy(), "truth"), index=table["case"].astype(str))
    by_case = column.groupby(level=0).agg(["min", "max"])
    torn = by_case.index[by_case["min"] != by_case["max"]]
    if len(torn):
        raise CohortError(
            f"truth: case '{torn[0]}' has both 0 and 1; a case has one truth, and different cases need different names"
        )
    truth: BoolArray = by_case.loc[list(cases), "min"].to_numpy(dtype=np.bool_)
    return truth


def layout_of(read: BoolArray) -> Layout:
    """Name the study's layout. read: (treatments, readers, cases), True where there is a reading."""
    if read.all():
        return "crossed"
    if read.shape[1] > 1 and np.all(read.any(axis=0).sum(axis=0) == 1):
        return "cases nested in readers"
    if read.shape[0] > 1 and np.all(read.any(axis=1).sum(axis=0) == 1):
        return "cases nested in treatments"
    return "incomplete"


def _checked(table: pd.DataFrame, value: str) -> pd.DataFrame:
    absent = [name for name in (*FACTORS, value) if name not in table.columns]
    if absent:
        raise CohortError(
            f"ratings: column '{absent[0]}' is missing; one row a reading is expected, with "
            f"{', '.join((*FACTORS, value))}; the table has {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise CohortError("ratings: the table has no rows; give one row a reading")
    for name in FACTORS:
        empty = table[name].isna() | (table[name].astype(str).str.strip() == "")
        if empty.any():
            raise CohortError(f"ratings: {name} is empty in row {int(np.argmax(empty))} (from 0); name it in every row")
    return table


def _selected(table: pd.DataFrame, treatments: Sequence[Any] | None) -> pd.DataFrame:
    if treatments is None:
        return table
    present, wanted = set(table["treatment"].astype(str)), [str(name) for name in treatments]
    unknown = [name for name in wanted if name not in present]
    if unknown or len(set(wanted)) < len(wanted) or not wanted:
        raise UsageError(
            f"treatments: {', '.join(wanted) or 'nothing'} received; "
            f"name some of {', '.join(sorted(present))}, each once"
        )
    return table[table["treatment"].astype(str).isin(wanted)]


def _factor(column: pd.Series) -> tuple[tuple[str, ...], IntArray]:
    """Return the sorted names (numbers as numbers, else as text) and each row's place among them."""
    numbers = column.map(lambda name: isinstance(name, int | float | np.number)).all()
    codes, names = pd.factorize(column if numbers else column.astype(str), sort=True)
    return tuple(str(name) for name in names), codes


def _reordered(
    names: tuple[tuple[str, ...], ...], codes: tuple[IntArray, ...], wanted: list[str]
) -> tuple[tuple[tuple[str, ...], ...], tuple[IntArray, ...]]:
    place = np.array([wanted.index(name) for name in names[0]])
    return (tuple(wanted), *names[1:]), (place[codes[0]], *codes[1:])


def _refuse_double(rows: pd.DataFrame, codes: tuple[IntArray, ...]) -> None:
    double = pd.DataFrame(dict(zip(FACTORS, codes, strict=True))).duplicated()
    if double.any():
        treatment, reader, case = (rows[name].iloc[int(np.argmax(double))] for name in FACTORS)
        raise CohortError(
            f"ratings: reader '{reader}' has two readings of case '{case}' in treatment '{treatment}'; keep one"
        )


def _refuse_absent(grid: Grid) -> None:
    """Raise CohortError where a reader has no reading in a treatment: the analysis crosses readers and treatments."""
    there = ~np.isnan(grid.values).all(axis=2)
    if there.all():
        return
    treatment, reader = (int(place) for place in np.argwhere(~there)[0])
    where = f"reader '{grid.readers[reader]}' has no readings in treatment '{grid.treatments[treatment]}'"
    if np.all(there.sum(axis=0) == 1):
        raise CohortError(
            f"ratings: {where}: every reader reads in one treatment only (readers nested in treatments), "
            "for which this analysis does not exist; analyse one treatment at a time"
        )
    raise CohortError(f"ratings: {where}; leave the reader out, or name the treatments in which all have read")
