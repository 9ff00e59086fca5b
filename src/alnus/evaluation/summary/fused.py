"""Whether clinical variables add to a model's score: one penalised model, learnt on validation, judged on test sets.

The networks have seen the training patients, whose scores are therefore too good to learn from: the model is fitted
on validation patients alone. Where there are none it is cross-validated within the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.checks import FloatArray
from alnus.evaluation.delong import auc, compare_aucs
from alnus.evaluation.fusion import Fusion, cross_validated, fit_fusion
from alnus.evaluation.summary.clinical import CENTER, MOST_LEVELS
from alnus.evaluation.summary.values import Found, as_json, flagged
from alnus.provenance import text_sha256

SCORE = "score of the model"
SMALL = 2_000
"""Patients up to which the model is fitted; beyond, the nested folds take minutes."""
NO_COLUMNS = "the table has no clinical columns"
LEARNT_HERE = "learnt on these patients, so it says nothing of others"
OUTCOME = "the clinical variables alone separate the classes: is one of them known only after pathology?"


def usable_columns(clinical: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the columns that can be joined with a score: no centre, nothing empty, no identifiers."""
    kept = []
    for name in names:
        column = clinical[name]
        text = not pd.api.types.is_numeric_dtype(column)
        if name != CENTER and column.nunique() >= 2 and not (text and column.nunique() > MOST_LEVELS):
            kept.append(name)
    return kept


def fused_design(rows: pd.DataFrame, clinical: pd.DataFrame, names: Sequence[str], *, score: bool) -> pd.DataFrame:
    """Return the variables of patients' rows, with the model's score as one of them or without."""
    design = clinical[list(names)].reindex(rows["patient_id"]).reset_index(drop=True)
    return design.assign(**{SCORE: rows["score"].to_numpy()}) if score else design


def learnt_on_validation(
    rows: pd.DataFrame, clinical: pd.DataFrame, names: Sequence[str]
) -> tuple[dict[str, Fusion], str]:
    """Return the frozen models "fused" and "clinical", or nothing and the reason. rows: one source's patients."""
    validation = rows[(rows["split"] == "val") & (rows["fold"] == -1)]
    if validation["label"].nunique() < 2:
        return {}, "no validation patients of both classes to learn from"
    if len(validation) > SMALL:
        return {}, f"{len(validation)} validation patients: too many for the nested folds"
    labels = validation["label"].to_numpy()
    designs = {"fused": fused_design(validation, clinical, names, score=True),
               "clinical": fused_design(validation, clinical, names, score=False)}  # fmt: skip
    empty = [str(name) for name in designs["clinical"] if designs["clinical"][name].isna().all()]
    try:
        return {key: fit_fusion(labels, design.drop(columns=empty)) for key, design in designs.items()}, ""
    except CohortError as error:
        return {}, str(error)


def fusion_of(
    rows: pd.DataFrame,
    clinical: pd.DataFrame,
    names: Sequence[str],
    learnt: dict[str, Fusion],
    config: EvaluationConfig,
) -> dict[str, Any]:
    """Return the AUCs of the score, of the clinical variables and of both on one set, and the paired differences.

    rows: one source's patients of one set. learnt: of `learnt_on_validation`; empty: cross-validated in this set.
    """
    source = str(rows["source"].iloc[0])
    found = Found({"source": source, "variables": list(names), "patients": len(rows)})
    found.values["how"] = "fitted on validation" if learnt else "cross-validated in this set"
    statistics = ("auc", "auc_score", "auc_clinical", "difference", "clinical_difference")
    reason = NO_COLUMNS if not names else LEARNT_HERE if (rows["split"] == "val").all() else ""
    if not learnt and len(rows) > SMALL:
        reason = reason or f"{len(rows)} patients: too many for the nested folds"
    try:
        fused, alone = ([], []) if reason else _predicted(rows, clinical, names, learnt)
    except CohortError as error:
        reason = str(error)
    if reason:
        for name in statistics:
            found.leave(name, reason)
        return found.values | {"reasons": found.reasons}
    labels, scores = rows["label"].to_numpy(), rows["score"].to_numpy()
    for name, values in (("auc", fused), ("auc_score", scores), ("auc_clinical", alone)):
        found.add(name, lambda values=values: _area(labels, values, config))  # type: ignore[misc]  # bound now
    found.add("difference", lambda: _difference(labels, fused, scores, config))
    found.add("clinical_difference", lambda: _difference(labels, fused, alone, config))
    area = found.values["auc_clinical"]
    note = {"note": OUTCOME} if area and area["estimate"] > 0.98 else {}
    return found.values | note | {"reasons": found.reasons}


def _predicted(
    rows: pd.DataFrame, clinical: pd.DataFrame, names: Sequence[str], learnt: dict[str, Fusion]
) -> list[FloatArray]:
    """Return the probabilities of the fused and of the clinical model, each (patients,)."""
    designs = [fused_design(rows, clinical, names, score=score) for score in (True, False)]
    if learnt:
        return [learnt[key].apply(design) for key, design in zip(("fused", "clinical"), designs, strict=True)]
    labels = rows["label"].to_numpy()
    return [cross_validated(labels, design.dropna(axis="columns", how="all")) for design in designs]


def _area(labels: Any, values: Any, config: EvaluationConfig) -> dict[str, Any]:
    area = auc(labels, values, confidence=config.confidence, interval="logit")
    return flagged(asdict(area), widest=config.widest_interval)


def _difference(labels: Any, a: Any, b: Any, config: EvaluationConfig) -> dict[str, Any]:
    tested = asdict(compare_aucs(labels, a, b, confidence=config.confidence))
    return flagged(tested, widest=config.widest_interval)


def stated(learnt: dict[str, Fusion], source: str | None, reason: str) -> dict[str, Any]:
    """Return the frozen models as results.json states them, with a hash."""
    models = {key: as_json(model) for key, model in learnt.items()} or None
    return {"source": source, "models": models, "sha256": text_sha256(repr(models)) if models else None} | (
        {"reason": reason} if reason else {}
    )
