"""The area under a part of the ROC curve: where the specificity, or the sensitivity, is high enough to be of use.

Source: McClish, Med Decis Making 9:190 (1989).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from alnus.errors import UsageError
from alnus.evaluation.checks import FloatArray
from alnus.evaluation.delong import Estimate, checked_sources
from alnus.evaluation.resampling import bootstrap
from alnus.evaluation.weighted_roc import areas, areas_by_sensitivity, weighted_curves


def partial_auc(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    low: float = 0.9,
    high: float = 1.0,
    axis: Literal["specificity", "sensitivity"] = "specificity",
    standardised: bool = True,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
    interval: Literal["bca", "percentile"] = "bca",
) -> Estimate:
    """Return the area where the specificity (or the sensitivity) lies from `low` to `high`, with a bootstrap interval.

    standardised: (1 + (area - least) / (most - least)) / 2, McClish's scale on which a useless score has 0.5 and a
    perfect one 1; below 0.5 a score is worse than useless there. Otherwise the bare area, at most high - low.
    low 0 and high 1 give the AUC. The interval is that of `bootstrap` and needs its patients.
    Raises CohortError as `auc` does, UsageError where not 0 <= low < high <= 1.
    """
    if not 0 <= low < high <= 1 or axis not in ("specificity", "sensitivity"):
        raise UsageError(f"low and high: 0 <= low < high <= 1 is expected of an {axis}; received {low} and {high}")
    truth, (values,) = checked_sources(labels, scores)

    def statistic(weights: FloatArray) -> FloatArray:
        curves = weighted_curves(truth, values, weights)
        by_specificity = axis == "specificity"
        area = (
            areas(curves, low=1 - high, high=1 - low)
            if by_specificity
            else areas_by_sensitivity(curves, low=low, high=high)
        )
        return mcclish(area, low, high) if standardised else area

    found = bootstrap(truth, statistic, replicates=replicates, seed=seed, interval=interval, confidence=confidence)
    return Estimate(
        found.estimate, min(found.low, found.estimate), max(found.high, found.estimate), found.standard_error
    )


def mcclish(area: FloatArray, low: float, high: float) -> FloatArray:
    """Return partial areas on McClish's scale: a useless score's area to 0.5, the whole strip to 1."""
    most = high - low
    least = most * (1 - (low + high) / 2)  # under the diagonal, where the other rate is 1 - the one
    scaled: FloatArray = np.asarray((1 + (area - least) / (most - least)) / 2)
    return scaled
