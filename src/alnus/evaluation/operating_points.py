"""Sensitivity at a fixed specificity, the reverse, and bands around the whole ROC curve, from one bootstrap.

The band of a figure and the intervals of a table are the same numbers: a band at 90% specificity is the interval of
the sensitivity at 90% specificity.

Source: the interval: Platt, Hanley and Yang, Stat Med 19:313 (2000), and Zhou and Qin, Stat Med 24:465 (2005), "BTII":
the bootstrap's mean and variance after adding z²/2 patients found and z²/2 missed (Agresti and Coull, Am Stat 52:119
(1998)). The simultaneous band: the bootstrap's largest studentised distance, as in Montiel Olea and
Plagborg-Møller, J Appl Econometrics 34:1 (2019).
Departures: the variance is at least the binomial one of the patients with metastasis, so that the interval is no point
where every replicate agrees (corners of the curve, perfect separation). The adjustment draws the centre towards one
half: where the interval would then leave out its own estimate (one outlying patient makes it 0 or 1) it is widened to
reach it, which can only raise its coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import UsageError
from alnus.evaluation.checks import BoolArray, FloatArray, check_confidence
from alnus.evaluation.delong import checked_sources
from alnus.evaluation.resampling import resamples
from alnus.evaluation.weighted_roc import sensitivities, weighted_curves


@dataclass(frozen=True)
class OperatingPoint:
    """A sensitivity (or specificity) with its interval where the other is fixed at `at`; all in [0, 1]."""

    at: float
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class RocBand:
    """The ROC curve on a grid of false positive rates with its band, all (points,).

    tpr: the empirical curve, straight between its corners, the upper end of a vertical step. low, high: smooth
    enough to plot as an area. `simultaneous`: whether the band holds the whole true curve at the stated rate, or each
    point by itself.
    """

    fpr: FloatArray
    tpr: FloatArray
    low: FloatArray
    high: FloatArray
    simultaneous: bool


def sensitivity_at(
    labels: ArrayLike,
    scores: ArrayLike,
    specificity: float,
    *,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> OperatingPoint:
    """Return the sensitivity where the specificity is fixed, the threshold being free.

    The ROC curve is read at 1 - specificity, straight between its corners, the upper end of a vertical step. This is a
    property of the curve: the threshold that gives it was found on these patients, so it is no promise for others,
    which a threshold frozen on validation is.
    Raises CohortError as `auc` does, UsageError where specificity is not between 0 and 1.
    """
    _check_rate(specificity, "specificity")
    truth, (values,) = checked_sources(labels, scores)
    tpr, low, high, _ = _band(truth, values, np.array([1 - specificity]), confidence, replicates, seed)
    return OperatingPoint(specificity, float(tpr[0]), float(low[0]), float(high[0]))


def specificity_at(
    labels: ArrayLike,
    scores: ArrayLike,
    sensitivity: float,
    *,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> OperatingPoint:
    """Return the specificity where the sensitivity is fixed: `sensitivity_at` with classes and sign exchanged."""
    _check_rate(sensitivity, "sensitivity")
    truth, (values,) = checked_sources(labels, scores)
    return sensitivity_at(~truth, -values, sensitivity, confidence=confidence, replicates=replicates, seed=seed)


def roc_band(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    simultaneous: bool = False,
    confidence: float = 0.95,
    points: int = 101,
    replicates: int = 2000,
    seed: int = 0,
) -> RocBand:
    """Return the ROC curve with a band around it, at evenly spaced false positive rates from 0 to 1.

    Raises CohortError as `auc` does, UsageError for fewer than 2 points or 100 replicates.
    """
    if points < 2:
        raise UsageError(f"points: at least 2 are needed, received {points}")
    truth, (values,) = checked_sources(labels, scores)
    grid = np.linspace(0, 1, points)
    tpr, low, high, (middle, errors, replicated) = _band(truth, values, grid, confidence, replicates, seed)
    if simultaneous:
        furthest = np.max(np.abs(replicated - replicated.mean(axis=0)) / errors, axis=1)
        width = max(float(np.quantile(furthest, confidence)), float(special.ndtri(0.5 + confidence / 2)))
        low, high = _ends(middle, width * errors, grid, tpr)
    return RocBand(grid, tpr, low, high, simultaneous)


def _check_rate(rate: float, name: str) -> None:
    if not 0 <= rate <= 1:
        raise UsageError(f"{name}: a share from 0 to 1 is expected, such as 0.9; received {rate}")


def _band(
    truth: BoolArray, values: FloatArray, fpr: FloatArray, confidence: float, replicates: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray, tuple[FloatArray, FloatArray, FloatArray]]:
    """Return sensitivity and interval at each rate (rates,), then centre, errors and replicates (replicates, rates)."""
    check_confidence(confidence)
    z = float(special.ndtri(0.5 + confidence / 2))
    units = np.arange(len(truth))
    estimate = sensitivities(weighted_curves(truth, values, np.ones((1, len(truth)))), fpr)[0]
    drawn = [
        sensitivities(weighted_curves(truth, values, weights), fpr)
        for weights in resamples(truth, units, replicates, seed)
    ]
    positives = int(truth.sum())
    replicated = (positives * np.concatenate(drawn) + z**2 / 2) / (positives + z**2)
    middle = replicated.mean(axis=0)
    binomial = middle * (1 - middle) / (positives + z**2)
    errors = np.sqrt(np.maximum(replicated.var(axis=0, ddof=1), binomial))
    low, high = _ends(middle, z * errors, fpr, estimate)
    return estimate, low, high, (middle, errors, replicated)


def _ends(middle: FloatArray, half: FloatArray, fpr: FloatArray, estimate: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the ends within [0, 1], about the estimate; where everybody is called positive the sensitivity is 1."""
    low = np.minimum(np.clip(middle - half, 0, 1), estimate)
    high = np.maximum(np.clip(middle + half, 0, 1), estimate)
    return np.where(fpr == 1, 1.0, low), np.where(fpr == 1, 1.0, high)
