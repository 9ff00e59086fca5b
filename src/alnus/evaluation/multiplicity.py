"""One declared primary comparison, Holm's correction over the others; a test that fails still counts.

Source: Holm, Scand J Stat 6:65 (1979); the gate: Maurer, Hothorn and Lehmacher, Biometrie in der chemisch-
pharmazeutischen Industrie 6:3 (1995), tests in a declared order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from alnus.errors import UsageError
from alnus.evaluation.paired import holm


@dataclass(frozen=True)
class DeclaredTest:
    """A test that was declared beforehand; p_value None: it could not be computed, and `reason` says why."""

    name: str
    p_value: float | None
    reason: str = ""


@dataclass(frozen=True)
class AdjustedTest:
    """A declared test with its P value raw and adjusted, its role, and how many tests its adjustment counts."""

    name: str
    p_value: float | None
    p_adjusted: float | None
    role: Literal["primary", "secondary"]
    family: int
    reason: str


def adjust(tests: Sequence[DeclaredTest], *, primary: str | None = None, gate: bool = False) -> list[AdjustedTest]:
    """Return the tests in the order given: the primary as it is, the others corrected by Holm among themselves.

    primary: the name of one of them; None: all are corrected together. A test without a P value stays in the family, as
    if its P value were 1. Primary and secondary tests are two families, each with its own 5%. gate: one 5% for all: an
    adjusted secondary P value is then at least that of the primary test (1 where that could not be computed).
    Raises UsageError where two tests have one name or no test is called `primary`; CohortError as `holm`.
    """
    names = [test.name for test in tests]
    if len(set(names)) < len(names):
        raise UsageError(f"tests: every test needs its own name, received {', '.join(names)}")
    if primary is not None and primary not in names:
        raise UsageError(f"primary: '{primary}' is no declared test; they are {', '.join(names)}")
    first = next((test for test in tests if test.name == primary), None)
    others = [test for test in tests if test is not first]
    floor = 0.0
    if gate and first is not None:
        floor = 1.0 if first.p_value is None else first.p_value
    computed = {test.name: test.p_value for test in others if test.p_value is not None}
    corrected = dict(zip(computed, holm(list(computed.values()), family=len(others)), strict=True))
    adjusted = []
    for test in tests:
        if test is first:
            [p_value] = [None] if test.p_value is None else holm([test.p_value])
            adjusted.append(AdjustedTest(test.name, test.p_value, p_value, "primary", 1, test.reason))
        else:
            p_value = max(corrected[test.name], floor) if test.name in corrected else None
            adjusted.append(AdjustedTest(test.name, test.p_value, p_value, "secondary", len(others), test.reason))
    return adjusted
