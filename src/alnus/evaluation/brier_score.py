"""The Brier score with its parts, and the expected calibration error with what chance alone would make of it.

Source: Brier, Mon Weather Rev 78:1 (1950); Murphy, J Appl Meteorol 12:595 (1973); the parts within bins: Stephenson,
Coelho and Jolliffe, Weather and Forecasting 23:752 (2008). ECE: Naeini, Cooper and Hauskrecht, AAAI 2015; equal
counts: Nguyen and O'Connor, EMNLP 2015.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alnus.errors import UsageError
from alnus.evaluation.checks import FloatArray, checked_probabilities

IntArray = NDArray[np.int64]
SIMULATED = 1000


@dataclass(frozen=True)
class Brier:
    """score = reliability - resolution + uncertainty + within, all about bins of equal counts.

    reliability: how far the bins' predictions lie from their shares of metastases (0 is best); resolution: how far the
    bins' shares lie from the whole's (much is best); uncertainty: prevalence * (1 - prevalence); within: what differing
    predictions inside the bins add. scaled: 1 - score / uncertainty, 0 for the prevalence given to everybody.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    scaled: float
    bins: int


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error, and the mean that calibrated predictions as these would have by chance alone."""

    estimate: float
    if_calibrated: float
    bins: int


def brier(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10) -> Brier:
    """Return the mean squared error of the probabilities and its parts; bins of equal counts, ties never parted.

    Raises CohortError for scores that are no probabilities and where a class is empty, UsageError for no bins.
    """
    truth, values = checked_probabilities(labels, probabilities)
    places = _places(values, bins, adaptive=True)
    counts, predicted, observed = _bin_means(truth.astype(np.float64)[None, :], values, places)
    prevalence = float(truth.mean())
    share = counts / len(truth)
    score = float(np.mean((values - truth) ** 2))
    reliability = float(share @ (predicted - observed[0]) ** 2)
    resolution = float(share @ (observed[0] - prevalence) ** 2)
    uncertainty = prevalence * (1 - prevalence)
    within = score - reliability + resolution - uncertainty
    return Brier(score, reliability, resolution, uncertainty, within, 1 - score / uncertainty, len(counts))


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10, adaptive: bool = False, seed: int = 0
) -> CalibrationError:
    """Return the mean distance of the bins' predictions from their shares of metastases, weighted by their patients.

    Bins are of equal width over [0, 1], closed below (the last at both ends); adaptive: of equal counts, ties never
    parted. Empty bins count nothing. With few patients it is far from 0 even for calibrated predictions:
    `if_calibrated` is its mean over 1,000 sets of labels drawn from the predictions themselves.
    Raises as `brier` does.
    """
    truth, values = checked_probabilities(labels, probabilities)
    places = _places(values, bins, adaptive=adaptive)
    rng = np.random.default_rng(seed)
    drawn = rng.random((SIMULATED if len(truth) <= 20_000 else 10, len(truth))) < values
    counts, predicted, observed = _bin_means(np.vstack([truth, drawn]).astype(np.float64), values, places)
    errors = np.abs(observed - predicted) @ (counts / len(truth))
    return CalibrationError(float(errors[0]), float(errors[1:].mean()), len(counts))


def _places(values: FloatArray, bins: int, *, adaptive: bool) -> IntArray:
    """Return the bin of each prediction, from 0, without empty bins."""
    if bins < 1:
        raise UsageError(f"bins: at least 1 is needed, received {bins}")
    if adaptive:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
        places = np.searchsorted(edges, values, "left")
    else:
        places = np.minimum((values * bins).astype(np.int64), bins - 1)
    return np.unique(places, return_inverse=True)[1].astype(np.int64)


def _bin_means(truths: FloatArray, values: FloatArray, places: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the bins' patients (bins,), mean predictions (bins,) and shares of metastases (truths, bins)."""
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(places.max() + 1))
    counts = np.bincount(places).astype(np.float64)
    sums = np.add.reduceat(truths[:, order], starts, axis=1)
    return counts, np.add.reduceat(values[order], starts) / counts, sums / counts
