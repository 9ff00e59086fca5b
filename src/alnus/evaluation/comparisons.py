"""Paired comparisons of two sources on the patients that both have answered; Holm over the declared ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError, ConfigError
from alnus.evaluation.delong import compare_aucs
from alnus.evaluation.paired import holm, mcnemar

IMAGE = "image"
"""The source that the video networks are compared with unless the configuration declares otherwise."""


def declared_pairs(config: EvaluationConfig, kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the pairs to test: the configuration's, else every model against "image" where that is a source.

    Raises ConfigError where a declared pair names no source, one source twice, or a ceiling.
    """
    if config.comparisons is None:
        models = [source for source, kind in kinds.items() if kind == "model" and source != IMAGE]
        return [(source, IMAGE) for source in models] if kinds.get(IMAGE) == "model" else []
    for pair in config.comparisons:
        for source in pair:
            if source not in kinds:
                raise ConfigError(f"comparisons: '{source}' is no source; the sources are {', '.join(kinds)}")
            if kinds[source] == "ceiling":
                raise ConfigError(f"comparisons: '{source}' is a ceiling that the truth gives and enters no test")
        if pair[0] == pair[1]:
            raise ConfigError(f"comparisons: '{pair[0]}' is compared with itself; name two sources")
    return list(config.comparisons)


def compare_all(patients: pd.DataFrame, config: EvaluationConfig, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the comparisons of one set: the declared ones with Holm's correction, then each model with each reader.

    patients: the set's rows of `to_patients`, called. Pairs of which the set lacks a source are left out, and so are
    tests that the patients do not allow, but both count in Holm's family: it is what was declared, not what remained.
    """
    present = set(patients["source"])
    declared = declared_pairs(config, kinds)
    models = [source for source, kind in kinds.items() if kind == "model"]
    readers = [source for source, kind in kinds.items() if kind == "reader"]
    known = {frozenset(pair) for pair in declared}
    further = [(m, r) for m in models for r in readers if frozenset((m, r)) not in known]
    rows = [
        compare_pair(patients, a, b, confidence=config.confidence) | {"declared": index < len(declared)}
        for index, (a, b) in enumerate([*declared, *further])
        if {a, b} <= present
    ]
    for test in ("auc", "mcnemar"):
        _correct([row[test] for row in rows if row["declared"] and row[test] is not None], family=len(declared))
    return rows


def compare_pair(patients: pd.DataFrame, a: str, b: str, *, confidence: float) -> dict[str, Any]:
    """Return DeLong's and McNemar's test of two sources of one set, on the patients both have.

    A test that the patients do not allow is None, and `reason` says why. p_holm is None until it is corrected.
    """
    both = _both(patients, a, b)
    row: dict[str, Any] = {"a": a, "b": b, "patients": len(both), "auc": None, "mcnemar": None}
    reasons = []
    if both.empty:
        return row | {"reason": "no patient has an answer of both"}
    labels = both["label"].to_numpy()
    try:
        tested = compare_aucs(labels, both["score_a"].to_numpy(), both["score_b"].to_numpy(), confidence=confidence)
        row["auc"] = asdict(tested) | {"p_holm": None}
    except CohortError as error:
        reasons.append(f"AUC: {error}")
    if both[["call_a", "call_b"]].notna().all(axis=None):
        row["mcnemar"] = asdict(mcnemar(labels, both["call_a"].to_numpy(), both["call_b"].to_numpy())) | {
            "p_holm": None
        }
    else:
        reasons.append("McNemar: no calls of both; a threshold needs validation patients of both classes")
    return row | ({"reason": "; ".join(reasons)} if reasons else {})


def _both(patients: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    columns = ["patient_id", "label", "score", "call"]
    of_a = patients.loc[patients["source"] == a, columns]
    of_b = patients.loc[patients["source"] == b, columns].drop(columns="label")
    return of_a.merge(of_b, on="patient_id", suffixes=("_a", "_b"), validate="one_to_one")


def _correct(tests: list[dict[str, Any]], *, family: int) -> None:
    """Fill p_holm of the tests, of a family in which those that could not be computed count too."""
    for test, adjusted in zip(tests, holm([test["p_value"] for test in tests], family=family), strict=True):
        test["p_holm"] = adjusted
