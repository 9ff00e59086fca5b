"""Which comparison is the primary one: declared, or chosen on validation before a test set is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.delong import auc

SETS = ("test_a", "folds", "test_b", "all")
"""The set of the primary comparison is the first of these that there is."""
DECLARED = "declared beforehand (evaluation.primary)"
ONLY = "the only declared comparison"
CHOSEN = "its first source has the highest AUC on the validation patients"


def primary_of(
    patients: pd.DataFrame,
    declared: Sequence[tuple[str, str]],
    config: EvaluationConfig,
    kinds: Mapping[str, str],
    sets: Sequence[str],
) -> tuple[dict[str, Any] | None, str]:
    """Return the primary comparison (a, b, set, measure, how) and "", or None and the reason.

    Only validation patients' rows are looked at. patients: of `to_patients`; sets: those that there are.
    """
    named = [name for name in (*SETS, *sets) if name in sets and name != "val"]
    if not declared:
        return None, "no comparison is declared: there is no image network beside a video network"
    if not named:
        return None, "there is no test set"
    found = {"set": named[0], "measure": "auc"}
    if config.primary is not None:
        return dict(zip("ab", config.primary, strict=True)) | found | {"how": DECLARED}, ""
    if len(declared) == 1:
        return dict(zip("ab", declared[0], strict=True)) | found | {"how": ONLY}, ""
    areas = {pair: area for pair in declared if (area := validation_auc(patients, pair[0])) is not None}
    if not areas:
        return None, "no validation patients of both classes to choose it on; declare one (evaluation.primary)"
    best = max(areas, key=lambda pair: (areas[pair], -list(declared).index(pair)))
    return dict(zip("ab", best, strict=True)) | found | {"how": CHOSEN, "validation_auc": areas[best]}, ""


def validation_auc(patients: pd.DataFrame, source: str) -> float | None:
    """Return a source's AUC on the validation patients, the folds' mean; None where a fold has none."""
    rows = patients[(patients["source"] == source) & (patients["split"] == "val")]
    areas = []
    for _, part in rows.groupby("fold"):
        try:
            areas.append(auc(part["label"].to_numpy(), part["score"].to_numpy()).estimate)
        except CohortError:
            return None
    return float(np.mean(areas)) if areas else None
