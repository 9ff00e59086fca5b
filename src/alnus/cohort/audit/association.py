"""Whether the label can be told from how a video was made: one fact at a time, by patient, adjusted for their number.

Source: Holm, Scand. J. Statist. 6:65 (1979); Cramér, Mathematical Methods of Statistics (1946), 21.9; the area under
the curve's variance: DeLong et al., Biometrics 44:837 (1988).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from alnus.cohort.audit.findings import AuditFinding

FloatArray = NDArray[np.float64]

ALPHA = 0.05
LEAST_AUC, LEAST_V = 0.6, 0.15
"""An association that is weaker, however significant in a large cohort, is no shortcut worth a warning."""
PERMUTATIONS = 2_000
MOST_CATEGORIES = 30
EXACT_UP_TO = 5_000
"""Patients up to which a category's P is taken from permutations; beyond, from the chi-square distribution."""


@dataclass(frozen=True)
class Association:
    """How one fact goes with the label. auc: of a number (0.5 = none), else None. v: Cramér's."""

    fact: str
    p_value: float
    auc: tuple[float, float, float] | None
    v: float | None
    patients: int


def area(labels: NDArray[np.bool_], scores: FloatArray) -> tuple[float, float, float]:
    """Return the area under the ROC curve with DeLong's 95% interval, clipped. Both classes must be there."""
    positive, negative = scores[labels], scores[~labels]
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    of_positive = (ranks[:m] - stats.rankdata(positive)) / n
    of_negative = 1 - (ranks[m:] - stats.rankdata(negative)) / m
    estimate = float(of_positive.mean())
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (of_positive, of_negative) if len(part) > 1)
    margin = 1.959964 * float(np.sqrt(variance))
    return estimate, max(0.0, estimate - margin), min(1.0, estimate + margin)


def associations(facts: pd.DataFrame, labels: NDArray[np.bool_], *, seed: int) -> list[Association]:
    """Return the association of each column of `facts`, one row a patient, with the labels, but of constant ones."""
    found = [
        _numeric(str(name), facts[name].to_numpy(dtype=float, na_value=np.nan), labels)
        if pd.api.types.is_numeric_dtype(facts[name])
        else _categorical(str(name), facts[name].astype(str).to_numpy(), labels, seed=seed)
        for name in facts.columns
    ]
    return [association for association in found if association is not None]


def _numeric(fact: str, values: FloatArray, labels: NDArray[np.bool_]) -> Association | None:
    given = np.isfinite(values)
    values, labels = values[given], labels[given]
    if labels.sum() < 2 or (~labels).sum() < 2 or np.ptp(values) == 0:
        return None
    p_value = float(stats.mannwhitneyu(values[labels], values[~labels], method="asymptotic").pvalue)
    return Association(fact, p_value, area(labels, values), None, len(values))


def _categorical(fact: str, values: NDArray[np.object_], labels: NDArray[np.bool_], *, seed: int) -> Association | None:
    codes, names = pd.factorize(values)
    if not 2 <= len(names) <= MOST_CATEGORIES or labels.all() or not labels.any():
        return None
    sizes = np.bincount(codes).astype(float)
    statistic = _chi_square(np.bincount(codes, weights=labels), sizes, labels.mean())
    if len(labels) > EXACT_UP_TO:
        p_value = float(stats.chi2.sf(statistic, len(names) - 1))
    else:
        rng = np.random.default_rng(seed)
        drawn = rng.multivariate_hypergeometric(sizes.astype(int), int(labels.sum()), size=PERMUTATIONS)
        null = _chi_square(drawn, sizes, labels.mean())
        p_value = float((1 + (null >= statistic - 1e-9).sum()) / (1 + PERMUTATIONS))
    return Association(fact, p_value, None, float(np.sqrt(statistic / len(labels))), len(labels))


def _chi_square(positive: NDArray[np.generic], sizes: FloatArray, prevalence: float) -> FloatArray:
    """Return Pearson's statistic of a table of two rows: (..., categories) positives of so many patients."""
    departure = (np.asarray(positive, float) - sizes * prevalence) ** 2 / (sizes * prevalence * (1 - prevalence))
    return np.asarray(departure.sum(axis=-1))


def holm(p_values: FloatArray) -> FloatArray:
    """Return P values adjusted for their number by Holm's step-down method."""
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * (len(p_values) - np.arange(len(p_values))))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, stepped)
    return adjusted


def audit_associations(facts: pd.DataFrame, labels: NDArray[np.bool_], *, seed: int) -> list[AuditFinding]:
    """Return a warning for each fact of how the videos were made that goes with the label."""
    found = associations(facts, labels, seed=seed)
    adjusted = holm(np.array([association.p_value for association in found])) if found else np.empty(0)
    return [
        _warned(association, float(p))
        for association, p in zip(found, adjusted, strict=True)
        if p < ALPHA and _is_strong(association)
    ]


def _is_strong(association: Association) -> bool:
    if association.auc is not None:
        return abs(association.auc[0] - 0.5) >= LEAST_AUC - 0.5
    return association.v is not None and association.v >= LEAST_V


def _warned(association: Association, p_value: float) -> AuditFinding:
    shown = f"P_Holm = {p_value:.3f}" if p_value >= 0.001 else "P_Holm < 0.001"
    numbers = [("p_holm", p_value), ("patients", float(association.patients))]
    if association.auc is not None:
        estimate, low, high = association.auc
        if estimate < 0.5:  # low values go with metastasis: the same shortcut
            estimate, low, high = 1 - estimate, 1 - high, 1 - low
        measure = f"is predicted by {association.fact} alone: AUC {estimate:.2f} ({low:.2f}-{high:.2f})"
        numbers += [("auc", estimate), ("auc_low", low), ("auc_high", high)]
    else:
        measure = f"goes with {association.fact}: Cramér's V {association.v:.2f}"
        numbers += [("cramers_v", float(association.v or 0))]
    text = f"the label {measure}, {shown}, {association.patients} patients; a network may learn that instead"
    return AuditFinding("confounded", "warning", text, numbers=tuple(numbers))
