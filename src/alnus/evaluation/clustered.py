"""AUC where a patient has several videos, each with its own score: the patients are the units, not the videos.

Source: Obuchowski, Biometrics 53:567 (1997), equations 2 to 4 and section 3.
With one video a patient everything here is DeLong's, to the last digit.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import BoolArray, FloatArray, check_confidence, checked_identities
from alnus.evaluation.delong import AucDifference, Estimate, around, checked_sources, structural_components

IntArray = NDArray[np.int64]


def clustered_auc(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: ArrayLike,
    *,
    confidence: float = 0.95,
    interval: Literal["plain", "logit"] = "plain",
) -> Estimate:
    """Area under the ROC curve of videos, with an interval that knows which videos are of one patient.

    labels, scores: (videos,), as for `auc`. patients: (videos,), any identities; a patient may have videos of both
    classes (two lesions, two nodes). The estimate is that of `auc` on the videos, so a patient with many weighs much;
    `to_patients` and `auc` weigh each patient once. The interval is estimate ± z · standard_error, clipped
    to [0, 1], or the same on the logit scale, which with few patients covers better and is never a point.
    Raises CohortError where a class has videos of fewer than two patients, UsageError for another interval.
    """
    check_confidence(confidence)
    if interval not in ("plain", "logit"):
        raise UsageError(f"interval: '{interval}' is not plain or logit")
    truth, (values,) = checked_sources(labels, scores)
    units = checked_identities(patients, truth, name="patients")
    positive, negative = structural_components(truth, values)
    estimate = float(positive.mean())
    error = float(np.sqrt(_variance(truth, units, positive, negative, estimate)))
    sizes = len(np.unique(units[truth])), len(np.unique(units[~truth]))
    return around(estimate, error, sizes, "logit" if interval == "logit" else "delong", confidence)


def compare_clustered_aucs(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, patients: ArrayLike, *, confidence: float = 0.95
) -> AucDifference:
    """Test of two sources' AUCs on the same videos of the same patients, two-sided; the rest as `clustered_auc`.

    Scores that rank the videos alike give z = 0, P = 1 and the interval [0, 0].
    Raises CohortError as `clustered_auc` does, and where a difference other than zero has no variance.
    """
    check_confidence(confidence)
    truth, (a, b) = checked_sources(labels, scores_a, scores_b)
    units = checked_identities(patients, truth, name="patients")
    (positive_a, negative_a), (positive_b, negative_b) = (structural_components(truth, values) for values in (a, b))
    positive, negative = positive_a - positive_b, negative_a - negative_b
    difference = float(positive.mean())
    error = float(np.sqrt(_variance(truth, units, positive, negative, difference)))
    if error < 1e-12 and abs(difference) > 1e-12:  # the sums of squares leave rounding
        raise CohortError(
            f"scores: the AUCs differ by {difference:.3f} with a variance of zero, so the test does not exist; "
            "report the two AUCs without a P value, or test on more patients"
        )
    z = difference / error if error >= 1e-12 else 0.0
    half = float(special.ndtri(0.5 + confidence / 2)) * error
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    return AucDifference(difference, low, high, z, float(2 * special.ndtr(-abs(z))))


def _variance(truth: BoolArray, units: IntArray, positive: FloatArray, negative: FloatArray, estimate: float) -> float:
    """Return S10/M + S01/N + 2 S11/MN: sums over patients of their videos' components less the estimate."""
    deviations = np.zeros((2, len(truth)))
    deviations[0, truth], deviations[1, ~truth] = positive - estimate, negative - estimate
    count = int(units.max()) + 1
    of_positive = np.bincount(units, deviations[0], count)
    of_negative = np.bincount(units, deviations[1], count)
    with_positive = len(np.unique(units[truth]))
    with_negative = len(np.unique(units[~truth]))
    if min(with_positive, with_negative) < 2:
        raise CohortError(
            f"patients: videos with metastasis are of {with_positive} and without of {with_negative} patients, but at "
            "least 2 of each are needed; add patients or leave this statistic out"
        )
    m, n = len(positive), len(negative)
    s10 = with_positive / (with_positive - 1) * np.sum(of_positive**2) / m
    s01 = with_negative / (with_negative - 1) * np.sum(of_negative**2) / n
    s11 = count / (count - 1) * np.sum(of_positive * of_negative)
    return max(0.0, float(s10 / m + s01 / n + 2 * s11 / (m * n)))
