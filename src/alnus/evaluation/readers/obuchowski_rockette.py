"""The Obuchowski-Rockette analysis of accuracies by treatment and reader, with Hillis' degrees of freedom.

The model: accuracy of treatment i and reader j = mean + treatment i + reader j + (treatment x reader) ij + error ij,
where errors have variance `error` over samples of cases and covariances cov1 (same reader, other treatment), cov2
(same treatment, other reader) and cov3 (both differ).

Source: Obuchowski and Rockette, Commun Stat Simul 24:285 (1995); Hillis, Stat Med 26:596 (2007), for the degrees of
freedom; Hillis, Stat Med 33:330 (2014), for single treatments and fixed factors. Checked against MRMCaov 0.3.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import special

from alnus.errors import CohortError
from alnus.evaluation.checks import FloatArray

Factor = Literal["random", "fixed"]
NOISE = 1e-12
"""What is below this share of the variances it comes from is rounding, and zero."""


@dataclass(frozen=True)
class Components:
    """Variance components; estimates, so that those of readers may be negative. None: the study cannot tell it."""

    reader: float | None
    treatment_reader: float | None
    error: float
    cov1: float | None
    cov2: float | None
    cov3: float | None


@dataclass(frozen=True)
class Spread:
    """Of one reader's part in a mean over readers: divide by their number for the mean's own variance."""

    variance: float
    df: float


@dataclass(frozen=True)
class Equality:
    """The test that all treatments are equal: F with df1 and df2; df2 is inf for chi-square / df1."""

    statistic: float
    df1: int
    df2: float
    p_value: float
    mean_square: float
    denominator: float


def mean_squares(values: FloatArray) -> tuple[float, float, float]:
    """Return MS(T), MS(R) and MS(T:R) of accuracies, (treatments, readers); 0 where there are no degrees of freedom."""
    t, r = values.shape
    mean = values.sum() / (t * r)
    of_treatment, of_reader = values.sum(axis=1, keepdims=True) / r - mean, values.sum(axis=0, keepdims=True) / t - mean
    rest = values - of_treatment - of_reader - mean
    squares = (
        r * float((of_treatment**2).sum()) / max(t - 1, 1),
        t * float((of_reader**2).sum()) / max(r - 1, 1),
        float((rest**2).sum()) / max((t - 1) * (r - 1), 1),
    )
    floor = (NOISE * max(1.0, float(np.abs(values).max()))) ** 2  # squares of rounding errors
    treatment, reader, both = (square if square > floor else 0.0 for square in squares)
    return treatment, reader, both


def components(values: FloatArray, covariance: FloatArray) -> Components:
    """Return the variance components of accuracies, (treatments, readers), and their covariances, both flattened."""
    t, r = values.shape
    _, of_reader, of_both = mean_squares(values)
    error, cov1, cov2, cov3 = averages(covariance, t, r)
    reader = (of_reader - of_both) / t - cov1 + cov3 if t > 1 else of_reader - error + cov2
    return Components(
        reader if r > 1 else None,
        of_both - error + cov1 + cov2 - cov3 if min(t, r) > 1 else None,
        error,
        cov1 if t > 1 else None,
        cov2 if r > 1 else None,
        cov3 if min(t, r) > 1 else None,
    )


def averages(covariance: FloatArray, t: int, r: int) -> tuple[float, float, float, float]:
    """Return the mean variance, cov1, cov2 and cov3 of (t * r, t * r) covariances; 0 where there is none of a kind."""
    error, cov1, cov2, cov3 = (_weights(t, r) @ covariance.ravel()).tolist()
    return error, cov1, cov2, cov3


@lru_cache(maxsize=64)
def _weights(t: int, r: int) -> FloatArray:
    """Return what each covariance counts in the mean of its kind, (4, (t * r)^2); all zero for a kind without any."""
    treatment, reader = np.repeat(np.arange(t), r), np.tile(np.arange(r), t)
    same_treatment, same_reader = treatment[:, None] == treatment, reader[:, None] == reader
    kinds = np.stack(
        [
            same_treatment & same_reader,
            ~same_treatment & same_reader,
            same_treatment & ~same_reader,
            ~same_treatment & ~same_reader,
        ]
    ).reshape(4, -1)
    weights: FloatArray = kinds / np.maximum(kinds.sum(axis=1, keepdims=True), 1)
    return weights


def spread_of_differences(values: FloatArray, covariance: FloatArray | None, *, readers: Factor) -> Spread:
    """Return the spread of treatments about each other. covariance: None where the cases are fixed."""
    t, r = values.shape
    square, df = mean_squares(values)[2], float((t - 1) * (r - 1))
    if covariance is None:
        return Spread(square, df)
    error, cov1, cov2, cov3 = averages(covariance, t, r)
    return _spread(square, error - cov1, cov2 - cov3, df, r, scale=abs(error), readers=readers)


def spread_of_mean(values: FloatArray, covariance: FloatArray | None, *, readers: Factor) -> Spread:
    """Return the spread of one treatment's readers, (readers,). covariance: None where the cases are fixed."""
    r = len(values)
    square, df = mean_squares(values[None, :])[1], float(r - 1)
    if covariance is None:
        return Spread(square, df)
    error, _, cov2, _ = averages(covariance, 1, r)
    return _spread(square, error, max(cov2, 0.0), df, r, scale=abs(error), readers=readers)


