"""The AUC within folds: each network on the patients that it did not see, and the mean of these.

Pooling the folds' scores asks one scale of networks that were never compared; the mean within folds does not.
Source: LeDell, Petersen and van der Laan, "Computationally efficient confidence intervals for cross-validated area
under the ROC curve estimates", Electronic Journal of Statistics 9:1583 (2015).
Departures: each fold's variance is DeLong's, with its small-sample divisors, instead of that of the influence curve;
the interval is on the logit scale, as `auc`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from alnus.errors import CohortError
from alnus.evaluation.checks import BoolArray, FloatArray, check_lengths
from alnus.evaluation.delong import around, auc, checked_sources


@dataclass(frozen=True)
class FoldArea:
    """The AUC of one fold's held-out patients, with its logit interval."""

    fold: int
    patients: int
    positive: int
    estimate: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class FoldAreas:
    """The mean of the folds' AUCs, its interval and standard error, and the folds in their order."""

    estimate: float
    low: float
    high: float
    standard_error: float
    folds: tuple[FoldArea, ...]


def auc_within_folds(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike, *, confidence: float = 0.95) -> FoldAreas:
    """Return the mean over the folds of the AUC of each fold's patients.

    labels, scores: (patients,), as for `auc`; folds: (patients,), whole numbers. The folds' patients are others, so the
    variance of the mean is that of independent estimates; that their networks learnt from overlapping patients is not
    in it. Raises CohortError where a class has fewer than two patients in a fold, or there is one fold.
    """
    truth, (values,) = checked_sources(labels, scores)
    parts = np.asarray(folds)
    check_lengths(truth, parts, "folds")
    names = np.unique(parts)
    if len(names) < 2:
        raise CohortError(f"folds: at least 2 are needed, received {len(names)}")
    found = tuple(_area(int(name), truth[parts == name], values[parts == name], confidence) for name in names)
    estimate = float(np.mean([area.estimate for area in found]))
    error = float(np.sqrt(np.sum([area.standard_error**2 for area in found]))) / len(found)
    sizes = int(truth.sum()), int((~truth).sum())
    mean = around(estimate, error, sizes, "logit", confidence)
    return FoldAreas(mean.estimate, mean.low, mean.high, mean.standard_error, found)


def _area(fold: int, labels: BoolArray, values: FloatArray, confidence: float) -> FoldArea:
    try:
        area = auc(labels, values, confidence=confidence, interval="logit")
    except CohortError as error:
        raise CohortError(f"fold {fold}: {error}") from None
    return FoldArea(fold, len(labels), int(labels.sum()), area.estimate, area.low, area.high, area.standard_error)
