"""Answers that may be "not sure": sets of labels that hold the truth at a stated rate, for each class by itself.

Split conformal prediction, label-conditional (Mondrian): of patients with metastasis the stated share keep
"metastasis" in their set, of those without the stated share keep "none", whatever the score is worth. It holds for "
"new patients of the
same source as the calibration patients, on average over calibrations; a weak score pays with more "not sure".

Source: Vovk, Gammerman and Shafer, "Algorithmic learning in a random world" (2005), section 4.5; Angelopoulos and
Bates, Found Trends Mach Learn 16:494 (2023), sections 1 and 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from alnus.errors import UsageError
from alnus.evaluation.checks import check_confidence, checked_scores
from alnus.evaluation.roc import checked_classes

POSITIVE, NEGATIVE, NOT_SURE = "metastasis", "no metastasis", "not sure: examine"
StrArray = NDArray[np.str_]


@dataclass(frozen=True)
class Conformal:
    """Frozen ends: from `lowest_positive` up a set holds "metastasis", up to `highest_negative` "no metastasis".

    None: every set holds that label, for there are too few calibration patients of the class to leave it out.
    """

    coverage: float
    lowest_positive: float | None
    highest_negative: float | None
    metastases: int
    others: int

    def apply(self, scores: ArrayLike) -> StrArray:
        """Return an answer for each score, (patients,): "metastasis", "no metastasis" or "not sure: examine".

        A score whose set would be empty, unlike the scores of either class, is "not sure" too; coverage only rises by
        it.
        """
        values = checked_scores(scores)
        yes = np.full(len(values), True) if self.lowest_positive is None else values >= self.lowest_positive
        no = np.full(len(values), True) if self.highest_negative is None else values <= self.highest_negative
        return np.where(yes == no, NOT_SURE, np.where(yes, POSITIVE, NEGATIVE))

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold; floats keep every digit."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Conformal:
        """Return what `to_json` wrote. Raises UsageError where keys are missing or unknown."""
        if set(kept) != set(cls.__dataclass_fields__):
            raise UsageError(f"conformal: expected {', '.join(cls.__dataclass_fields__)}; received {', '.join(kept)}")
        return cls(**kept)


def fit_conformal(labels: ArrayLike, scores: ArrayLike, *, coverage: float = 0.9) -> Conformal:
    """Set the ends on calibration (validation) patients, never on those whose answers are then counted.

    labels: (patients,), 1 = metastasis. scores: (patients,), higher = more suspicious; any scale. A class of n has its
    end at the ceil((n + 1) coverage)-th of its scores from the safe side; with n < coverage / (1 - coverage) there is
    none. Raises CohortError where a class is empty, UsageError where coverage is not between 0 and 1.
    """
    check_confidence(coverage)
    truth, values = checked_classes(labels, scores)
    positive, negative = np.sort(values[truth])[::-1], np.sort(values[~truth])
    ends = []
    for ordered in (positive, negative):
        place = _place(len(ordered), coverage)
        ends.append(float(ordered[place - 1]) if place <= len(ordered) else None)
    return Conformal(coverage, ends[0], ends[1], len(positive), len(negative))


def coverage_to_expect(patients: int, coverage: float, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the mean coverage of a class calibrated on so many patients, and the ends of one calibration's.

    The coverage of one calibration is Beta(k, n + 1 - k), k = ceil((n + 1) coverage), for scores without ties; ties and
    empty sets raise it. Without an end it is 1.
    """
    check_confidence(coverage)
    check_confidence(confidence)
    place = _place(patients, coverage)
    if place > patients:
        return 1.0, 1.0, 1.0
    tail = (1 - confidence) / 2
    low, high = (float(special.betaincinv(place, patients + 1 - place, share)) for share in (tail, 1 - tail))
    return place / (patients + 1), low, high


def _place(patients: int, coverage: float) -> int:
    return math.ceil((patients + 1) * coverage - 1e-9)
