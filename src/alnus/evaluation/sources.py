"""What a source is (model, reader or ceiling) and how its scores became calls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import UsageError
from alnus.evaluation.table import KINDS, patients_of
from alnus.evaluation.thresholds import OWN_CALL, Threshold, call_patients, call_sources, freeze_patients

CHOSEN = "{} on validation"
CHOSEN_FOLDS = "{} on each fold's validation"
OWN = "the source's own call"
GIVEN = "frozen beforehand"
CALLED = "as called in the table"


def source_kinds(table: pd.DataFrame, kinds: Mapping[str, str] | None) -> dict[str, str]:
    """Return the kind of every source: from `kinds`, else the table's column `kind`, else by name, else "model".

    By name: "ideal reader, ..." is a ceiling, as the phantom writes it. table: checked.
    Raises UsageError for a kind that does not exist.
    """
    for source, kind in (kinds or {}).items():
        if kind not in KINDS:
            raise UsageError(f"kinds: '{kind}' of '{source}' is not {', '.join(KINDS)}")
    found = {}
    for source in sorted(table["source"].unique()):
        named = table.loc[table["source"] == source, "kind"].iloc[0] if "kind" in table else ""
        guessed = "ceiling" if source.startswith("ideal reader") else "model"
        found[source] = (kinds or {}).get(source) or named or guessed
    return found


def called_patients(
    table: pd.DataFrame, config: EvaluationConfig, thresholds: Mapping[str, Threshold] | None
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Return the patients with their calls, and for each called source its threshold as results.json states it.

    `thresholds` wins; then the calls that the table holds; then `freeze_thresholds`. Calls of the table that the
    frozen threshold reproduces are reported with that threshold.
    """
    patients = patients_of(table, config.aggregation)
    callers = call_sources(table)
    frozen = freeze_patients(patients, callers, rule=config.threshold, at=config.threshold_at)
    name = rule_name(config)
    used: dict[str, Threshold] = dict(thresholds or {})
    rules = {source: _stated(value, frozen.get(source), source in callers, name) for source, value in used.items()}
    for source in sorted(set(table["source"]) - set(used)):
        rows = patients[patients["source"] == source]
        if rows["call"].notna().any() and not (source in frozen and _reproduces(rows, source, frozen[source])):
            rules[source] = {"value": None, "rule": CALLED}
        elif source in frozen:
            used[source] = frozen[source]
            rules[source] = _stated(frozen[source], frozen[source], source in callers, name)
    return call_patients(patients, used), rules


def rule_name(config: EvaluationConfig) -> str:
    """Return how thresholds are chosen: "Youden", or "sensitivity 0.9"."""
    return "Youden" if config.threshold == "youden" else f"{config.threshold} {config.threshold_at:g}"


def _reproduces(patients: pd.DataFrame, source: str, threshold: Threshold) -> bool:
    there = patients["call"].notna()
    anew = call_patients(patients, {source: threshold})["call"]
    return bool((anew[there] == patients.loc[there, "call"]).all())


def _stated(threshold: Threshold, frozen: Threshold | None, calls: bool, name: str) -> dict[str, Any]:
    """Return a threshold with its rule: what the table's validation patients confirm, else frozen beforehand."""
    chosen = _same(threshold, frozen)
    rule = CHOSEN.format(name) if chosen else GIVEN
    if calls and threshold == OWN_CALL:
        rule = OWN
    if isinstance(threshold, Mapping):
        rule = CHOSEN_FOLDS.format(name) if chosen else rule
        return {"value": None, "rule": rule, "folds": {str(fold): float(cut) for fold, cut in threshold.items()}}
    return {"value": float(threshold), "rule": rule}


def _same(threshold: Threshold, frozen: Threshold | None) -> bool:
    """Return whether two thresholds are equal but for the digits that a file may have lost."""
    if isinstance(threshold, Mapping) and isinstance(frozen, Mapping):
        return set(threshold) == set(frozen) and all(_same(threshold[fold], frozen[fold]) for fold in threshold)
    if isinstance(threshold, Mapping) or isinstance(frozen, Mapping) or frozen is None:
        return False
    return math.isclose(threshold, frozen, rel_tol=1e-6)
