"""The measures in subgroups, as rows of a forest plot, and whether they differ among them (interaction).

A difference that is looked for in every subgroup is found in one by chance: the interaction's P value is the answer,
not the subgroups' own intervals, and the tests of several variables belong in one family (`adjust`).

Source: heterogeneity of independent estimates: Cochran, Biometrics 10:101 (1954); Altman and Bland, BMJ 326:219 (2003);
Fisher, J R Stat Soc 85:87 (1922).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import BoolArray, FloatArray, check_lengths, checked_binary, checked_scores
from alnus.evaluation.delong import Estimate, auc
from alnus.evaluation.proportions import Counts, Proportion, confusion, sensitivity, specificity


@dataclass(frozen=True)
class SubgroupRow:
    """One row of a forest plot; level None: all patients. What cannot be had is None, and `reason` says why."""

    variable: str
    level: str | None
    patients: int
    metastases: int
    auc: Estimate | None
    sensitivity: Proportion | None
    specificity: Proportion | None
    reason: str


@dataclass(frozen=True)
class Interaction:
    """Whether a measure differs among the levels of a variable: statistic, df and P; None where `reason` says why."""

    variable: str
    measure: Literal["auc", "sensitivity", "specificity"]
    test: Literal["heterogeneity", "fisher", "chi2"]
    statistic: float | None
    df: int | None
    p_value: float | None
    reason: str


def subgroup_rows(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    *,
    variable: str,
    calls: ArrayLike | None = None,
    confidence: float = 0.95,
) -> list[SubgroupRow]:
    """Return a row for all patients, then one for each level, in the levels' order.

    labels, scores, calls: (patients,) as elsewhere. groups: (patients,), text or few numbers; empty and NaN make the
    level "missing". AUCs have the logit interval, which keeps a width and stays within (0, 1) in small groups.
    Raises CohortError for arrays that cannot be used.
    """
    truth, values = checked_binary(labels, "labels"), checked_scores(scores)
    check_lengths(truth, values, "scores")
    levels = level_names(groups)
    check_lengths(truth, levels, "groups")
    called = None if calls is None else checked_binary(calls, "calls")
    rows = []
    for level in (None, *np.unique(levels)):
        chosen = np.full(len(truth), True) if level is None else levels == level
        area, *reasons = _area(truth[chosen], values[chosen], confidence)
        shares: list[Proportion | None] = [None, None]
        if called is not None:
            counts = confusion(truth[chosen], called[chosen])
            found = [_share(measure, counts, confidence) for measure in (sensitivity, specificity)]
            shares, reasons = [share for share, _ in found], [*reasons, *(missing for _, missing in found)]
        patients, metastases = int(chosen.sum()), int(truth[chosen].sum())
        name, reason = None if level is None else str(level), "; ".join(filter(None, reasons))
        rows.append(SubgroupRow(variable, name, patients, metastases, area, shares[0], shares[1], reason))
    return rows


def _area(truth: BoolArray, values: FloatArray, confidence: float) -> tuple[Estimate | None, str]:
    try:
        return auc(truth, values, confidence=confidence, interval="logit"), ""
    except CohortError as error:
        return None, f"AUC: {error}"


def _share(measure: Callable[..., Proportion], counts: Counts, confidence: float) -> tuple[Proportion | None, str]:
    try:
        return measure(counts, confidence=confidence), ""
    except CohortError:
        return None, f"{measure.__name__}: no patient of its class"


def auc_interaction(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, *, variable: str) -> Interaction:
    """Test whether the AUC is the same in all levels: Cochran's Q of the levels' AUCs with DeLong's variances.

    With two levels Q = z² of their difference. Levels in which the AUC has no variance cannot take part.
    """
    truth, values, levels = checked_binary(labels, "labels"), checked_scores(scores), level_names(groups)
    check_lengths(truth, values, "scores")
    check_lengths(truth, levels, "groups")
    areas, left_out = [], []
    for level in np.unique(levels):
        chosen = levels == level
        try:
            area = auc(truth[chosen], values[chosen])
        except CohortError:
            left_out.append(f"{level}: too few of a class")
            continue
        if area.standard_error > 0:
            areas.append(area)
        else:
            left_out.append(f"{level}: an AUC without variance")
    reason = f"left out: {', '.join(left_out)}" if left_out else ""
    if len(areas) < 2:
        return Interaction(variable, "auc", "heterogeneity", None, None, None, _few(reason))
    estimates = np.array([area.estimate for area in areas])
    weights = np.array([area.standard_error for area in areas]) ** -2.0
    q = float(np.sum(weights * (estimates - np.sum(weights * estimates) / np.sum(weights)) ** 2))
    df = len(areas) - 1
    return Interaction(variable, "auc", "heterogeneity", q, df, float(special.chdtrc(df, q)), reason)


def call_interaction(
    labels: ArrayLike,
    calls: ArrayLike,
    groups: ArrayLike,
    *,
    variable: str,
    measure: Literal["sensitivity", "specificity"] = "sensitivity",
) -> Interaction:
    """Test whether sensitivity (or specificity) is the same in all levels: Fisher's exact test of two, chi² of more."""
    if measure not in ("sensitivity", "specificity"):
        raise UsageError(f"measure: '{measure}' is not sensitivity or specificity")
    truth, called, levels = checked_binary(labels, "labels"), checked_binary(calls, "calls"), level_names(groups)
    check_lengths(truth, called, "calls")
    check_lengths(truth, levels, "groups")
    asked = truth == (measure == "sensitivity")
    names = np.unique(levels[asked])
    right = (called == truth)[asked]
    table = np.array([[np.sum(right[levels[asked] == name] == answer) for name in names] for answer in (True, False)])
    test: Literal["fisher", "chi2"] = "fisher" if len(names) == 2 else "chi2"
    if len(names) < 2:
        return Interaction(variable, measure, test, None, None, None, _few(""))
    if test == "fisher":
        return Interaction(variable, measure, test, None, None, float(stats.fisher_exact(table).pvalue), "")
    if np.any(table.sum(axis=1) == 0):  # all right or all wrong: nothing differs
        return Interaction(variable, measure, test, 0.0, len(names) - 1, 1.0, "")
    found = stats.chi2_contingency(table, correction=False)
    reason = "approximate: a level expects fewer than 5 patients" if np.any(found.expected_freq < 5) else ""
    return Interaction(variable, measure, test, float(found.statistic), int(found.dof), float(found.pvalue), reason)


def level_names(groups: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Return the levels as text, "missing" for None, NaN and empty text."""
    given = np.asarray(groups, dtype=object)
    return np.array(["missing" if x is None or x != x or str(x).strip() == "" else str(x) for x in given.tolist()])


def _few(reason: str) -> str:
    return "; ".join(filter(None, ("fewer than two levels can be compared", reason)))
