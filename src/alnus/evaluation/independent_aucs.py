"""The unpaired test of two AUCs: the same question on different patients (testing set A against B, two subgroups).

Source: DeLong et al., Biometrics 44:837 (1988); the degrees of freedom of Welch and Satterthwaite as pROC uses them
(Robin et al., BMC Bioinformatics 12:77 (2011), `roc.test(paired = FALSE)`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import CohortError
from alnus.evaluation.delong import auc


@dataclass(frozen=True)
class IndependentAucDifference:
    """AUC of a less AUC of b on different patients, its interval clipped to [-1, 1], t, its df and two-sided P."""

    estimate: float
    low: float
    high: float
    t: float
    df: float
    p_value: float


def compare_independent_aucs(
    labels_a: ArrayLike, scores_a: ArrayLike, labels_b: ArrayLike, scores_b: ArrayLike, *, confidence: float = 0.95
) -> IndependentAucDifference:
    """DeLong's test of two AUCs on different patients, two-sided; t = difference / sqrt(sa² + sb²).

    labels, scores: as for `auc`, one pair of arrays a group. A patient must not be in both groups: the arrays cannot
    tell. Two AUCs that are equal without any variance give t = 0, P = 1 and the interval [0, 0].
    Raises CohortError as `auc` does, and where a difference other than zero has no variance.
    """
    a = auc(labels_a, scores_a, confidence=confidence)
    b = auc(labels_b, scores_b, confidence=confidence)
    square_a, square_b = a.standard_error**2, b.standard_error**2
    error = (square_a + square_b) ** 0.5
    difference = a.estimate - b.estimate
    sizes = len(np.asarray(labels_a)) - 1, len(np.asarray(labels_b)) - 1
    if error == 0:
        if difference != 0:
            raise CohortError(
                f"scores: the AUCs differ by {difference:.3f} with a variance of zero, so DeLong's test does not "
                "exist; report the two AUCs without a P value, or test on more patients"
            )
        return IndependentAucDifference(0.0, 0.0, 0.0, 0.0, float(sum(sizes)), 1.0)
    df = error**4 / (square_a**2 / sizes[0] + square_b**2 / sizes[1])
    t = difference / error
    half = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    return IndependentAucDifference(difference, low, high, t, df, float(2 * special.stdtr(df, -abs(t))))
