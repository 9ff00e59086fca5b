"""The difference of two accuracies, sensitivities or specificities on the same patients, with its interval.

Source: Newcombe, Stat Med 17:2635 (1998), method 10; Tango, Stat Med 17:891 (1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import check_confidence, check_lengths, checked_binary
from alnus.evaluation.paired import mcnemar_p
from alnus.evaluation.proportions import proportion

Among = Literal["all", "positive", "negative"]
"""Whose right calls are compared: accuracy, sensitivity, specificity."""


@dataclass(frozen=True)
class PairedDifference:
    """Share of right calls of a less that of b, in [-1, 1], with its interval and McNemar's two P values.

    only_a, only_b: patients whom only the one calls rightly; `patients` are all that were compared.
    """

    patients: int
    only_a: int
    only_b: int
    estimate: float
    low: float
    high: float
    p_value: float
    mid_p_value: float


def compare_calls(
    labels: ArrayLike,
    calls_a: ArrayLike,
    calls_b: ArrayLike,
    *,
    among: Among = "all",
    interval: Literal["newcombe", "tango"] = "newcombe",
    confidence: float = 0.95,
) -> PairedDifference:
    """Return how much more often a is right than b on the same patients.

    All (patients,), 1 = metastasis. among: "positive" compares sensitivities, "negative" specificities.
    "newcombe" joins two Wilson intervals by the correlation of the calls; "tango" inverts the score test. Both have a
    width even where the sources never differ. The intervals and McNemar's tests may disagree near 5%.
    Raises CohortError where nobody is to be compared or the arrays are not as above.
    """
    check_confidence(confidence)
    truth = checked_binary(labels, "labels")
    a, b = checked_binary(calls_a, "calls"), checked_binary(calls_b, "calls")
    check_lengths(truth, a, "calls")
    check_lengths(truth, b, "calls")
    if among not in ("all", "positive", "negative"):
        raise UsageError(f"among: '{among}' is not all, positive or negative")
    asked = np.ones_like(truth) if among == "all" else truth == (among == "positive")
    if not asked.any():
        raise CohortError(f"labels: there are no {among} patients to compare calls on")
    right_a, right_b = (a == truth)[asked], (b == truth)[asked]
    both, only_a, only_b = (int(np.sum(x)) for x in (right_a & right_b, right_a & ~right_b, right_b & ~right_a))
    patients = len(right_a)
    if interval == "newcombe":
        low, high = newcombe_interval(both, only_a, only_b, patients - both - only_a - only_b, confidence=confidence)
    elif interval == "tango":
        low, high = tango_interval(only_a, only_b, patients, confidence=confidence)
    else:
        raise UsageError(f"interval: '{interval}' is not newcombe or tango")
    exact, mid = mcnemar_p(only_a, only_b), mcnemar_p(only_a, only_b, mid_p=True)
    return PairedDifference(patients, only_a, only_b, (only_a - only_b) / patients, low, high, exact, mid)


def newcombe_interval(
    both: int, only_a: int, only_b: int, neither: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of (only_a - only_b) / n by Newcombe's method 10, from the four cells of right calls.

    phi, the correlation of the calls, is lowered by n/2 in its numerator where that is positive (Newcombe's
    continuity correction of phi), and is 0 where a margin is empty.
    """
    patients = both + only_a + only_b + neither
    a = proportion(both + only_a, patients, confidence=confidence, interval="wilson")
    b = proportion(both + only_b, patients, confidence=confidence, interval="wilson")
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    product = float(both * neither - only_a * only_b)
    product = max(0.0, product - patients / 2) if product > 0 else product
    phi = product / margins**0.5 if margins else 0.0
    difference = a.estimate - b.estimate

    def reach(da: float, db: float) -> float:
        return float(max(0.0, da**2 - 2 * phi * da * db + db**2) ** 0.5)

    low = difference - reach(a.estimate - a.low, b.high - b.estimate)
    high = difference + reach(a.high - a.estimate, b.estimate - b.low)
    return max(-1.0, low), min(1.0, high)


def tango_interval(only_a: int, only_b: int, patients: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of (only_a - only_b) / patients that Tango's score test does not reject."""
    z = float(special.ndtri(0.5 + confidence / 2))
    difference = (only_a - only_b) / patients

    def excess(true: float) -> float:
        linear = (2 * patients - only_a + only_b) * true - only_a - only_b
        root = max(0.0, linear**2 + 8 * patients * only_b * true * (1 - true)) ** 0.5
        shared = (root - linear) / (4 * patients)  # the share right by b alone that is likeliest at this difference
        variance = max(0.0, patients * (2 * shared + true * (1 - true)))
        return float((only_a - only_b - patients * true) ** 2 - z**2 * variance)

    step = 1e-9  # at the estimate itself the score is 0, at -1 and 1 the variance is
    low = optimize.brentq(excess, -1.0, difference - step, xtol=1e-13) if only_b < patients else -1.0
    high = optimize.brentq(excess, difference + step, 1.0, xtol=1e-13) if only_a < patients else 1.0
    return float(low), float(high)
