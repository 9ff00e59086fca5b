"""From the measures of single cases to what results.json says of a network's heatmaps.

docs/explanation/heatmaps.md explains them. Every mean is over patients, with a bootstrap interval of patients; right
and wrong calls stand beside all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.evaluation.case_means import case_mean
from alnus.evaluation.summary.values import as_json

LESION = ("pointing", "pointing_uniform", "pointing_centre", "energy", "energy_uniform", "energy_centre")
FRAMES = ("frame_lesion", "frame_lesion_random", "frame_lesion_middle", "frame_correlation")
PERTURBED = (
    *("deletion", "deletion_random", "deletion_centre"),
    *("insertion", "insertion_random", "insertion_centre"),
)
DIFFERENCES = {
    "pointing_gain": ("pointing", "pointing_uniform"),
    "energy_gain": ("energy", "energy_uniform"),
    "energy_gain_centre": ("energy", "energy_centre"),
    "frame_lesion_gain": ("frame_lesion", "frame_lesion_random"),
    "deletion_gain": ("deletion_random", "deletion"),
    "deletion_gain_centre": ("deletion_centre", "deletion"),
    "insertion_gain": ("insertion", "insertion_random"),
    "insertion_gain_centre": ("insertion", "insertion_centre"),
}
"""A less b, so that above 0 the heat is better than the baseline."""
MEASURES = (*LESION, *FRAMES, *PERTURBED, *DIFFERENCES)
STILL_ALIKE = 0.5
"""A rank correlation that the upper end of the interval must stay below for the maps to count as changed."""


def faithfulness_results(
    cases: pd.DataFrame, curves: pd.DataFrame, randomised: pd.DataFrame, config: EvaluationConfig
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by test set and network, what is known of its heatmaps.

    cases: a row a case with set, source, patient_id, kind (TP, FN, FP, TN) and a column a measure, NaN where it was not
    taken. curves: set, source, patient_id, measure, order, share, score. randomised: set, source, patient_id, depth,
    part, similarity.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (split, source), rows in cases.groupby(["set", "source"], sort=True):
        gone, made_random = (
            table[(table["set"] == split) & (table["source"] == source)] for table in (curves, randomised)
        )
        found.setdefault(str(split), {})[str(source)] = _source(rows, gone, made_random, config)
    return found


def _source(cases: pd.DataFrame, curves: pd.DataFrame, randomised: pd.DataFrame, config: EvaluationConfig) -> Any:
    right = cases["kind"].isin(["TP", "TN"])
    wrong = cases["kind"].isin(["FP", "FN"])
    groups = {"all": cases, "right": cases[right], "wrong": cases[wrong]}
    return {
        "cases": len(cases),
        "without_evidence": int((cases["evidence"] == 0).sum()),
        "groups": {name: _measures(rows, config) for name, rows in groups.items()},
        "curves": _mean_curves(curves),
        "randomised": _randomised(randomised, config),
    }


def _measures(cases: pd.DataFrame, config: EvaluationConfig) -> dict[str, Any]:
    """Return the mean of each measure; None where no case has it."""
    values = {name: cases[name] for name in (*LESION, *FRAMES, *PERTURBED)}
    values |= {name: cases[a] - cases[b] for name, (a, b) in DIFFERENCES.items()}
    return {name: _mean(values[name], cases["patient_id"], config) for name in MEASURES}


def _mean(values: pd.Series, patients: pd.Series, config: EvaluationConfig) -> dict[str, Any] | None:
    known = values.notna()
    if not known.any():
        return None
    made = case_mean(
        values[known].to_numpy(),
        patients[known].to_numpy(dtype=str),
        replicates=config.replicates,
        confidence=config.confidence,
    )
    stated: dict[str, Any] = as_json(made)
    return stated


def _mean_curves(curves: pd.DataFrame) -> dict[str, Any] | None:
    """Return the mean score over the cases at each share of the pixels, by measure and order."""
    if curves.empty:
        return None
    means = curves.groupby(["measure", "order", "share"])["score"].mean()
    shares = sorted(curves["share"].unique())
    return {"shares": as_json(shares)} | {
        measure: {order: as_json(means[measure, order].loc[shares].to_numpy(), digits=6) for order in orders}
        for measure, orders in (("deletion", _orders(curves)), ("insertion", _orders(curves)))
    }


def _orders(curves: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(curves["order"]))


def _randomised(randomised: pd.DataFrame, config: EvaluationConfig) -> dict[str, Any] | None:
    """Return the similarity after each part, and whether the maps have changed once every weight is random."""
    if randomised.empty:
        return None
    steps: list[dict[str, Any]] = []
    for _, rows in randomised.groupby("depth", sort=True):
        mean = _mean(rows["similarity"], rows["patient_id"], config)
        steps.append({"part": str(rows["part"].iloc[0]), "similarity": mean})
    return {"steps": steps, "changed": _changed(steps[-1]["similarity"])}


def _changed(similarity: Mapping[str, Any] | None) -> bool | None:
    """Tell whether the maps of random weights are other maps; None where too few cases can say."""
    if similarity is None or similarity["high"] is None:
        return None
    return bool(similarity["high"] < STILL_ALIKE)
