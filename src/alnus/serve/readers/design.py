"""What a reader study asks of each reader: which cases in which order, alone or with the model, on which scale.

Everything here is a function of the study's seed, so that a worklist can be made again outside of the room: orders are
those of SHA-256 digests of text, which no library's version changes.

Source: Gallas et al., Acad Radiol 19:463 (2012), for the designs (second reader is its sequential reading).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Design(StrEnum):
    """How cases are read.

    INDEPENDENT: alone. SECOND_READER: alone, then at once with the model. CONCURRENT: with the model from the start.
    CROSSOVER: all cases alone and, after a wash-out and in another order, all with the model, or the other way round.
    """

    INDEPENDENT = "independent"
    SECOND_READER = "second-reader"
    CONCURRENT = "concurrent"
    CROSSOVER = "crossover"


class Treatment(StrEnum):
    """A way of reading, as the analysis names it."""

    WITH_MODEL = "with model"
    ALONE = "alone"


TREATMENTS = {
    Design.INDEPENDENT: (Treatment.ALONE,),
    Design.SECOND_READER: (Treatment.WITH_MODEL, Treatment.ALONE),
    Design.CONCURRENT: (Treatment.WITH_MODEL,),
    Design.CROSSOVER: (Treatment.WITH_MODEL, Treatment.ALONE),
}
"""Of each design, in the order in which differences are taken: with the model less alone."""

SCALES = {"1-5": (1, 5), "1-10": (1, 10), "0-100": (0, 100)}
"""Suspicion from its least to its most, in whole numbers."""


@dataclass(frozen=True)
class Planned:
    """A reading to be done. session: 1 or 2. position: from 1 within the session. step: of the case, 1 or 2."""

    session: int
    position: int
    step: int
    treatment: Treatment
    case: str


def needs_model(design: Design) -> bool:
    """Tell whether some of the readings show what the model says."""
    return Treatment.WITH_MODEL in TREATMENTS[design]


def in_order(cases: Iterable[str], *, seed: int, reader: int, session: int) -> list[str]:
    """Return cases in a random order: sorted by SHA-256 of "seed|reader|session|case", readers counted from 1."""
    return sorted(cases, key=lambda case: _digest(seed, reader, session, case))


def begin_with_model(*, seed: int, readers: int) -> list[bool]:
    """Return which readers of a crossover read with the model first: half of them, the odd one by the seed's chance."""
    drawn = sorted(range(1, readers + 1), key=lambda reader: _digest(seed, reader, "begins"))
    odd_begins = _digest(seed, "odd")[0] % 2
    first = set(drawn[: (readers + odd_begins) // 2])
    return [reader in first for reader in range(1, readers + 1)]


def planned(
    design: Design, cases: Sequence[str], *, seed: int, reader: int, with_model_first: bool = False
) -> list[Planned]:
    """Return the readings of a reader (from 1), in their order. with_model_first: of a crossover's sessions."""
    if design is Design.CROSSOVER:
        sessions = [[Treatment.ALONE], [Treatment.WITH_MODEL]]
        sessions = sessions[::-1] if with_model_first else sessions
    else:
        sessions = [list(reversed(TREATMENTS[design]))]  # alone comes first
    return [
        Planned(session, position, step, treatment, case)
        for session, treatments in enumerate(sessions, start=1)
        for position, case in enumerate(in_order(cases, seed=seed, reader=reader, session=session), start=1)
        for step, treatment in enumerate(treatments, start=1)
    ]


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("|".join(map(str, parts)).encode()).digest()
