"""Paired comparisons of two sources on the patients that both have answered; one primary, Holm over the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import ConfigError
from alnus.evaluation.delong import compare_aucs
from alnus.evaluation.multiplicity import DeclaredTest, adjust
from alnus.evaluation.paired import mcnemar
from alnus.evaluation.paired_proportions import Among, compare_calls
from alnus.evaluation.power import auc_correlation
from alnus.evaluation.predictive_values import compare_predictive_values
from alnus.evaluation.summary.values import Found, as_json, flagged

IMAGE = "image"
"""The source that the video networks are compared with unless the configuration declares otherwise."""
AMONG: dict[str, Among] = {"accuracy": "all", "sensitivity": "positive", "specificity": "negative"}
NO_CALLS = "no calls of both; a threshold needs validation patients of both classes"
Pair = tuple[str, str]


def declared_pairs(config: EvaluationConfig, kinds: Mapping[str, str]) -> list[Pair]:
    """Return the pairs to test: the configuration's, else every model against "image" where that is a source.

    A primary pair that is not among them comes first.
    Raises ConfigError where a declared pair names no source, one source twice, or a ceiling.
    """
    pairs = config.comparisons
    if pairs is None:
        models = [source for source, kind in kinds.items() if kind == "model" and source != IMAGE]
        pairs = tuple((source, IMAGE) for source in models) if kinds.get(IMAGE) == "model" else ()
    for pair in pairs:
        _check_pair(pair, kinds, "comparisons")
    if config.primary is None:
        return list(pairs)
    _check_pair(config.primary, kinds, "primary")
    others = [pair for pair in pairs if set(pair) != set(config.primary)]
    return [config.primary, *others]


def _check_pair(pair: Pair, kinds: Mapping[str, str], key: str) -> None:
    for source in pair:
        if source not in kinds:
            raise ConfigError(f"{key}: '{source}' is no source; the sources are {', '.join(kinds)}")
        if kinds[source] == "ceiling":
            raise ConfigError(f"{key}: '{source}' is a ceiling that the truth gives and enters no test")
    if pair[0] == pair[1]:
        raise ConfigError(f"{key}: '{pair[0]}' is compared with itself; name two sources")


def compare_all(
    patients: pd.DataFrame, config: EvaluationConfig, kinds: Mapping[str, str], declared: Sequence[Pair]
) -> list[dict[str, Any]]:
    """Return the comparisons of one set: the declared ones, then each model with each reader; none corrected yet.

    patients: the set's rows of `to_patients`, called. Pairs of which the set lacks a source are left out.
    """
    present = set(patients["source"])
    models = [source for source, kind in kinds.items() if kind == "model"]
    readers = [source for source, kind in kinds.items() if kind == "reader"]
    known = {frozenset(pair) for pair in declared}
    further = [(m, r) for m in models for r in readers if frozenset((m, r)) not in known]
    return [
        compare_pair(patients, a, b, config) | {"declared": index < len(declared)}
        for index, (a, b) in enumerate([*declared, *further])
        if {a, b} <= present
    ]


def correct(
    rows_of: Mapping[str, list[dict[str, Any]]], declared: Sequence[Pair], primary: Mapping[str, Any] | None
) -> None:
    """Fill `p_holm` and `role` of every set's comparisons. rows_of: set -> its rows of `compare_all`.

    The declared tests of all sets are one family for the AUC and one for the calls; a test that could not be computed
    counts in it, for it is what was declared, not what remained. The primary test of the AUC is by itself.
    """
    named = [(name, a, b) for name in rows_of for a, b in declared]
    first = None if primary is None else (primary["set"], primary["a"], primary["b"])
    found = {(name, row["a"], row["b"]): row for name, rows in rows_of.items() for row in rows}
    for row in found.values():
        row["role"] = "secondary" if row["declared"] else "undeclared"
    for test in ("auc", "mcnemar"):
        leader = first if test == "auc" and first in named else None
        tests = [DeclaredTest(repr(key), _raw(found.get(key), test)) for key in named]
        for key, made in zip(named, adjust(tests, primary=repr(leader) if leader else None), strict=True):
            if made.p_adjusted is not None:
                found[key][test]["p_holm"] = made.p_adjusted
    if first in found:
        found[first]["role"] = "primary"


def _raw(row: Mapping[str, Any] | None, test: str) -> float | None:
    p_value: float | None = row[test]["p_value"] if row and row[test] else None
    return p_value


def compare_pair(patients: pd.DataFrame, a: str, b: str, config: EvaluationConfig) -> dict[str, Any]:
    """Return all paired tests of two sources of one set, on the patients both have.

    A test that the patients do not allow is None, and `reasons` says why; `reason` joins those of the AUC and of
    McNemar's test in words. p_holm is None until it is corrected.
    """
    both = _both(patients, a, b)
    found = Found({"a": a, "b": b, "patients": len(both)})
    if both.empty:
        for name in ("auc", "mcnemar", "correlation", *AMONG, "ppv", "npv"):
            found.leave(name, "no patient has an answer of both")
        return found.values | {"reasons": found.reasons, "reason": "no patient has an answer of both"}
    labels, score_a, score_b = (both[name].to_numpy() for name in ("label", "score_a", "score_b"))

    def difference() -> dict[str, Any]:
        tested = asdict(compare_aucs(labels, score_a, score_b, confidence=config.confidence))
        return flagged(tested, widest=config.widest_interval) | {"p_holm": None}

    found.add("auc", difference)
    words = [f"AUC: {found.reasons['auc']}"] if "auc" in found.reasons else []
    found.add("correlation", lambda: auc_correlation(labels, score_a, score_b))
    if both[["call_a", "call_b"]].notna().all(axis=None):
        _add_calls(found, labels, both["call_a"].to_numpy(), both["call_b"].to_numpy(), config)
    else:
        words.append(f"McNemar: {NO_CALLS}")
        for name in ("mcnemar", *AMONG, "ppv", "npv"):
            found.leave(name, NO_CALLS)
    return found.values | {"reasons": found.reasons} | ({"reason": "; ".join(words)} if words else {})


def _add_calls(found: Found, labels: Any, a: Any, b: Any, config: EvaluationConfig) -> None:
    """Add McNemar's test, differences of shares with both intervals, and the comparison of predictive values."""
    level = config.confidence

    def tested() -> dict[str, Any]:
        mid_p = mcnemar(labels, a, b, mid_p=True).p_value
        return asdict(mcnemar(labels, a, b)) | {"mid_p_value": mid_p, "p_holm": None}

    def difference(among: Among) -> dict[str, Any]:
        newcombe = asdict(compare_calls(labels, a, b, among=among, confidence=level))
        tango = compare_calls(labels, a, b, among=among, interval="tango", confidence=level)
        ends = {"tango": {"low": tango.low, "high": tango.high}}
        return flagged(newcombe, widest=config.widest_interval) | ends

    def values(value: Literal["ppv", "npv"]) -> dict[str, Any]:
        compared: dict[str, Any] = as_json(compare_predictive_values(labels, a, b, value=value, confidence=level))
        reason = compared.pop("reason")
        return compared | ({"reason": reason} if reason else {})

    found.add("mcnemar", tested)
    for name, among in AMONG.items():
        found.add(name, lambda among=among: difference(among))  # type: ignore[misc]  # bound now, not at the loop's end
    found.add("ppv", lambda: values("ppv"))
    found.add("npv", lambda: values("npv"))


def _both(patients: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    columns = ["patient_id", "label", "score", "call"]
    of_a = patients.loc[patients["source"] == a, columns]
    of_b = patients.loc[patients["source"] == b, columns].drop(columns="label")
    both: pd.DataFrame = of_a.merge(of_b, on="patient_id", suffixes=("_a", "_b"), validate="one_to_one")
    return both
