"""The patients' clinical columns: which can be reported by level or joined with a score, and how numbers are split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alnus.errors import ConfigError
from alnus.evaluation.table import COLUMNS

NOT_CLINICAL = {*COLUMNS, "kind", "origin", "keyframe", "image", "roi_x", "roi_y", "roi_w", "roi_h"}
CENTER = "center"
MOST_LEVELS = 10
"""A column of text with more levels is an identifier or a date, not a group."""


@dataclass(frozen=True)
class Variable:
    """A column as groups, a level for each patient; split: the value that parts a number in two."""

    name: str
    levels: pd.Series
    split: float | None
    reason: str

    def stated(self) -> dict[str, Any]:
        """Return what results.json says of it."""
        kind = "category" if self.split is None else "number"
        stated = {"name": self.name, "kind": kind, "split": self.split}
        return stated | ({"reason": self.reason} if self.reason else {})


def clinical_of(table: pd.DataFrame, given: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row a patient (index patient_id) with the clinical columns and, where known, `split`.

    given: a table with patient_id (several rows a patient may stand in it), as a study has it; None: the further
    columns of the predictions table. A column that differs among a patient's rows is a video's, and left out.
    """
    rows = table if given is None else given.assign(patient_id=given["patient_id"].astype(str))
    names = [str(name) for name in rows.columns if name not in NOT_CLINICAL and not str(name).startswith("reader_")]
    if not names:
        return pd.DataFrame(index=pd.Index(rows["patient_id"].unique(), name="patient_id"))
    rows = rows[["patient_id", *names]].astype(dict.fromkeys(names, object)).replace("", np.nan)
    groups = rows.groupby("patient_id", sort=True)
    of_patient = [name for name in names if groups[name].nunique(dropna=True).max() <= 1]
    first = groups[of_patient].first() if of_patient else pd.DataFrame(index=pd.Index(sorted(groups.groups)))
    return first.apply(_typed)


def _typed(column: pd.Series) -> pd.Series:
    """Return numbers where every value that is there is one, else text."""
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    if not numbers[column.notna()].isna().any() and np.isfinite(numbers.dropna()).all():
        return numbers
    return column.where(column.isna(), column.astype(str))


def chosen_columns(clinical: pd.DataFrame, wanted: Sequence[str] | None, key: str) -> list[str]:
    """Return the columns of a setting, or all. Raises ConfigError for one that there is not."""
    for name in wanted or ():
        if name not in clinical:
            known = ", ".join(clinical.columns) or "none"
            raise ConfigError(f"evaluation.{key}: '{name}' is no column of the patients; there are {known}")
    return list(clinical.columns) if wanted is None else list(wanted)


def grouped(column: pd.Series, development: pd.Index) -> Variable:
    """Return a column as groups; a number of more than five values is split at the median of `development`.

    development: the training and validation patients, so that the test patients choose no cut; without any of them
    the median is of all patients, and `reason` says so.
    """
    name = str(column.name)
    if column.notna().sum() == 0:
        return Variable(name, column, None, "left out: it holds nothing")
    if not pd.api.types.is_numeric_dtype(column):
        if column.nunique() > MOST_LEVELS:
            return Variable(name, column, None, f"left out: {column.nunique()} levels, an identifier or a date")
        return Variable(name, column, None, "" if column.nunique() > 1 else "left out: all patients have one level")
    if column.nunique() <= 5:
        text = column.map(lambda value: f"{value:g}", na_action="ignore").astype(object)
        return Variable(name, text, None, "" if column.nunique() > 1 else "left out: all patients have one level")
    known = column.reindex(development).dropna()
    cut = float((known if len(known) else column.dropna()).median())
    parts = column.map(lambda value: f"≤ {cut:g}" if value <= cut else f"> {cut:g}", na_action="ignore").astype(object)
    return Variable(
        name, parts, cut, "" if len(known) else "split at the median of these patients: no others are known"
    )
