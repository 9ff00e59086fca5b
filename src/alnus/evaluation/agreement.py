"""Agreement between readers beyond chance: Cohen's kappa, plain and weighted, and Fleiss' for any number of readers.

Source: Cohen, Educ Psychol Meas 20:37 (1960), and Psychol Bull 70:213 (1968), with the large-sample variance of Fleiss,
Cohen and Everitt, Psychol Bull 72:323 (1969), as statsmodels computes it; Fleiss, Psychol Bull 76:378 (1971), with the
large-sample variance of Gwet, Educ Psychol Meas 81:781 (2021), which holds whether or not they agree beyond chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import FloatArray, check_confidence

Weights = Literal["linear", "quadratic"]


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance, at most 1, with its interval, clipped to [-1, 1]; observed and by chance in [0, 1].

    With weights, observed and chance are weighted agreement. subjects: those that count.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    observed: float
    chance: float
    subjects: int


def cohen_kappa(
    ratings_a: ArrayLike, ratings_b: ArrayLike, *, weights: Weights | None = None, confidence: float = 0.95
) -> Kappa:
    """Return Cohen's kappa of two readers' categories.

    ratings: (patients,), calls or ordinal grades, numbers or text. weights: None for names without order; "linear" or
    "quadratic" where a disagreement by two categories is worse than by one: categories are those that occur, in
    their order, one apart each, numbers by size and text by the alphabet. Readers who agree on every patient have
    kappa 1 and an interval without width, which is no sign of certainty; so has kappa 0, where one of them gave all
    patients one category.
    Raises CohortError for missing values, fewer than two patients, and where both gave all patients one category,
    for then kappa does not exist.
    """
    check_confidence(confidence)
    if weights not in (None, *get_args(Weights)):
        raise UsageError(f"weights: None, linear and quadratic are the choices, received '{weights}'")
    a, b = _checked(ratings_a, dimensions=1), _checked(ratings_b, dimensions=1)
    if len(a) != len(b):
        raise CohortError(f"ratings: {len(a)} and {len(b)} values; give one of each reader for every patient")
    codes = _codes(np.stack([a, b]))
    table = np.zeros((int(codes.max()) + 1,) * 2)
    np.add.at(table, (codes[0], codes[1]), 1)
    return _cohen(table, weights, confidence)


def fleiss_kappa(ratings: ArrayLike, *, confidence: float = 0.95) -> Kappa:
    """Return Fleiss' kappa of two or more readers, who need not be the same for every patient.

    ratings: (patients, readers), categories as numbers or text, one from each reader. For two readers this is Scott's
    pi, which differs from Cohen's kappa where the two use the categories unequally often.
    Raises CohortError as `cohen_kappa` does, and where there are fewer than two readers.
    """
    check_confidence(confidence)
    codes = _codes(_checked(ratings, dimensions=2))
    if codes.shape[1] < 2:
        raise CohortError(f"ratings: {codes.shape[1]} reader; agreement is of two or more")
    counts = np.stack([(codes == category).sum(axis=1) for category in range(int(codes.max()) + 1)], axis=1)
    return _fleiss(counts.astype(np.float64), confidence)


def _checked(values: ArrayLike, *, dimensions: int) -> NDArray[np.generic]:
    array = np.asarray(values)
    shape = "(patients,)" if dimensions == 1 else "(patients, readers)"
    if array.ndim != dimensions or array.shape[0] < 2:
        raise CohortError(f"ratings: two patients or more as {shape} are expected, received shape {array.shape}")
    missing = [value is None or value != value or value == "" for value in array.ravel().tolist()]
    if any(missing):
        raise CohortError(
            f"ratings: {sum(missing)} of {array.size} are missing; leave out patients whom not all readers rated"
        )
    return array


def _codes(values: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return the place of each value among the sorted ones. Raises CohortError where all are one category."""
    categories, codes = np.unique(values.astype(str) if values.dtype == object else values, return_inverse=True)
    if len(categories) == 1:
        raise CohortError(
            f"ratings: all are '{categories[0]}', so that agreement beyond chance does not exist; "
            "report the share of equal ratings"
        )
    return codes.reshape(values.shape)


def _cohen(table: FloatArray, weights: Weights | None, confidence: float) -> Kappa:
    from statsmodels.stats.inter_rater import cohens_kappa  # half a second

    with np.errstate(invalid="ignore"):  # a variance of 0 comes out as -4e-17, whose root statsmodels takes
        found = cohens_kappa(table, wt=weights, return_results=True)
    distance = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table)))).astype(np.float64)
    power = {None: 0, "linear": 1, "quadratic": 2}[weights]
    disagreement = np.where(distance > 0, distance**power, 0.0) / max((len(table) - 1) ** power, 1)
    shares = table / table.sum()
    observed = 1 - float((shares * disagreement).sum())
    chance = 1 - float((np.outer(shares.sum(axis=1), shares.sum(axis=0)) * disagreement).sum())
    error = float(np.sqrt(max(found.var_kappa, 0.0)))
    return _kappa(float(found.kappa), error, observed, chance, int(table.sum()), confidence)


def _fleiss(counts: FloatArray, confidence: float) -> Kappa:
    """Return kappa from counts, (patients, categories): how many readers chose each."""
    patients, readers = len(counts), counts[0].sum()
    share = counts.mean(axis=0) / readers
    agreed = (counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))
    observed, chance = float(agreed.mean()), float((share**2).sum())
    kappa = (observed - chance) / (1 - chance)
    by_chance = counts @ share / readers  # each patient's part in the chance agreement
    parts = (agreed - chance) / (1 - chance) - 2 * (1 - kappa) * (by_chance - chance) / (1 - chance)
    error = float(np.sqrt(((parts - kappa) ** 2).sum() / (patients * (patients - 1))))
    return _kappa(kappa, error, observed, chance, patients, confidence)


def _kappa(estimate: float, error: float, observed: float, chance: float, subjects: int, confidence: float) -> Kappa:
    half = float(special.ndtri(0.5 + confidence / 2)) * error
    return Kappa(estimate, max(estimate - half, -1.0), min(estimate + half, 1.0), error, observed, chance, subjects)
