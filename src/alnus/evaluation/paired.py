"""Tests of two sets of calls on the same patients, and the correction for testing several times.

Source: McNemar, Psychometrika 12:153 (1947), in its exact binomial form; Holm, Scand J Stat 6:65 (1979).
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
    """b: patients whom only the first calls rightly; c: only the second; the exact two-sided P value."""

    b: int
    c: int
    p_value: float


def mcnemar(labels: ArrayLike, calls_a: ArrayLike, calls_b: ArrayLike) -> McNemar:
    """Test whether two sets of calls are right equally often: P = 2 * Binomial(b + c, 1/2) up to min(b, c), at most 1.

    All (patients,), 1 = metastasis. Where both are right on the same patients b + c = 0 and P = 1.
    Raises CohortError for other values or lengths.
    """
    truth = checked_binary(labels, "labels")
    a, b = checked_binary(calls_a, "calls"), checked_binary(calls_b, "calls")
    check_lengths(truth, a, "calls")
    check_lengths(truth, b, "calls")
    only_a = int(np.sum((a == truth) & (b != truth)))
    only_b = int(np.sum((b == truth) & (a != truth)))
    tail = float(special.bdtr(min(only_a, only_b), only_a + only_b, 0.5))
    return McNemar(only_a, only_b, min(1.0, 2 * tail))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted P values in the order given; each is at least the raw one and at most 1.

    Raises CohortError where one is not in [0, 1].
    """
    raw = np.asarray(p_values, dtype=np.float64)
    if not np.all((raw >= 0) & (raw <= 1)):
        raise CohortError(f"p_values: numbers from 0 to 1 are expected, received {list(p_values)}")
    order = np.argsort(raw, kind="stable")
    steps = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, steps)
    return [float(value) for value in adjusted]
