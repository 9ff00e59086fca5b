"""The smooth calibration curve with its band: the share of metastases over the predicted probability.

A restricted cubic spline of the predicted log odds in a logistic model, not loess: with 61 patients and 0/1 outcomes
loess leaves [0, 1] and needs a bootstrap for its band; the spline's band comes from its covariance, stays within (0,
1), and is a straight line in the log odds beyond the outer knots, where few patients are.

Source: Harrell, "Regression modeling strategies" (2015), section 2.4.5 (the spline and its knots); Austin and
Steyerberg, Stat Med 33:517 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.evaluation.calibration_measures import EDGE
from alnus.evaluation.checks import FloatArray, check_confidence, checked_probabilities
from alnus.evaluation.logistic import fit_logistic

KNOTS = (0.10, 0.50, 0.90)
"""Harrell's quantiles for three knots: as many as 21 metastases bear."""


@dataclass(frozen=True)
class CalibrationCurve:
    """Predicted probability, share of metastases and its band, all (points,); pointwise."""

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray


def calibration_curve(
    labels: ArrayLike, probabilities: ArrayLike, *, confidence: float = 0.95, points: int = 101
) -> CalibrationCurve:
    """Return the curve between the lowest and the highest prediction.

    Predictions of fewer than five distinct values have too few for a spline: the curve is then straight in the log
    odds. Raises CohortError for scores that are no probabilities, all equal, or that separate the classes.
    """
    check_confidence(confidence)
    truth, values = checked_probabilities(labels, probabilities)
    odds = special.logit(np.clip(values, EDGE, 1 - EDGE))
    knots = np.quantile(odds, KNOTS) if len(np.unique(odds)) >= 5 else np.array([])
    knots = np.array([]) if len(np.unique(knots)) < len(KNOTS) else knots
    fit = fit_logistic(_terms(odds, knots), truth.astype(np.float64))
    grid = np.linspace(odds.min(), odds.max(), points)
    terms = _terms(grid, knots)
    middle = terms @ fit.coefficients
    half = special.ndtri(0.5 + confidence / 2) * np.sqrt(np.sum(terms @ fit.covariance * terms, axis=1))
    return CalibrationCurve(
        special.expit(grid), special.expit(middle), special.expit(middle - half), special.expit(middle + half)
    )


def _terms(odds: FloatArray, knots: FloatArray) -> FloatArray:
    """Return intercept, line and, with knots, the restricted cubic terms, (values, terms)."""
    columns = [np.ones_like(odds), odds]
    if len(knots):
        first, last, before = knots[0], knots[-1], knots[-2]
        for knot in knots[:-2]:
            cubes = [np.maximum(odds - at, 0) ** 3 for at in (knot, before, last)]
            outer = (cubes[1] * (last - knot) - cubes[2] * (before - knot)) / (last - before)
            columns.append((cubes[0] - outer) / (last - first) ** 2)
    return np.column_stack(columns)
