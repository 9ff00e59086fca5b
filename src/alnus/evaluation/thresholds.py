"""From scores to calls: thresholds chosen on validation patients, frozen, then applied to the test patients.

A threshold is a number for a source, or one for each of its folds: every fold is another network and has its own
validation patients. A source that scores only 0 and 1 (a sonographer's call) is cut at 0.5, hence by its own call.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alnus.errors import CohortError
from alnus.evaluation.frozen_thresholds import Rule, threshold_at_sensitivity, threshold_at_specificity
from alnus.evaluation.roc import youden_threshold
from alnus.evaluation.table import UNIT, check_predictions, patients_of

Threshold = float | Mapping[int, float]
"""One number, or one for each fold."""
OWN_CALL = 0.5
"""Between the scores 0 and 1 of a source that only makes calls."""


def freeze_thresholds(
    predictions: pd.DataFrame,
    *,
    aggregation: Literal["mean", "max"] = "mean",
    rule: Rule = "youden",
    at: float = 0.9,
) -> dict[str, Threshold]:
    """Return each source's threshold: 0.5 for a source of calls, else the rule's on its patients of the split "val".

    rule: Youden's index, or the sensitivity (specificity) `at` that it has there.

    In cross-validation (rows with a fold) a source has a mapping from fold to threshold. A source without
    validation patients of both classes, in every fold if it has folds, is left out: it gets no calls.
    Raises CohortError for a table that `check_predictions` refuses.
    """
    checked = check_predictions(predictions)
    return freeze_patients(patients_of(checked, aggregation), call_sources(checked), rule=rule, at=at)


def freeze_patients(
    patients: pd.DataFrame, callers: Set[str], *, rule: Rule = "youden", at: float = 0.9
) -> dict[str, Threshold]:
    """Do what `freeze_thresholds` does for the table of `to_patients`; callers: the sources of calls."""
    frozen: dict[str, Threshold] = {}
    for source, rows in patients.groupby("source"):
        threshold = OWN_CALL if source in callers else _on_validation(rows, rule, at)
        if threshold is not None:
            frozen[str(source)] = threshold
    return frozen


def call_sources(table: pd.DataFrame) -> set[str]:
    """Return the sources whose scores are all 0 or 1, before they are averaged to patients."""
    only_calls = table["score"].isin([0, 1]).groupby(table["source"]).all()
    return set(only_calls.index[only_calls])


def _on_validation(patients: pd.DataFrame, rule: Rule, at: float) -> Threshold | None:
    validation = patients[patients["split"] == "val"]
    folds = sorted(int(fold) for fold in patients["fold"].unique())
    found: dict[int, float] = {}
    for fold in folds:
        part = validation[validation["fold"] == fold]
        if part["label"].nunique() < 2:
            return None
        found[fold] = _chosen(part["label"].to_numpy(), part["score"].to_numpy(), rule, at)
    return found[-1] if folds == [-1] else found


def _chosen(labels: NDArray[np.int64], scores: NDArray[np.float64], rule: Rule, at: float) -> float:
    if rule == "youden":
        return youden_threshold(labels, scores)
    return {"sensitivity": threshold_at_sensitivity, "specificity": threshold_at_specificity}[rule](labels, scores, at)


def apply_thresholds(
    predictions: pd.DataFrame, thresholds: Mapping[str, Threshold], *, aggregation: Literal["mean", "max"] = "mean"
) -> pd.DataFrame:
    """Return the checked table with `call` filled: 1 in every row of a patient whose score reaches the threshold.

    The patient's score is that of `to_patients`. Sources without a threshold keep the calls that they have.
    Raises CohortError where a threshold names a source that the table does not hold, or lacks one of its folds.
    """
    table = check_predictions(predictions)
    patients = call_patients(patients_of(table, aggregation), thresholds)
    calls = patients.set_index(UNIT)["call"]
    table["call"] = calls.reindex(pd.MultiIndex.from_frame(table[UNIT])).to_numpy()
    return table


def call_patients(patients: pd.DataFrame, thresholds: Mapping[str, Threshold]) -> pd.DataFrame:
    """Return the table of `to_patients` with `call` filled for the sources that have a threshold."""
    sources = sorted(patients["source"].unique())
    for source in thresholds:
        if source not in sources:
            raise CohortError(f"thresholds: '{source}' is no source of the table; its sources are {', '.join(sources)}")
    called = patients.copy()
    for source, threshold in thresholds.items():
        rows = called["source"] == source
        cuts = _cuts(called.loc[rows, "fold"], threshold, source)
        called.loc[rows, "call"] = (called.loc[rows, "score"] >= cuts).astype(np.float64)
    return called


def _cuts(folds: pd.Series, threshold: Threshold, source: str) -> pd.Series:
    """Return the threshold of each row's fold."""
    if not isinstance(threshold, Mapping):
        return pd.Series(threshold, index=folds.index, dtype=np.float64)
    cuts = folds.map(dict(threshold))
    if cuts.isna().any():
        absent = int(folds[cuts.isna()].iloc[0])
        name = "rows without a fold" if absent == -1 else f"fold {absent}"
        raise CohortError(f"thresholds: '{source}' has none for {name}; freeze one for every fold")
    return cuts
