"""The area under the ROC curve (AUC), its interval, and the paired test of two of them, after DeLong.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988); the fast form: Sun and Xu, IEEE Signal
Processing Letters 21:1389 (2014); the logit interval: Pepe, "The statistical evaluation of medical tests" (2003),
section 5.2; the score interval: Newcombe, Stat Med 25:559 (2006), method 5.
Departures: Sun and Xu subtract a midrank within the class from the midrank among all; the two counts of a sorted
search give the same number, in whole halves, so that equal scores give a difference of exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

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

Interval = Literal["delong", "logit", "score"]
"""How the interval of an AUC is made."""


@dataclass(frozen=True)
class Estimate:
    """An estimate, the ends of its interval and its standard error; an AUC's lie in [0, 1], the error is DeLong's."""

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


def auc(labels: ArrayLike, scores: ArrayLike, *, confidence: float = 0.95, interval: Interval = "delong") -> Estimate:
    """Area under the ROC curve with its interval. Ties count one half.

    labels: (patients,), 1 = metastasis. scores: (patients,), higher = more suspicious, finite; any monotone scale.
    interval:

    - "delong": estimate ± z · standard_error, clipped to [0, 1]. Where the scores separate the classes without an
      exception (AUC 1 or 0), and where all scores are equal (0.5), DeLong's variance is zero and the interval is the
      single point: it then says nothing of the uncertainty, and `evaluate` marks it so.
    - "logit": the same on the scale log(A / (1 - A)), taken back; never leaves (0, 1). Where DeLong's variance is
      zero, the answer is that of "score".
    - "score": Newcombe's, which asks for each true AUC whether the observed one would be unlikely; it uses the two
      class sizes and no variance of the scores, and is no point even at an AUC of 0 or 1.

    standard_error is DeLong's throughout. `docs/explanation/statistics.md` says how often each interval covers the
    truth at 21 positives of 61.
    Raises CohortError where a class has fewer than two patients or the arrays are not as above, UsageError for another
    interval.
    """
    check_confidence(confidence)
    if interval not in get_args(Interval):
        raise UsageError(f"interval: '{interval}' is not one of {', '.join(get_args(Interval))}")
    truth, (values,) = checked_sources(labels, scores)
    positive, negative = _wins(truth, values)
    estimate = _mean_win(positive, len(negative))
    error = float(np.sqrt(_variance(positive, negative)))
    if interval == "score":
        z = _normal_quantile(confidence)
        return Estimate(estimate, *score_interval(estimate, len(positive), len(negative), z=z), error)
    return around(estimate, error, (len(positive), len(negative)), interval, confidence)


def around(estimate: float, error: float, sizes: tuple[int, int], interval: Interval, confidence: float) -> Estimate:
    """Return an AUC with its plain or logit interval; sizes: the two classes', for a variance of zero under "logit"."""
    z = _normal_quantile(confidence)
    if interval != "logit":
        return Estimate(estimate, max(0.0, estimate - z * error), min(1.0, estimate + z * error), error)
    if error == 0:
        return Estimate(estimate, *score_interval(estimate, *sizes, z=z), error)
    half = z * error / (estimate * (1 - estimate))
    low, high = special.expit(special.logit(estimate) + np.array([-half, half]))
    return Estimate(estimate, float(low), float(high), error)


def score_interval(estimate: float, positive: int, negative: int, *, z: float) -> tuple[float, float]:
    """Return the true AUCs that the observed one does not contradict: |observed - true| = z · its standard error.

    The standard error at a true AUC θ is Hanley and McNeil's for exponential scores, with both class sizes less one
    replaced by their mean less one: V(θ) = θ(1 - θ)(1 + N*((1 - θ)/(2 - θ) + θ/(1 + θ))) / mn, N* = (m + n)/2 - 1.
    """
    mean = (positive + negative) / 2 - 1

    def excess(true: float) -> float:
        spread = 1 + mean * ((1 - true) / (2 - true) + true / (1 + true))
        return (estimate - true) ** 2 - z**2 * true * (1 - true) * spread / (positive * negative)

    step = 1e-12  # 0 and 1 are roots as well, of no meaning; beside the estimate the excess is negative
    low = optimize.brentq(excess, 0.0, estimate * (1 - step), xtol=1e-14) if estimate > 0 else 0.0
    high = optimize.brentq(excess, estimate + (1 - estimate) * step, 1.0, xtol=1e-14) if estimate < 1 else 1.0
    return float(low), float(high)


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
    truth, (a, b) = checked_sources(labels, scores_a, scores_b)
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


def checked_sources(labels: ArrayLike, *scores: ArrayLike) -> tuple[BoolArray, list[FloatArray]]:
    """Return the labels and each source's scores, checked, with at least two patients of each class."""
    truth = checked_binary(labels, "labels")
    checked = [checked_scores(values) for values in scores]
    for values in checked:
        check_lengths(truth, values, "scores")
    check_classes(truth, least=2)
    return truth, checked


def structural_components(truth: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return V10, the share of negatives below each positive, and V01, that of positives above each negative."""
    positive, negative = _wins(truth, scores)
    return positive / (2 * len(negative)), negative / (2 * len(positive))


def _wins(truth: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each positive's count of negatives below it, and each negative's of positives above it, twice over.

    Twice, so that a tie (one half) is a whole number and sums are exact. (positives,) and (negatives,).
    """
    positive, negative = scores[truth], scores[~truth]
    return _twice_below(positive, negative), 2.0 * len(positive) - _twice_below(negative, positive)


def _twice_below(values: FloatArray, others: FloatArray) -> FloatArray:
    ordered = np.sort(others)
    order = np.argsort(values)  # searched in rising order, memory is read forwards: four times as fast for a million
    rising = values[order]
    twice = np.empty(len(values))
    twice[order] = np.searchsorted(ordered, rising, "left") + np.searchsorted(ordered, rising, "right")
    return twice


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
