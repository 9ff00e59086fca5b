"""How many patients a claim needs, and whether an interval is too wide to support one.

Source: the variance of an AUC: Hanley and McNeil, Radiology 143:29 (1982), whose Q1 and Q2 are here also taken of
normal scores; Obuchowski, Radiology 229:3 (2003), equation 3; two AUCs: Obuchowski and McClish, Stat Med 16:1529
(1997); the power of an exact test of one proportion: Chernick and Liu, Am Stat 56:149 (2002), on its saw teeth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import check_confidence
from alnus.evaluation.delong import checked_sources, structural_components

Variance = Literal["binormal", "hanley-mcneil", "obuchowski"]
LARGEST = 100_000
"""Patients with metastasis beyond which a sample size is refused: the claim is not worth the study."""


@dataclass(frozen=True)
class SampleSize:
    """The smallest study: patients with and without metastasis, and all of them."""

    positive: int
    negative: int
    patients: int


class _Interval(Protocol):
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def underpowered(measure: _Interval, *, widest: float) -> bool:
    """Return whether an interval is wider than the stated bound, or has no width because its variance is zero."""
    width = measure.high - measure.low
    return bool(width > widest or width <= 0)


def auc_variance(area: float, positive: int, negative: int, *, variance: Variance = "binormal") -> float:
    """Return the variance of an estimated AUC, from its true value in [0.5, 1) and the two class sizes.

    "binormal" is exact for normal scores of equal spread, "hanley-mcneil" for exponential ones (near an AUC of 0.86 a
    fifth larger); "obuchowski" is for readings of a few grades (up to one half larger), as in pROC's `power.roc.test`.
    """
    _check_share(area, "auc", low=0.5)
    z = float(special.ndtri(area))
    if variance == "obuchowski":
        square = (1.414 * z) ** 2
        return 0.0099 * math.exp(-square / 2) * ((5 * square + 8) / positive + (square + 8) / negative)
    if variance == "hanley-mcneil":
        above, below = area / (2 - area), 2 * area**2 / (1 + area)
    elif variance == "binormal":
        # P(two positives both above one negative): two normals of correlation 1/2, by Owen's T
        above = below = area - 2 * float(special.owens_t(z, 3**-0.5))
    else:
        raise UsageError(f"variance: '{variance}' is not one of {', '.join(get_args(Variance))}")
    spread = (positive - 1) * (above - area**2) + (negative - 1) * (below - area**2)
    return float((area * (1 - area) + spread) / (positive * negative))


def patients_for_auc(
    area: float, *, null: float = 0.5, share_positive: float, power: float = 0.8, alpha: float = 0.05,
    variance: Variance = "binormal",
) -> SampleSize:  # fmt: skip
    """Return the patients with which a two-sided test at `alpha` tells an AUC from `null` with that power."""
    _check_test(power, alpha)

    def enough(positive: int, negative: int) -> bool:
        at_null, at_claim = (auc_variance(x, positive, negative, variance=variance) ** 0.5 for x in (null, area))
        return bool(abs(area - null) >= _z(1 - alpha / 2) * at_null + _z(power) * at_claim)

    return _smallest(enough, share_positive)


def patients_for_auc_width(
    area: float, *, width: float, share_positive: float, confidence: float = 0.95, variance: Variance = "binormal"
) -> SampleSize:
    """Return the patients with which the interval of an AUC, from end to end, is expected to be at most `width`."""
    check_confidence(confidence)
    z = _z(0.5 + confidence / 2)
    return _smallest(
        lambda positive, negative: 2 * z * auc_variance(area, positive, negative, variance=variance) ** 0.5 <= width,
        share_positive,
    )


def patients_for_auc_difference(
    a: float, b: float, *, correlation: float, share_positive: float, power: float = 0.8, alpha: float = 0.05,
    variance: Variance = "binormal",
) -> SampleSize:  # fmt: skip
    """Return the patients with which the paired test at `alpha`, two-sided, tells two AUCs apart with that power.

    correlation: of the two estimated AUCs over studies (`auc_correlation` gives it for a pilot), not of the scores.
    For the paper's 0.914 against 0.856 at its 34% positive: 0.84 needs 108 patients, 0.5 needs 285.
    """
    _check_test(power, alpha)
    return _smallest(
        lambda positive, negative: (
            power_of_auc_difference(
                a, b, positive=positive, negative=negative, correlation=correlation, alpha=alpha, variance=variance
            )
            >= power
        ),
        share_positive,
    )


def power_of_auc_difference(
    a: float, b: float, *, positive: int, negative: int, correlation: float, alpha: float = 0.05,
    variance: Variance = "binormal",
) -> float:  # fmt: skip
    """Return how probably the paired test at `alpha`, two-sided, rejects equality where the AUCs are a and b."""
    if not -1 <= correlation < 1:
        raise UsageError(f"correlation: a number from -1 to below 1 is expected, received {correlation}")
    of_a, of_b = (auc_variance(x, positive, negative, variance=variance) for x in (a, b))
    error = (of_a + of_b - 2 * correlation * (of_a * of_b) ** 0.5) ** 0.5
    away = abs(a - b) / error
    return float(special.ndtr(away - _z(1 - alpha / 2)) + special.ndtr(-away - _z(1 - alpha / 2)))


def auc_correlation(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> float:
    """Return the correlation of two estimated AUCs on the same patients, by DeLong's covariance.

    Raises CohortError as `auc` does, and where an AUC has no variance.
    """
    truth, (a, b) = checked_sources(labels, scores_a, scores_b)
    parts = [
        np.stack(pair) for pair in zip(structural_components(truth, a), structural_components(truth, b), strict=True)
    ]
    covariance = sum(np.cov(part) / part.shape[1] for part in parts)
    if min(covariance[0, 0], covariance[1, 1]) <= 1e-15:
        raise CohortError("scores: an AUC has no variance, so there is no correlation; take it from other patients")
    return float(np.clip(covariance[0, 1] / (covariance[0, 0] * covariance[1, 1]) ** 0.5, -1, 1))


def patients_for_sensitivity(
    expected: float, *, above: float, share_positive: float, power: float = 0.8, alpha: float = 0.05
) -> SampleSize:
    """Return the patients with which the Clopper-Pearson interval (1 - alpha) of a sensitivity lies above `above`.

    With that power if the sensitivity is as expected; for a specificity give its class's share instead. Power has saw
    teeth in the number of patients: this number and every larger one suffices.
    """
    _check_test(power, alpha)
    if not 0 < above < expected < 1:
        raise UsageError(f"above and expected: 0 < above < expected < 1 is needed, received {above} and {expected}")
    limit = 1000
    while True:
        positive = np.arange(1, limit + 1)
        fewest = stats.binom.isf(alpha / 2, positive, above) + 1  # right calls that put the interval above
        reached = stats.binom.sf(fewest - 1, positive, expected) >= power
        if reached[limit // 2 :].all():
            return _size(int(np.flatnonzero(~reached)[-1]) + 2 if not reached.all() else 1, share_positive)
        limit *= 2
        if limit > LARGEST:
            raise _too_many()


def _smallest(enough: Callable[[int, int], bool], share_positive: float) -> SampleSize:
    """Return the smallest number of patients with metastasis that is enough, with the others by their share."""
    low, high = 1, 2
    while not enough(high, _size(high, share_positive).negative):
        low, high = high, high * 2
        if high > LARGEST:
            raise _too_many()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle, _size(middle, share_positive).negative) else (middle, high)
    return _size(high, share_positive)


def _size(positive: int, share_positive: float) -> SampleSize:
    _check_share(share_positive, "share_positive")
    negative = max(1, math.ceil(positive * (1 - share_positive) / share_positive - 1e-9))
    return SampleSize(positive, negative, positive + negative)


def _z(probability: float) -> float:
    return float(special.ndtri(probability))


def _too_many() -> UsageError:
    return UsageError(
        f"more than {LARGEST} patients with metastasis would be needed; the difference is too small to test"
    )


def _check_test(power: float, alpha: float) -> None:
    _check_share(power, "power")
    _check_share(alpha, "alpha")


def _check_share(value: float, name: str, *, low: float = 0.0) -> None:
    if not low <= value < 1 or value == 0:
        raise UsageError(f"{name}: a number from {low:g} to below 1 is expected, received {value}")
