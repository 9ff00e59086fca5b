"""The mean of a measure over patients, with a bootstrap interval of patients.

Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), section 13.3 (percentile interval).
Departures: patients are drawn without regard to their class, since a group such as the wrong calls may hold one only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from alnus.errors import CohortError
from alnus.evaluation.checks import check_confidence, checked_scores


@dataclass(frozen=True)
class CaseMean:
    """The mean over patients, its interval, and how many patients it is of; low and high None: too few for one."""

    estimate: float
    low: float | None
    high: float | None
    patients: int


def case_mean(
    values: ArrayLike, patients: ArrayLike, *, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> CaseMean:
    """Return the mean over patients of each one's mean over the rows.

    values: (rows,), finite. patients: (rows,), whose row it is. The interval is the replicates' quantiles; fewer than
    three patients have none, because resampling so few says nothing of others.
    Raises CohortError for no row, or numbers that are not finite.
    """
    check_confidence(confidence)
    given = checked_scores(values, "values")
    who = np.unique(np.asarray(patients), return_inverse=True)[1]
    if not len(given):
        raise CohortError("values: no case has this measure")
    of_patient = np.bincount(who, given) / np.bincount(who)
    count = len(of_patient)
    if count < 3:
        return CaseMean(float(of_patient.mean()), None, None, count)
    drawn = np.random.default_rng(seed).integers(0, count, (replicates, count))
    low, high = np.quantile(of_patient[drawn].mean(axis=1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return CaseMean(float(of_patient.mean()), float(low), float(high), count)
