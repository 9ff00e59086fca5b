"""The ROC curve and the threshold that Youden's index chooses on it. A call is `score >= threshold`, everywhere.

Source: Youden, Cancer 3:32 (1950).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alnus.evaluation.checks import (
    BoolArray,
    FloatArray,
    check_classes,
    check_lengths,
    checked_binary,
    checked_scores,
)

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class RocCurve:
    """Corners of the ROC curve from (0, 0) to (1, 1), all arrays (corners,).

    thresholds: falling; `score >= threshold` gives the point; the first is infinite, for nobody is called positive.
    """

    fpr: FloatArray
    tpr: FloatArray
    thresholds: FloatArray


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> RocCurve:
    """Return the ROC curve; tied scores make one straight step, points on a straight line are left out.

    labels: (patients,), 1 = metastasis. scores: (patients,), higher = more suspicious, finite.
    Raises CohortError where a class is empty.
    """
    truth, values = checked_classes(labels, scores)
    cuts, tp, fp = rising_counts(truth, values)
    thresholds = np.concatenate([[np.inf], cuts])
    tp, fp = np.concatenate([[0], tp]), np.concatenate([[0], fp])
    up, right = np.diff(tp), np.diff(fp)
    bends = up[:-1] * right[1:] != up[1:] * right[:-1]
    corners = np.concatenate([[True], bends, [True]])
    return RocCurve(fp[corners] / fp[-1], tp[corners] / tp[-1], thresholds[corners])


def youden_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the threshold with the largest sensitivity + specificity - 1, for calls `score >= threshold`.

    Candidates: the midpoint of each two neighbouring scores, so that the threshold lies on no patient, and the lowest
    score, which calls everybody positive. Of equal ones the lowest, hence the most sensitive, for a
    missed metastasis weighs more than a false alarm. Scores that are all equal, or worse than chance at every
    cut, so give the lowest score: everybody positive, which is then plain to see in the specificity.
    Raises CohortError where a class is empty or the arrays are not as for `roc_curve`.
    """
    truth, values = checked_classes(labels, scores)
    cuts, tp, fp = rising_counts(truth, values)
    youden = tp * fp[-1] - fp * tp[-1]  # J times both class sizes: whole numbers, so that ties are exact
    best = len(youden) - 1 - int(np.argmax(youden[::-1]))
    return between(cuts, best)


def between(cuts: FloatArray, place: int) -> float:
    """Return the midpoint of a score and the next lower one (cuts fall), the lowest score itself at the end."""
    if place == len(cuts) - 1:
        return float(cuts[place])
    middle = cuts[place + 1] + (cuts[place] - cuts[place + 1]) / 2
    return float(middle if middle > cuts[place + 1] else cuts[place])  # neighbouring floats have no middle


def checked_classes(labels: ArrayLike, scores: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return labels and scores, checked, with at least one patient of each class."""
    truth = checked_binary(labels, "labels")
    values = checked_scores(scores)
    check_lengths(truth, values, "scores")
    check_classes(truth, least=1)
    return truth, values


def rising_counts(truth: BoolArray, scores: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the distinct scores, falling, and the true and false positives that calling from each one up gives."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    tp = np.cumsum(truth[order], dtype=np.int64)[last]
    return ordered[last], tp, last + 1 - tp
