"""The area under the ROC curve (AUC), its interval, and the paired test of two of them, after DeLong.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988); the fast form: Sun and Xu, IEEE Signal
Processing Letters 21:1389 (2014).
Departures: Sun and Xu subtract a midrank within the class from the midrank among all; the two counts of a sorted
search give the same number, in whole halves, so that equal scores give a difference of exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import (
    BoolArray,
    FloatArray,
    check_classes,
    check_confidence,
    check_lengths,
    checked_binary,
    checked_scores,
)


@dataclass(frozen=True)
class Estimate:
    """An AUC in [0, 1], the ends of its interval, clipped to [0, 1], and DeLong's standard error."""

    estimate: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class AucDifference:
    """AUC of a less AUC of b on the same patients, its interval clipped to [-1, 1], and the two-sided test of zero."""

    estimate: float
    low: float
    high: float
    z: float
    p_value: float


def auc(labels: ArrayLike, scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Area under the ROC curve with DeLong's interval. Ties count one half.

    labels: (patients,), 1 = metastasis. scores: (patients,), higher = more suspicious, finite; any monotone scale.
    Where the scores separate the classes without an exception (AUC 1 or 0), and where all scores are equal (0.5),
    DeLong's variance is zero and the interval is the single point: it then says nothing of the uncertainty, and
    `evaluate` marks it so. Otherwise the interval is estimate +- z * standard_error. It is too short for few
    patients and a high AUC: with 21 positives of 61, binormal scores, 95% intervals covered a true AUC of 0.80 in
    93%, 0.856 in 92% and 0.914 in 89% of 20,000 simulated studies (100 of 200: 94%, 94%, 93%).
    Raises CohortError where a class has fewer than two patients or the arrays are not as above.
    """
    check_confidence(confidence)
    truth, (values,) = _checked(labels, scores)
    positive, negative = _wins(truth, values)
    estimate = _mean_win(positive, len(negative))
    error = float(np.sqrt(_variance(positive, negative)))
    half = _normal_quantile(confidence) * error
    return Estimate(estimate, max(0.0, estimate - half), min(1.0, estimate + half), error)


def compare_aucs(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *, confidence: float = 0.95
) -> AucDifference:
    """DeLong's paired test of two AUCs on the same patients, two-sided.

    labels, scores: as for `auc`. Scores that rank the patients alike have no variance of their difference, which
    is zero: the answer is z = 0, p = 1 and the interval [0, 0].
    Raises CohortError as `auc` does, and where a difference other than zero has no variance (perfect separation
    against scores that are all equal, say), because then the test does not exist.
    """
    check_confidence(confidence)
    truth, (a, b) = _checked(labels, scores_a, scores_b)
    positive_a, negative_a = _wins(truth, a)
    positive_b, negative_b = _wins(truth, b)
    difference = _mean_win(positive_a, len(negative_a)) - _mean_win(positive_b, len(negative_b))
    error = float(np.sqrt(_variance(positive_a - positive_b, negative_a - negative_b)))
    if error == 0 and difference != 0:
        raise CohortError(
            f"scores: the AUCs differ by {difference:.3f} with a variance of zero, so DeLong's test does not exist; "
            "report the two AUCs without a P value, or test on more patients"
        )
    z = difference / error if error else 0.0
    half = _normal_quantile(confidence) * error
    return AucDifference(
        difference, max(-1.0, difference - half), min(1.0, difference + half), z, float(2 * special.ndtr(-abs(z)))
    )


def needed_correlation(a: Estimate, b: Estimate, *, p_value: float = 0.05) -> float:
    """Return the smallest correlation of two AUCs at which their paired difference reaches `p_value`, two-sided.

    A published pair of AUCs can be checked so: the variance of the difference is sa² + sb² - 2 r sa sb. Above 1
    the claim is impossible, below -1 it holds whatever the correlation.
    Raises UsageError where a standard error is zero or p_value no probability.
    """
    if min(a.standard_error, b.standard_error) <= 0 or not 0 < p_value < 1:
        raise UsageError(
            f"standard errors above 0 and a p_value between 0 and 1 are expected; received {a.standard_error}, "
            f"{b.standard_error} and {p_value}"
        )
    widest = abs(a.estimate - b.estimate) / _normal_quantile(1 - p_value)  # of the difference's standard error
    squares = a.standard_error**2 + b.standard_error**2
    return float((squares - widest**2) / (2 * a.standard_error * b.standard_error))


def _checked(labels: ArrayLike, *scores: ArrayLike) -> tuple[BoolArray, list[FloatArray]]:
    truth = checked_binary(labels, "labels")
    checked = [checked_scores(values) for values in scores]
    for values in checked:
        check_lengths(truth, values, "scores")
    check_classes(truth, least=2)
    return truth, checked


def _wins(truth: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each positive's count of negatives below it, and each negative's of positives above it, twice over.

    Twice, so that a tie (one half) is a whole number and sums are exact. (positives,) and (negatives,).
    """
    positive, negative = scores[truth], scores[~truth]
    return _twice_below(positive, negative), 2.0 * len(positive) - _twice_below(negative, positive)


def _twice_below(values: FloatArray, others: FloatArray) -> FloatArray:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, "left")
    not_above = np.searchsorted(ordered, values, "right")
    return (below + not_above).astype(np.float64)


def _mean_win(positive_wins: FloatArray, negatives: int) -> float:
    return float(positive_wins.sum() / (2.0 * negatives * len(positive_wins)))


def _variance(positive_wins: FloatArray, negative_wins: FloatArray) -> float:
    """Return DeLong's S10 / m + S01 / n of the structural components (V10, V01: wins as shares of the other class)."""
    m, n = len(positive_wins), len(negative_wins)
    s10 = np.var(positive_wins, ddof=1) / (2.0 * n) ** 2
    s01 = np.var(negative_wins, ddof=1) / (2.0 * m) ** 2
    return float(s10 / m + s01 / n)


def _normal_quantile(confidence: float) -> float:
    return float(special.ndtri(0.5 + confidence / 2))
