"""Accuracy, sensitivity, specificity and predictive values from a 2x2 table, with exact intervals.

Source: Clopper and Pearson, Biometrika 26:404 (1934); Wilson, J Am Stat Assoc 22:209 (1927).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import check_confidence, check_lengths, checked_binary


@dataclass(frozen=True)
class Proportion:
    """A share of patients with its interval; `numerator` of `denominator`, all in [0, 1]."""

    numerator: int
    denominator: int
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Counts:
    """Patients by call and pathology: true and false positives, false and true negatives."""

    tp: int
    fp: int
    fn: int
    tn: int


def proportion(
    numerator: int,
    denominator: int,
    *,
    confidence: float = 0.95,
    interval: Literal["clopper-pearson", "wilson"] = "clopper-pearson",
) -> Proportion:
    """Return a share with its interval; 0 of n starts at 0 and n of n ends at 1.

    "clopper-pearson" is exact: it covers the truth at least as often as stated, with few patients more often.
    "wilson" covers as often as stated on average over the true shares, sometimes less; it is shorter.
    Raises CohortError where the denominator is 0, for there is no share of nobody, or the numerator exceeds it.
    """
    check_confidence(confidence)
    if interval not in ("clopper-pearson", "wilson"):
        raise UsageError(f"interval: '{interval}' is not clopper-pearson or wilson")
    if not 0 <= numerator <= denominator or denominator == 0:
        raise CohortError(
            f"proportion: {numerator} of {denominator} is no share of patients; "
            "the denominator must be at least 1 and the numerator within it"
        )
    ends = _wilson if interval == "wilson" else _clopper_pearson
    return Proportion(numerator, denominator, numerator / denominator, *ends(numerator, denominator, confidence))


def _clopper_pearson(numerator: int, denominator: int, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low = special.betaincinv(numerator, denominator - numerator + 1, tail) if numerator else 0.0
    high = special.betaincinv(numerator + 1, denominator - numerator, 1 - tail) if numerator < denominator else 1.0
    return float(low), float(high)


def _wilson(numerator: int, denominator: int, confidence: float) -> tuple[float, float]:
    z = float(special.ndtri(0.5 + confidence / 2))
    middle = numerator + z**2 / 2
    half = z * (numerator * (denominator - numerator) / denominator + z**2 / 4) ** 0.5
    low = (middle - half) / (denominator + z**2) if numerator else 0.0
    high = (middle + half) / (denominator + z**2) if numerator < denominator else 1.0
    return low, high


def confusion(labels: ArrayLike, calls: ArrayLike) -> Counts:
    """Count the patients by call and pathology; both (patients,), 1 = metastasis. Raises CohortError for the rest."""
    truth, called = checked_binary(labels, "labels"), checked_binary(calls, "calls")
    check_lengths(truth, called, "calls")
    tp = int(np.sum(truth & called))
    fp = int(np.sum(~truth & called))
    fn = int(np.sum(truth & ~called))
    return Counts(tp, fp, fn, len(truth) - tp - fp - fn)


def accuracy(counts: Counts, *, confidence: float = 0.95) -> Proportion:
    """Return the share of right calls among all patients. Raises CohortError where there are none."""
    total = counts.tp + counts.fp + counts.fn + counts.tn
    return proportion(counts.tp + counts.tn, total, confidence=confidence)


def sensitivity(counts: Counts, *, confidence: float = 0.95) -> Proportion:
    """Return the share called positive among patients with metastasis. Raises CohortError where there are none."""
    return proportion(counts.tp, counts.tp + counts.fn, confidence=confidence)


def specificity(counts: Counts, *, confidence: float = 0.95) -> Proportion:
    """Return the share called negative among patients without metastasis. Raises CohortError where there are none."""
    return proportion(counts.tn, counts.tn + counts.fp, confidence=confidence)


def ppv(counts: Counts, *, confidence: float = 0.95) -> Proportion:
    """Return the share with metastasis among positive calls. Raises CohortError where there are none."""
    return proportion(counts.tp, counts.tp + counts.fp, confidence=confidence)


def npv(counts: Counts, *, confidence: float = 0.95) -> Proportion:
    """Return the share without metastasis among negative calls. Raises CohortError where there are none."""
    return proportion(counts.tn, counts.tn + counts.fn, confidence=confidence)


MEASURES: dict[str, Callable[..., Proportion]] = {
    "accuracy": accuracy,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "ppv": ppv,
    "npv": npv,
}
"""The measures of a 2x2 table by their name in results.json."""
