"""Subgroups of one set as rows of a forest plot, for each model (each reader where there is none), with tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.evaluation.multiplicity import DeclaredTest, adjust
from alnus.evaluation.subgroups import SubgroupRow, auc_interaction, call_interaction, subgroup_rows
from alnus.evaluation.summary.clinical import Variable
from alnus.evaluation.summary.values import as_json, flagged

NONE = "the table has neither centres nor clinical columns"


def subgroups_of(
    rows: pd.DataFrame, variables: Sequence[Variable], kinds: Mapping[str, str], config: EvaluationConfig
) -> dict[str, Any]:
    """Return the subgroups of one set: `variables`, and by source `rows` and `interactions`.

    rows: the set's patients, called. Interactions leave out patients whose level is missing; their P values are
    corrected by Holm over all of a source. A variable of one level in this set has no rows.
    """
    who = pd.Index(rows["patient_id"].unique())
    here, stated = [], []
    for variable in variables:
        present = variable.levels.reindex(who).nunique()
        reason = variable.reason if variable.reason.startswith("left out") else ""
        reason = reason or ("left out: one level in this set" if present < 2 else "")
        stated.append(variable.stated() | ({"reason": reason} if reason else {}))
        here += [] if reason else [variable]
    if not here:
        reason = "; ".join(f"{item['name']}: {item['reason']}" for item in stated) or NONE
        return {"variables": stated, "sources": {}, "reason": reason}
    sources = sorted(rows["source"].unique())
    shown = [name for name in sources if kinds[name] == "model"] or [
        name for name in sources if kinds[name] == "reader"
    ]
    return {"variables": stated, "sources": {name: _of_source(rows, name, here, config) for name in shown}}


def _of_source(
    rows: pd.DataFrame, source: str, variables: Sequence[Variable], config: EvaluationConfig
) -> dict[str, Any]:
    own = rows[rows["source"] == source]
    labels, scores = own["label"].to_numpy(), own["score"].to_numpy()
    calls = own["call"].to_numpy() if own["call"].notna().all() else None
    lines: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for variable in variables:
        levels = variable.levels.reindex(own["patient_id"]).to_numpy(dtype=object)
        made = subgroup_rows(labels, scores, levels, variable=variable.name, calls=calls, confidence=config.confidence)
        lines += [_row(row, config) for row in (made if not lines else made[1:])]
        known = pd.notna(levels)
        given = labels[known], levels[known]
        if len(set(given[1])) < 2:
            continue
        tests.append(as_json(auc_interaction(given[0], scores[known], given[1], variable=variable.name)))
        if calls is not None:
            tests += [
                as_json(call_interaction(given[0], calls[known], given[1], variable=variable.name, measure=measure))
                for measure in ("sensitivity", "specificity")
                if len(set(given[0])) == 2
            ]
    return {"rows": lines, "interactions": _adjusted(tests)}


def _row(row: SubgroupRow, config: EvaluationConfig) -> dict[str, Any]:
    """Return a row; the first, of all patients, has neither variable nor level."""
    made: dict[str, Any] = as_json(row)
    for name in ("auc", "sensitivity", "specificity"):
        if made[name] is not None:
            made[name] = flagged(made[name], widest=config.widest_interval)
    if row.level is None:
        made["variable"] = None
    reason = made.pop("reason")
    return made | ({"reason": reason} if reason else {})


def _adjusted(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return interaction tests with `p_holm`; those that could not be computed count in the family."""
    declared = [DeclaredTest(f"{test['variable']} {test['measure']}", test["p_value"]) for test in tests]
    for test, made in zip(tests, adjust(declared), strict=True):
        test["p_holm"] = made.p_adjusted
        if not test["reason"]:
            del test["reason"]
    return tests
