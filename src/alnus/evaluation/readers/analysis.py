"""From accuracies by treatment and reader to what a reader study reports: means, differences, one test of equality."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations, product
from typing import Any, get_args

import numpy as np
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import FloatArray, check_confidence
from alnus.evaluation.readers.obuchowski_rockette import (
    Components,
    Equality,
    Factor,
    Spread,
    components,
    equality_of,
    interval_of,
    spread_of_differences,
    spread_of_mean,
    t_test,
)


@dataclass(frozen=True)
class Question:
    """Of whom, and how sure. factor: whether readers stand for others ("random") or only themselves ("fixed").

    against: the value that each treatment's mean is tested against. bounds: what a mean's interval cannot pass.
    """

    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    factor: Factor
    confidence: float
    against: float | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class TreatmentMean:
    """A treatment's mean over its readers; p_value: of the test against a stated value, None where none is stated."""

    treatment: str
    estimate: float
    low: float
    high: float
    df: float
    p_value: float | None
    standard_error: float


@dataclass(frozen=True)
class TreatmentDifference:
    """Treatment a less treatment b, with the two-sided test of zero, uncorrected for the number of pairs."""

    treatment_a: str
    treatment_b: str
    estimate: float
    low: float
    high: float
    df: float
    p_value: float
    standard_error: float
    statistic: float


@dataclass(frozen=True)
class ReaderEstimate:
    """One reader in one treatment, the interval over samples of cases; None where the cases are fixed."""

    treatment: str
    reader: str
    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Analysis:
    """What the Obuchowski-Rockette model says; None: of one treatment there is no test, of fixed cases no components.

    Means and by_reader are in the treatments' order, differences are of each pair in it.
    """

    components: Components | None
    equality: Equality | None
    differences: tuple[TreatmentDifference, ...]
    means: tuple[TreatmentMean, ...]
    by_reader: tuple[ReaderEstimate, ...]


def check_factors(readers: str, cases: str, confidence: float) -> None:
    """Raise UsageError where the factors are neither "random" nor "fixed", or both fixed."""
    check_confidence(confidence)
    for name, factor in (("readers", readers), ("cases", cases)):
        if factor not in get_args(Factor):
            raise UsageError(f"{name}: 'random' or 'fixed' is expected, received '{factor}'")
    if readers == cases == "fixed":
        raise UsageError("readers and cases: with both fixed there is nothing to infer to; leave one of them random")


def analyse(values: FloatArray, covariance: FloatArray | None, question: Question) -> Analysis:
    """Analyse accuracies, (treatments, readers).

    covariance: (treatments * readers,) squared, or None where the cases are fixed.
    Raises CohortError for random readers of whom there is one, and where a test does not exist.
    """
    if values.shape[1] == 1 and question.factor == "random":
        raise CohortError(
            f"readers: '{question.readers[0]}' is the only one, who says nothing of other readers; take readers='fixed'"
        )
    means = tuple(_means(values, covariance, question))
    by_reader = tuple(_by_reader(values, covariance, question))
    found = None if covariance is None else components(values, covariance)
    if len(values) == 1:
        return Analysis(found, None, (), means, by_reader)
    spread = spread_of_differences(values, covariance, readers=question.factor)
    return Analysis(found, equality_of(values, spread), tuple(_differences(values, spread, question)), means, by_reader)


def plain(result: Any) -> dict[str, Any]:
    """Return a result as what JSON can hold: infinite degrees of freedom (a normal or chi-square test) become None."""
    return {name: _plain(value) for name, value in asdict(result).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _differences(values: FloatArray, spread: Spread, question: Question) -> Iterator[TreatmentDifference]:
    widest, weight = question.bounds[1] - question.bounds[0], 2 / values.shape[1]
    for (a, mean_a), (b, mean_b) in combinations(zip(question.treatments, values.mean(axis=1), strict=True), 2):
        difference = float(mean_a - mean_b)
        statistic, p_value = t_test(difference, spread, weight=weight)
        error, low, high = interval_of(
            difference, spread, weight=weight, confidence=question.confidence, bounds=(-widest, widest)
        )
        yield TreatmentDifference(a, b, difference, low, high, spread.df, p_value, error, statistic)


def _means(values: FloatArray, covariance: FloatArray | None, question: Question) -> Iterator[TreatmentMean]:
    count = values.shape[1]
    for place, (treatment, row) in enumerate(zip(question.treatments, values, strict=True)):
        own = slice(place * count, (place + 1) * count)
        spread = spread_of_mean(row, None if covariance is None else covariance[own, own], readers=question.factor)
        mean, p_value = float(row.mean()), None
        if question.against is not None:
            p_value = t_test(mean - question.against, spread, weight=1 / count)[1]
        error, low, high = interval_of(
            mean, spread, weight=1 / count, confidence=question.confidence, bounds=question.bounds
        )
        yield TreatmentMean(treatment, mean, low, high, spread.df, p_value, error)


def _by_reader(values: FloatArray, covariance: FloatArray | None, question: Question) -> Iterator[ReaderEstimate]:
    estimates = values.ravel()
    low: list[float | None] = [None] * len(estimates)
    high = low
    if covariance is not None:
        half = special.ndtri(0.5 + question.confidence / 2) * np.sqrt(np.maximum(np.diag(covariance), 0.0))
        low = np.clip(estimates - half, *question.bounds).tolist()
        high = np.clip(estimates + half, *question.bounds).tolist()
    rows = zip(product(question.treatments, question.readers), estimates.tolist(), low, high, strict=True)
    for (treatment, reader), estimate, start, end in rows:
        yield ReaderEstimate(treatment, reader, estimate, start, end)
