"""Statistics as what JSON can hold, a reason for each that is missing, and the mark of too wide an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from alnus.errors import CohortError
from alnus.evaluation.power import underpowered

CELLS = 10_000_000
"""Patients times bootstrap samples beyond which an interval is left out: minutes for what more patients tell too."""


@dataclass
class Found:
    """Statistics by name; what could not be had is None, with its reason by the same name."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, compute: Callable[[], Any]) -> None:
        """Compute a statistic; a CohortError, or a number that is not finite, makes it None with the reason."""
        try:
            self.values[name] = as_json(compute())
        except CohortError as error:
            self.leave(name, str(error))
        except NotFiniteError:
            self.leave(name, "the answer is no finite number; the scores are too far apart to compute with")

    def leave(self, name: str, reason: str) -> None:
        """State that a statistic is missing, and why."""
        self.values[name] = None
        self.reasons[name] = reason


class NotFiniteError(ArithmeticError):
    """A number that JSON cannot hold."""


def as_json(value: Any, *, digits: int | None = None) -> Any:
    """Return dataclasses, arrays and numpy numbers as JSON holds them. Raises NotFiniteError for NaN and infinities."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(name): as_json(each, digits=digits) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(each, digits=digits) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotFiniteError
        return value if digits is None else round(value, digits)
    return value


@dataclass(frozen=True)
class _Ends:
    low: float
    high: float


def flagged(statistic: dict[str, Any], *, widest: float) -> dict[str, Any]:
    """Return a statistic with `underpowered`: its interval is wider than `widest`, or has no width at all."""
    return statistic | {"underpowered": underpowered(_Ends(statistic["low"], statistic["high"]), widest=widest)}


def too_many(patients: int, replicates: int) -> str:
    """Return why a bootstrap of so many patients is left out, or nothing where it is not."""
    if patients * replicates <= CELLS:
        return ""
    return (
        f"left out: {patients} patients times {replicates} bootstrap samples take minutes; lower evaluation.replicates "
        f"to {max(100, CELLS // patients)} to have it"
    )
