"""Tests of two sets of calls on the same patients, and the correction for testing several times.

Source: McNemar, Psychometrika 12:153 (1947), in its exact binomial form; the mid-p value: Lancaster, J Am Stat Assoc
56:223 (1961), recommended by Fagerland et al., BMC Med Res Methodol 13:91 (2013); Holm, Scand J Stat 6:65 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import CohortError
from alnus.evaluation.checks import check_lengths, checked_binary


@dataclass(frozen=True)
class McNemar:
    """b: patients whom only the first calls rightly; c: only the second; the two-sided P value, exact or mid-p."""

    b: int
    c: int
    p_value: float


def mcnemar(labels: ArrayLike, calls_a: ArrayLike, calls_b: ArrayLike, *, mid_p: bool = False) -> McNemar:
    """Test whether two sets of calls are right equally often: P = 2 * Binomial(b + c, 1/2) up to min(b, c), at most 1.

    All (patients,), 1 = metastasis. Where both are right on the same patients b + c = 0 and P = 1.
    mid_p: count the observed table itself by half. The exact test rejects a true null far less often than 5%; mid-p
    comes close to 5% and seldom exceeds it.
    Raises CohortError for other values or lengths.
    """
    truth = checked_binary(labels, "labels")
    a, b = checked_binary(calls_a, "calls"), checked_binary(calls_b, "calls")
    check_lengths(truth, a, "calls")
    check_lengths(truth, b, "calls")
    only_a = int(np.sum((a == truth) & (b != truth)))
    only_b = int(np.sum((b == truth) & (a != truth)))
    return McNemar(only_a, only_b, mcnemar_p(only_a, only_b, mid_p=mid_p))


def mcnemar_p(only_a: int, only_b: int, *, mid_p: bool = False) -> float:
    """Return McNemar's exact or mid-p value from the two numbers of patients on whom the sources differ."""
    fewer, together = min(only_a, only_b), only_a + only_b
    tail = 2 * float(special.bdtr(fewer, together, 0.5))
    if mid_p:
        ways = special.gammaln(together + 1) - special.gammaln(only_a + 1) - special.gammaln(only_b + 1)
        tail -= float(np.exp(ways - together * np.log(2)))  # of thousands, the number of ways alone overflows
    return max(0.0, min(1.0, tail))


def holm(p_values: Sequence[float], *, family: int | None = None) -> list[float]:
    """Return Holm's adjusted P values in the order given; each is at least the raw one and at most 1.

    family: how many tests were declared, where some could not be computed; those count as P = 1, so that a test that
    fails makes no other easier. None: as many as are given.
    Raises CohortError where one is not in [0, 1], or more are given than were declared.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    if not np.all((raw >= 0) & (raw <= 1)):
        raise CohortError(f"p_values: numbers from 0 to 1 are expected, received {list(p_values)}")
    declared = len(raw) if family is None else family
    if declared < len(raw):
        raise CohortError(f"family: {declared} tests were declared, but {len(raw)} P values are given")
    order = np.argsort(raw, kind="stable")
    steps = np.maximum.accumulate(raw[order] * np.arange(declared, declared - len(raw), -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, steps)
    return [float(value) for value in adjusted]
