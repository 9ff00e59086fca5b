"""From a predictions table to results.json: every statistic of every source on every set, and their comparisons.

A statistic lies at `sets.<set>.sources.<source>.<statistic>`; `results.schema.json` is its JSON Schema.
The set "folds" pools the held-out patients of all folds: each patient is scored once, by a network that did not see
him, and one ROC curve is drawn through the scores of all folds' networks. Networks whose scores differ in scale make
the pooled AUC lower than theirs, never the calls, which each fold makes with its own threshold.
Patients of the training set, and validation patients of folds, are counted nowhere: their networks know them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib import resources
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.comparisons import compare_all, compare_pair, declared_pairs
from alnus.evaluation.delong import auc
from alnus.evaluation.proportions import MEASURES, confusion
from alnus.evaluation.roc import roc_curve
from alnus.evaluation.sources import called_patients, source_kinds
from alnus.evaluation.table import check_predictions, is_simulated
from alnus.evaluation.thresholds import Threshold

SCHEMA_VERSION = 1
SET_ORDER = ("train", "val", "test_a", "test_b", "folds", "all")
NO_CALLS = "no calls: no threshold, for there are no validation patients of both classes"
NO_WIDTH = "without an interval: DeLong's variance is zero, so how firm it is cannot be told (underpowered)"
UNDEFINED = {
    "accuracy": "Accuracy not defined: there are no patients",
    "sensitivity": "Sensitivity not defined: no patient has metastasis",
    "specificity": "Specificity not defined: every patient has metastasis",
    "ppv": "PPV not defined: nobody was called positive",
    "npv": "NPV not defined: nobody was called negative",
}
CALLS_ONLY = "of 0/1 calls: the mean of sensitivity and specificity, usually below the AUC of a graded reading"


def evaluate(
    predictions: pd.DataFrame,
    config: EvaluationConfig | None = None,
    *,
    thresholds: Mapping[str, Threshold] | None = None,
    kinds: Mapping[str, str] | None = None,
    phantom: bool = False,
) -> dict[str, Any]:
    """Return the body of results.json: plain numbers, text, lists and dictionaries, no NaN.

    predictions: a predictions table (`alnus.evaluation.table` describes it). thresholds: as `freeze_thresholds`
    gave them; None: the table's calls, else frozen here on "val". kinds: source -> model, reader or ceiling.
    phantom: the patients are simulated; so it is too where a row's `origin` says "phantom".
    A statistic that the patients of a set do not allow is None, and the source's `reason` says why.
    Raises CohortError for a table that cannot be used, ConfigError for a declared comparison that does not exist.
    """
    return _evaluate(predictions, config or EvaluationConfig(), thresholds, kinds, phantom, unseen=("train",))


def evaluate_readers(
    reader_rows: pd.DataFrame, config: EvaluationConfig | None = None, *, phantom: bool = False
) -> dict[str, Any]:
    """Return what `evaluate` does, for sonographers alone: every source is a reader, and "train" is a set like others.

    reader_rows: a predictions table with one row a reader and patient; an empty split makes the set "all".
    """
    table = check_predictions(reader_rows, origin="readers")
    kinds = {str(source): "reader" for source in table["source"].unique()}
    return _evaluate(table, config or EvaluationConfig(), None, kinds, phantom, unseen=())


def compare_sources(
    predictions: pd.DataFrame,
    a: str,
    b: str,
    config: EvaluationConfig | None = None,
    *,
    thresholds: Mapping[str, Threshold] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the paired comparison of two sources on every set but training and validation.

    The dictionary has a, b, phantom (whether a row's `origin` says so), confidence, aggregation and sets: name -> the
    comparison as in results.json, without Holm's correction, with each source's own statistics, on the patients that
    both have, under `sources`.
    Raises CohortError where a or b is no source, they are the same, or no test set holds both.
    """
    config = config or EvaluationConfig()
    table = check_predictions(predictions)
    for source in (a, b):
        if source not in set(table["source"]):
            known = ", ".join(sorted(table["source"].unique()))
            raise CohortError(f"'{source}' is no source of the table; its sources are {known}")
    if a == b:
        raise CohortError(f"'{a}' cannot be compared with itself; name two sources")
    patients, rules = called_patients(table[table["source"].isin([a, b])], config.aggregation, thresholds)
    kind_of = source_kinds(table, kinds)
    sets = {}
    for name, rows in _by_set(patients, unseen=("train", "val")):
        both = rows[rows.duplicated("patient_id", keep=False)]  # in one set a source has a patient once
        if not both.empty:
            sets[name] = compare_pair(both, a, b, confidence=config.confidence)
            sets[name]["sources"] = _sources(both, kind_of, rules, config)
    if not sets:
        raise CohortError(f"no set but training and validation holds both '{a}' and '{b}'; compare on test patients")
    return {
        "a": a,
        "b": b,
        "phantom": is_simulated(table),
        "confidence": config.confidence,
        "aggregation": config.aggregation,
        "sets": sets,
    }


