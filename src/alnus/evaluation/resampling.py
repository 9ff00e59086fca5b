"""The bootstrap of patients: stratified by class, whole patients with all their videos, as weights.

A replicate is not a copy of the data but a weight for each row: how often its patient was drawn. A statistic of
weights answers thousands of replicates at once.
Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapters 13 and 14; the acceleration of several
strata: Davison and Hinkley, "Bootstrap methods and their application" (1997), section 5.3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import (
    BoolArray,
    FloatArray,
    check_classes,
    check_confidence,
    checked_binary,
    checked_identities,
)
from alnus.evaluation.delong import Estimate

IntArray = NDArray[np.int64]
Statistic = Callable[[FloatArray], FloatArray]
"""From weights (replicates, rows) to values (replicates,); weights of one everywhere give the estimate."""
CELLS = 2_000_000
"""Weights that are held at once: 16 MB."""
BCA_LIMIT = 5_000
"""Patients up to which BCa leaves out each in turn; its cost grows with their square."""


def bootstrap(
    labels: ArrayLike,
    statistic: Statistic,
    *,
    patients: ArrayLike | None = None,
    replicates: int = 2000,
    seed: int = 0,
    interval: Literal["bca", "percentile"] = "bca",
    confidence: float = 0.95,
) -> Estimate:
    """Return a statistic with its bootstrap interval; standard_error is the replicates' standard deviation.

    labels: (rows,), 1 = metastasis. patients: (rows,), whose row it is; None: each row is a patient. Drawn with
    replacement within the classes (patients with videos of both classes are a third stratum), so that every replicate
    has the study's own numbers of patients. The same seed gives the same interval.
    "bca" corrects for bias and skewness; "percentile" takes the replicates' quantiles, and is the one for more than
    5,000 patients. Where all replicates agree the interval is the single point.
    Raises CohortError where a class has fewer than two patients, UsageError for fewer than 100 replicates.
    """
    check_confidence(confidence)
    truth, units = _units(labels, patients)
    strata = _strata(truth, units)
    if interval == "bca" and len(strata) > BCA_LIMIT:
        raise UsageError(f"interval: BCa takes up to {BCA_LIMIT} patients, received {len(strata)}; use 'percentile'")
    values = np.concatenate([statistic(weights) for weights in resamples(truth, units, replicates, seed)])
    estimate = float(statistic(np.ones((1, len(truth))))[0])
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if interval == "bca":
        tails = _bca_tails(estimate, values, _influences(statistic, truth, units, strata), strata, tails)
    low, high = np.quantile(values, tails)
    return Estimate(estimate, float(low), float(high), float(np.std(values, ddof=1)))


def resamples(truth: BoolArray, units: IntArray, replicates: int, seed: int) -> Iterator[FloatArray]:
    """Yield the rows' weights of so many replicates, (some replicates, rows) at a time.

    Raises UsageError for fewer than 100 replicates.
    """
    if replicates < 100:
        raise UsageError(f"replicates: at least 100 are needed for an interval, received {replicates}")
    rng = np.random.default_rng(seed)
    strata = _strata(truth, units)
    chunk = max(1, CELLS // max(len(truth), len(strata)))
    for start in range(0, replicates, chunk):
        yield _drawn(strata, min(chunk, replicates - start), rng)[:, units]


def _drawn(strata: IntArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each patient is drawn, (count, patients)."""
    times = np.zeros((count, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        draws = rng.integers(0, len(members), (count, len(members))) + len(members) * np.arange(count)[:, None]
        times[:, members] = np.bincount(draws.ravel(), minlength=count * len(members)).reshape(count, -1)
    return times


def _units(labels: ArrayLike, patients: ArrayLike | None) -> tuple[BoolArray, IntArray]:
    truth = checked_binary(labels, "labels")
    if patients is None:
        check_classes(truth, least=2)
        return truth, np.arange(len(truth))
    units = checked_identities(patients, truth, name="patients")
    for kind, rows in (("with", truth), ("without", ~truth)):
        if len(np.unique(units[rows])) < 2:
            raise CohortError(f"patients: fewer than 2 have rows {kind} metastasis; add patients or leave this out")
    return truth, units


def _strata(truth: BoolArray, units: IntArray) -> IntArray:
    """Return each patient's stratum: 1 only negative rows, 2 only positive, 3 both."""
    count = int(units.max()) + 1
    positive = np.bincount(units, truth, count) > 0
    negative = np.bincount(units, ~truth, count) > 0
    return positive.astype(np.int64) * 2 + negative


def _influences(statistic: Statistic, truth: BoolArray, units: IntArray, strata: IntArray) -> FloatArray:
    """Return each patient's jackknife influence, (n - 1) * (mean without one - without this one) of the stratum."""
    count = len(strata)
    without = np.empty(count)
    chunk = max(1, CELLS // len(truth))
    for start in range(0, count, chunk):
        left_out = np.arange(start, min(count, start + chunk))
        without[left_out] = statistic((units[None, :] != left_out[:, None]).astype(np.float64))
    influences = np.empty(count)
    for stratum in np.unique(strata):
        rows = strata == stratum
        influences[rows] = (rows.sum() - 1) * (without[rows].mean() - without[rows])
    return influences


def _bca_tails(
    estimate: float, values: FloatArray, influences: FloatArray, strata: IntArray, tails: FloatArray
) -> FloatArray:
    """Return the quantiles to read instead of `tails`: bias from the replicates, skewness from the influences."""
    below = np.mean(values < estimate) + np.mean(values == estimate) / 2
    smallest = 0.5 / len(values)
    bias = special.ndtri(np.clip(below, smallest, 1 - smallest))
    scaled = influences / np.bincount(strata)[strata]
    spread = np.sum(scaled**2)
    acceleration = np.sum(scaled**3) / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = bias + special.ndtri(tails)
    adjusted: FloatArray = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    return adjusted
