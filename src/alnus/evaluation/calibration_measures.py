"""Whether scores are probabilities: that of patients told 30%, 30 in 100 have metastasis.

Source: intercept and slope: Cox, Biometrika 45:562 (1958); Van Calster et al., BMC Med 17:230 (2019). Observed over
expected: Debray et al., BMJ 356:i6460 (2017). Spiegelhalter, Stat Med 5:421 (1986).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import CohortError
from alnus.evaluation.brier_score import Brier, CalibrationError, brier, expected_calibration_error
from alnus.evaluation.checks import BoolArray, FloatArray, check_confidence, checked_probabilities
from alnus.evaluation.delong import Estimate
from alnus.evaluation.logistic import LogisticFit, fit_logistic

EDGE = 1e-6
"""Probabilities nearer to 0 or 1 count as this near, for log odds must be finite."""


@dataclass(frozen=True)
class Spiegelhalter:
    """The test that the squared errors are those which calibrated probabilities would have; two-sided."""

    z: float
    p_value: float


@dataclass(frozen=True)
class Calibration:
    """All calibration of one source on one set; what cannot be had is None, and `reason` says why.

    intercept: log odds that are missing in all predictions, 0 if they are right on average. slope: 1 if the predictions
    spread rightly, below 1 if they are too extreme. expected_over_observed: predicted over actual metastases.
    """

    intercept: Estimate | None
    slope: Estimate | None
    expected_over_observed: Estimate
    brier: Brier
    ece: CalibrationError
    ece_adaptive: CalibrationError
    spiegelhalter: Spiegelhalter
    reason: str = ""


def calibration(labels: ArrayLike, probabilities: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Calibration:
    """Return all measures of calibration. labels: (patients,), 1 = metastasis. probabilities: (patients,), in [0, 1].

    Raises CohortError for scores that are no probabilities, and where a class is empty.
    """
    reasons = []

    def tried(measure: Callable[..., Estimate]) -> Estimate | None:
        try:
            return measure(labels, probabilities, confidence=confidence)
        except CohortError as error:
            reasons.append(f"{measure.__name__.replace('_', ' ')}: {error}")
            return None

    checked_probabilities(labels, probabilities)
    return Calibration(
        tried(calibration_intercept),
        tried(calibration_slope),
        expected_over_observed(labels, probabilities, confidence=confidence),
        brier(labels, probabilities),
        expected_calibration_error(labels, probabilities, seed=seed),
        expected_calibration_error(labels, probabilities, adaptive=True, seed=seed),
        spiegelhalter(labels, probabilities),
        "; ".join(reasons),
    )


def calibration_intercept(labels: ArrayLike, probabilities: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return calibration in the large: the intercept beside the predicted log odds, with Wald's interval."""
    truth, odds = _log_odds(labels, probabilities)
    fit = fit_logistic(np.ones((len(odds), 1)), truth.astype(np.float64), offset=odds)
    return _wald(fit, 0, confidence)


def calibration_slope(labels: ArrayLike, probabilities: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the slope of the truth's log odds over the predicted ones, with Wald's interval.

    Raises CohortError where all predictions are equal or separate the classes: then no finite slope is likeliest.
    """
    truth, odds = _log_odds(labels, probabilities)
    fit = fit_logistic(np.column_stack([np.ones(len(odds)), odds]), truth.astype(np.float64))
    return _wald(fit, 1, confidence)


def expected_over_observed(labels: ArrayLike, probabilities: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return predicted over actual metastases; the interval and standard_error are of the logarithm's scale.

    Its variance is (1 - prevalence) / metastases, the predictions being taken as given.
    """
    check_confidence(confidence)
    truth, values = checked_probabilities(labels, probabilities)
    observed = int(truth.sum())
    ratio = max(float(values.sum()), EDGE) / observed
    error = float(np.sqrt((1 - truth.mean()) / observed))
    factor = float(np.exp(special.ndtri(0.5 + confidence / 2) * error))
    return Estimate(ratio, ratio / factor, ratio * factor, error)


def spiegelhalter(labels: ArrayLike, probabilities: ArrayLike) -> Spiegelhalter:
    """Test whether the Brier score is that of calibrated predictions; predictions all of 0, 1/2 or 1 give z = 0, P = 1.

    Predictions of 0 and 1 that fail count as 10^-6 away from them, so that a wrong certainty rejects.
    """
    truth, values = checked_probabilities(labels, probabilities)
    given = np.clip(values, EDGE, 1 - EDGE)
    weights = 1 - 2 * given
    variance = float(np.sum(weights**2 * given * (1 - given)))
    if variance < 1e-15:
        return Spiegelhalter(0.0, 1.0)
    z = float(np.sum((truth - given) * weights)) / variance**0.5
    return Spiegelhalter(z, float(2 * special.ndtr(-abs(z))))


def _log_odds(labels: ArrayLike, probabilities: ArrayLike) -> tuple[BoolArray, FloatArray]:
    truth, values = checked_probabilities(labels, probabilities)
    return truth, special.logit(np.clip(values, EDGE, 1 - EDGE))


def _wald(fit: LogisticFit, term: int, confidence: float) -> Estimate:
    check_confidence(confidence)
    estimate, error = float(fit.coefficients[term]), float(fit.covariance[term, term] ** 0.5)
    half = float(special.ndtri(0.5 + confidence / 2)) * error
    return Estimate(estimate, estimate - half, estimate + half, error)