def results_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of results.json."""
    text = (resources.files("alnus.evaluation") / "results.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _evaluate(
    predictions: pd.DataFrame,
    config: EvaluationConfig,
    thresholds: Mapping[str, Threshold] | None,
    kinds: Mapping[str, str] | None,
    phantom: bool,
    *,
    unseen: tuple[str, ...],
) -> dict[str, Any]:
    table = check_predictions(predictions)
    kind_of = source_kinds(table, kinds)
    declared_pairs(config, kind_of)  # refuses a wrong declaration before anything is computed
    patients, rules = called_patients(table, config.aggregation, thresholds)
    sets = {}
    for name, rows in _by_set(patients, unseen=unseen):
        counted = rows.drop_duplicates("patient_id")["label"]
        sets[name] = {
            "patients": len(counted),
            "positive": int(counted.sum()),
            "negative": int((1 - counted).sum()),
            "sources": _sources(rows, kind_of, rules, config),
            "comparisons": [] if name == "val" else compare_all(rows, config, kind_of),
        }
    if not sets:
        raise CohortError("predictions: every row is of the training set; predict on patients the networks never saw")
    return {
        "schema": SCHEMA_VERSION,
        "phantom": phantom or is_simulated(table),
        "confidence": config.confidence,
        "aggregation": config.aggregation,
        "thresholds": rules,
        "sets": sets,
    }


def _by_set(patients: pd.DataFrame, *, unseen: tuple[str, ...]) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield each set's name and rows in the order of `SET_ORDER`, others after it; folds' validation is no set."""
    inner = (patients["split"] == "val") & (patients["fold"] >= 0)
    kept = patients[~inner & ~patients["split"].isin(unseen)]
    names = sorted(kept["split"].unique())
    for name in sorted(names, key=lambda name: SET_ORDER.index(name) if name in SET_ORDER else len(SET_ORDER)):
        yield str(name), kept[kept["split"] == name]


def _sources(
    patients: pd.DataFrame, kinds: Mapping[str, str], rules: Mapping[str, dict[str, Any]], config: EvaluationConfig
) -> dict[str, Any]:
    """Return the statistics of each source of one set, models first, then readers, then ceilings."""
    order = ("model", "reader", "ceiling")
    names = sorted(patients["source"].unique(), key=lambda name: (order.index(kinds[name]), name))
    return {
        name: {"kind": kinds[name], "threshold": rules.get(name, {}).get("value")}
        | _statistics(patients[patients["source"] == name], config.confidence)
        for name in names
    }


def _statistics(rows: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """Return one source's statistics on one set; what cannot be had is None and named in `reason`."""
    found: dict[str, Any] = {"patients": len(rows), "auc": None, "roc": None, "counts": None}
    found |= dict.fromkeys(MEASURES)
    reasons = []
    labels, scores = rows["label"].to_numpy(), rows["score"].to_numpy()
    try:
        area = auc(labels, scores, confidence=confidence)
        notes = [NO_WIDTH] if area.standard_error == 0 else []
        notes += [CALLS_ONLY] if rows["score"].isin([0, 1]).all() else []
        found["auc"] = asdict(area) | ({"note": "; ".join(notes)} if notes else {})
    except CohortError as error:
        reasons.append(f"AUC: {error}")
    if rows["label"].nunique() == 2:
        curve = roc_curve(labels, scores)
        found["roc"] = {"fpr": curve.fpr.tolist(), "tpr": curve.tpr.tolist()}
    if rows["call"].notna().all():
        measures, empty = _measures(labels, rows["call"].to_numpy(), confidence)
        found |= measures
        reasons += empty
    else:
        reasons.append(NO_CALLS)
    return found | ({"reason": "; ".join(reasons)} if reasons else {})


def _measures(labels: Any, calls: Any, confidence: float) -> tuple[dict[str, Any], list[str]]:
    """Return counts and proportions of a 2x2 table, and the reasons for those that have no patients."""
    counts = confusion(labels, calls)
    found: dict[str, Any] = {"counts": asdict(counts)}
    reasons = []
    for name, measure in MEASURES.items():
        try:
            found[name] = asdict(measure(counts, confidence=confidence))
        except CohortError:
            found[name] = None
            reasons.append(UNDEFINED[name])
    return found, reasons
