"""What is learnt on the validation patients and then frozen: recalibration and the ends of "not sure" answers.

In cross-validation every fold has its own, from its own validation patients.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.checks import FloatArray
from alnus.evaluation.conformal import Conformal, fit_conformal
from alnus.evaluation.frozen_thresholds import freeze_threshold
from alnus.evaluation.recalibration import Recalibration, fit_recalibration
from alnus.provenance import text_sha256

CALLS_ONLY = "the source makes 0/1 calls: there is nothing to learn of them"
NO_VALIDATION = "no validation patients of both classes to learn from"
Learnt = TypeVar("Learnt", Recalibration, Conformal)


@dataclass(frozen=True)
class Frozen:
    """A source's frozen maps by fold (-1: there are no folds); empty where `reasons` says why."""

    recalibration: dict[int, Recalibration]
    conformal: dict[int, Conformal]
    reasons: dict[str, str]

    def probabilities(self, rows: pd.DataFrame) -> FloatArray:
        """Return the recalibrated scores of patients' rows, (rows,). Raises CohortError where a fold has no map."""
        mapped: FloatArray = by_fold(rows, lambda fold, scores: _of(self.recalibration, fold).apply(scores), np.float64)
        return mapped

    def answers(self, rows: pd.DataFrame) -> Any:
        """Return "metastasis", "no metastasis" or "not sure: examine" for patients' rows, (rows,)."""
        return by_fold(rows, lambda fold, scores: _of(self.conformal, fold).apply(scores), np.dtype("U32"))

    def stated(self) -> dict[str, Any]:
        """Return what results.json says of it, with a hash of both maps."""
        parts: dict[str, Any] = {
            name: {str(fold): learnt.to_json() for fold, learnt in maps.items()} or None
            for name, maps in (("recalibration", self.recalibration), ("not_sure", self.conformal))
        }
        return parts | {"sha256": sha256_of(parts), "reasons": self.reasons}


def fit_frozen(patients: pd.DataFrame, callers: AbstractSet[str], config: EvaluationConfig) -> dict[str, Frozen]:
    """Learn both maps of every source on its rows of the split "val". patients: as `to_patients` gives them."""
    return {
        str(source): Frozen({}, {}, dict.fromkeys(("recalibration", "not_sure"), CALLS_ONLY))
        if source in callers
        else _fit(rows, config)
        for source, rows in patients.groupby("source")
    }


def _fit(rows: pd.DataFrame, config: EvaluationConfig) -> Frozen:
    reasons: dict[str, str] = {}
    maps = _learn(rows, "recalibration", reasons, lambda y, s: fit_recalibration(y, s, method=config.recalibration))
    ends = _learn(rows, "not_sure", reasons, lambda y, s: fit_conformal(y, s, coverage=config.coverage))
    return Frozen(maps, ends, reasons)


def _learn(
    rows: pd.DataFrame, name: str, reasons: dict[str, str], fit: Callable[[Any, Any], Learnt]
) -> dict[int, Learnt]:
    learnt: dict[int, Learnt] = {}
    for fold in sorted(int(fold) for fold in rows["fold"].unique()):
        part = rows[(rows["split"] == "val") & (rows["fold"] == fold)]
        where = "" if fold == -1 else f"fold {fold}: "
        if part["label"].nunique() < 2:
            reasons[name] = where + NO_VALIDATION
            return {}
        try:
            learnt[fold] = fit(part["label"].to_numpy(), part["score"].to_numpy())
        except CohortError as error:
            reasons[name] = where + str(error)
            return {}
    return learnt


def _of(maps: Mapping[int, Learnt], fold: int) -> Learnt:
    if fold not in maps:
        raise CohortError(
            f"nothing was learnt on validation patients of {'this set' if fold == -1 else f'fold {fold}'}"
        )
    return maps[fold]


def by_fold(rows: pd.DataFrame, apply: Callable[[int, Any], Any], dtype: Any) -> Any:
    """Return what `apply(fold, scores)` gives for each row, each fold by itself."""
    answers = np.empty(len(rows), dtype=dtype)
    folds = rows["fold"].to_numpy()
    for fold in np.unique(folds):
        chosen = folds == fold
        answers[chosen] = apply(int(fold), rows["score"].to_numpy()[chosen])
    return answers


def with_hashes(
    rules: Mapping[str, dict[str, Any]], patients: pd.DataFrame, config: EvaluationConfig
) -> dict[str, dict[str, Any]]:
    """Return thresholds as results.json states them: with what each gave on validation, and a hash.

    The hash is of the rule, the threshold and the validation patients with their labels and scores (`freeze_threshold`)
    where it was chosen on them; otherwise of the source and the threshold alone.
    """
    stated = {}
    for source, rule in rules.items():
        rows = patients[(patients["source"] == source) & (patients["split"] == "val")]
        stated[source] = rule | _validated(rule, rows, source, config)
    return stated


def _validated(rule: Mapping[str, Any], rows: pd.DataFrame, source: str, config: EvaluationConfig) -> dict[str, Any]:
    names = [
        f"{fold}/{patient}" if fold >= 0 else patient
        for fold, patient in zip(rows["fold"], rows["patient_id"], strict=True)
    ]
    if not rule["rule"].endswith(" on validation"):
        learnt = sorted(zip(names, rows["label"].tolist(), rows["score"].tolist(), strict=True))
        return {"sha256": sha256_of({"source": source, "rule": dict(rule), "validation": learnt})}
    at = None if config.threshold == "youden" else config.threshold_at
    frozen = freeze_threshold(
        source, names, rows["label"].to_numpy(), rows["score"].to_numpy(), rule=config.threshold, at=at
    )
    given = {name: getattr(frozen, name) for name in ("patients", "metastases", "sensitivity", "specificity")}
    return {"validation": given, "sha256": frozen.sha256}


def sha256_of(value: Any) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys."""
    return text_sha256(json.dumps(value, sort_keys=True, allow_nan=False))
