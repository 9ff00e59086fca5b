"""ROC curves of weighted patients, thousands at once: what the bootstrap of a curve is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alnus.evaluation.checks import BoolArray, FloatArray

DECIMALS = 12
"""Rates are compared to so many decimals: 1 - 0.9 is below 4/40 as computers count."""


@dataclass(frozen=True)
class Curves:
    """Curves from (0, 0) to (1, 1), a corner for each distinct score: fpr and tpr (curves, corners)."""

    fpr: FloatArray
    tpr: FloatArray


def weighted_curves(truth: BoolArray, scores: FloatArray, weights: FloatArray) -> Curves:
    """Return the ROC curve of each row of weights (curves, rows); every row must give weight to both classes."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
    ordered = weights[:, order]
    rates = [np.cumsum(np.add.reduceat(ordered * chosen[order], starts, axis=1), axis=1) for chosen in (~truth, truth)]
    fpr, tpr = (np.insert(rate / rate[:, -1:], 0, 0.0, axis=1) for rate in rates)
    return Curves(fpr, tpr)


def areas(curves: Curves, *, low: float = 0.0, high: float = 1.0) -> FloatArray:
    """Return the area under each curve between two false positive rates, (curves,); straight between the corners."""
    return _areas(curves.fpr, curves.tpr, low, high)


def areas_by_sensitivity(curves: Curves, *, low: float = 0.0, high: float = 1.0) -> FloatArray:
    """Return the area to the right of each curve, specificity over sensitivity, between two sensitivities."""
    return _areas(curves.tpr, 1 - curves.fpr, low, high)


def _areas(x: FloatArray, y: FloatArray, low: float, high: float) -> FloatArray:
    left, right = x[:, :-1], x[:, 1:]
    width = right - left
    slope = np.divide(np.diff(y, axis=1), width, out=np.zeros_like(width), where=width > 0)
    start, end = np.clip(left, low, high), np.clip(right, low, high)
    middle = y[:, :-1] + slope * ((start + end) / 2 - left)
    area: FloatArray = np.sum((end - start) * middle, axis=1)
    return area


def sensitivities(curves: Curves, fpr: FloatArray) -> FloatArray:
    """Return the highest sensitivity of each curve at each false positive rate, (curves, rates)."""
    at, rates = np.round(fpr, DECIMALS), np.round(curves.fpr, DECIMALS)
    return np.array([np.interp(at, x, y) for x, y in zip(rates, curves.tpr, strict=True)])