def _spread(square: float, own: float, common: float, df: float, r: int, *, scale: float, readers: Factor) -> Spread:
    """Return MS + r max(common, 0) with Hillis' degrees of freedom, or own + (r - 1) common for fixed readers."""
    own, common = (0.0 if abs(value) <= NOISE * scale else value for value in (own, common))
    if readers == "fixed":
        return Spread(own + (r - 1) * common, math.inf)
    variance = square + r * max(common, 0.0)
    return Spread(variance, df * (variance / square) ** 2 if square else math.inf)


def interval_of(
    estimate: float, spread: Spread, *, weight: float, confidence: float, bounds: tuple[float, float]
) -> tuple[float, float, float]:
    """Return standard error, low and high of an estimate whose variance is weight * spread.variance, within bounds.

    Raises CohortError where the variance is negative.
    """
    error = math.sqrt(checked_variance(0.0, spread) * weight)
    half = float(special.stdtrit(_finite(spread.df), 0.5 + confidence / 2)) * error
    low, high = (min(max(end, bounds[0]), bounds[1]) for end in (estimate - half, estimate + half))
    return error, low, high


def t_test(distance: float, spread: Spread, *, weight: float) -> tuple[float, float]:
    """Return t and the two-sided p of an estimate's distance from its null; no distance and no variance: 0 and 1.

    Raises CohortError where another distance has no variance, for then the test does not exist.
    """
    error = math.sqrt(checked_variance(distance, spread) * weight)
    statistic = distance / error if error else 0.0
    return statistic, float(2 * special.stdtr(_finite(spread.df), -abs(statistic)))


def equality_of(values: FloatArray, spread: Spread) -> Equality:
    """Test that all treatments are equal. values: (treatments, readers). Raises CohortError as `t_test` does."""
    of_treatment, df1 = mean_squares(values)[0], values.shape[0] - 1
    widest = float(np.ptp(values.mean(axis=1))) if of_treatment else 0.0
    variance = checked_variance(widest, spread)
    statistic = of_treatment / variance if variance else 0.0
    if math.isinf(spread.df):
        p_value = float(special.chdtrc(df1, df1 * statistic))
    else:
        p_value = float(special.fdtrc(df1, spread.df, statistic))
    return Equality(statistic, df1, spread.df, p_value, of_treatment, variance)


def checked_variance(difference: float, spread: Spread) -> float:
    """Return the variance. Raises CohortError where it is negative, or zero for a difference that is not."""
    if spread.variance < 0:
        raise CohortError(
            f"covariance: the unbiased estimate of the variance is negative ({spread.variance:.3g}); "
            "take covariance='jackknife' or 'delong'"
        )
    if spread.variance == 0 and abs(difference) > NOISE:
        raise CohortError(
            f"ratings: a difference of {difference:.3f} has a variance of zero, so the test does not exist; "
            "report the accuracies without a P value, or let more readers read more cases"
        )
    return spread.variance


def _finite(df: float) -> float:
    """Return degrees of freedom that scipy's t distribution takes: 1e15 are the normal distribution's."""
    return min(df, 1e15)
