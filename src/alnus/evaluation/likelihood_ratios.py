"""How much a call changes the odds of metastasis: the positive and the negative likelihood ratio.

Source: Simel, Samsa and Matchar, J Clin Epidemiol 44:763 (1991), the interval on the logarithm's scale; adding one half
to every cell where one is empty: Haldane, Ann Hum Genet 20:309 (1956).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from alnus.errors import CohortError
from alnus.evaluation.checks import check_confidence
from alnus.evaluation.proportions import Counts


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood ratio above 0 with its interval; `adjusted`: one half was added to every cell."""

    estimate: float
    low: float
    high: float
    adjusted: bool


def positive_likelihood_ratio(counts: Counts, *, confidence: float = 0.95) -> LikelihoodRatio:
    """Return sensitivity / (1 - specificity): how much a positive call multiplies the odds of metastasis.

    Without a true or without a false positive the ratio is 0 or infinite: one half is added to each of the four cells,
    and `adjusted` says so. Raises CohortError where a class has no patients.
    """
    return _ratio(counts.tp, counts.fn, counts.fp, counts.tn, confidence)


def negative_likelihood_ratio(counts: Counts, *, confidence: float = 0.95) -> LikelihoodRatio:
    """Return (1 - sensitivity) / specificity: how much a negative call multiplies the odds; empty cells as above."""
    return _ratio(counts.fn, counts.tp, counts.tn, counts.fp, confidence)


def _ratio(
    called: float, not_called: float, called_free: float, not_called_free: float, confidence: float
) -> LikelihoodRatio:
    """Return the share called among those with metastasis over that among those without."""
    check_confidence(confidence)
    if min(called + not_called, called_free + not_called_free) == 0:
        raise CohortError(
            f"counts: {called + not_called} patients with and {called_free + not_called_free} without metastasis; a "
            "likelihood ratio needs both"
        )
    adjusted = min(called, called_free) == 0
    if adjusted:
        called, not_called, called_free, not_called_free = (
            cell + 0.5 for cell in (called, not_called, called_free, not_called_free)
        )
    diseased, free = called + not_called, called_free + not_called_free
    ratio = (called / diseased) / (called_free / free)
    error = (1 / called - 1 / diseased + 1 / called_free - 1 / free) ** 0.5
    factor = float(np.exp(special.ndtri(0.5 + confidence / 2) * error))
    return LikelihoodRatio(ratio, ratio / factor, ratio * factor, adjusted)
