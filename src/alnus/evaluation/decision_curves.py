"""What a score is worth in the clinic: net benefit over thresholds, and biopsies spared and metastases missed in 100.

The decision is an axillary node biopsy: done where the prediction reaches the threshold, spared below it.
Source: Vickers and Elkin, Med Decis Making 26:565 (2006); Vickers, van Calster and Steyerberg, Diagn Progn Res 3:18
(2019). Intervals: a difference of two weighted shares from their single intervals (MOVER): Zou and Donner, Stat Med
27:1693 (2008); Newcombe, Stat Med 17:2635 (1998).
Departures: no bootstrap. Below a low threshold a small study misses nobody, hence no replicate does: the bootstrap's
interval of the gain over biopsy for all then covered in 65%, where it states 95%.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import UsageError
from alnus.evaluation.checks import FloatArray, check_confidence, checked_probabilities
from alnus.evaluation.proportions import Counts, Proportion, proportion


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit over threshold probabilities, all (thresholds,): of the score with its interval, of all, of none (0).

    advantage: over the better of biopsy for all and for none, the smaller of the two gains, and so are its ends: where
    its low end is above 0 the score decides better than either, for those who would biopsy at that risk.
    """

    thresholds: FloatArray
    net_benefit: FloatArray
    low: FloatArray
    high: FloatArray
    treat_all: FloatArray
    advantage: FloatArray
    advantage_low: FloatArray
    advantage_high: FloatArray


@dataclass(frozen=True)
class InHundred:
    """At one threshold, as shares of all patients: biopsies spared, metastases missed among them, biopsies in vain."""

    spared: Proportion
    missed: Proportion
    in_vain: Proportion

    def lines(self) -> list[str]:
        """Return the answer in words, one sentence a line, with its intervals."""

        def said(share: Proportion) -> str:
            return f"{100 * share.estimate:.0f} ({100 * share.low:.0f}\u2013{100 * share.high:.0f})"

        return [
            f"Of 100 patients like these, {said(self.spared)} would be spared the node biopsy.",
            f"In {said(self.missed)} of the 100 a metastasis would be missed.",
            f"In {said(self.in_vain)} of the 100 a biopsy would be done and find none.",
        ]


def in_hundred(counts: Counts, *, confidence: float = 0.95) -> InHundred:
    """Return spared biopsies, missed metastases and biopsies in vain, of all patients, with exact intervals.

    The shares hold for patients of whom as many have metastasis as here. Raises CohortError without patients.
    """
    patients = counts.tp + counts.fp + counts.fn + counts.tn
    spared, missed, in_vain = (
        proportion(number, patients, confidence=confidence) for number in (counts.fn + counts.tn, counts.fn, counts.fp)
    )
    return InHundred(spared, missed, in_vain)


def decision_curve(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    confidence: float = 0.95,
) -> DecisionCurve:
    """Return net benefit = TP/n - FP/n * t/(1 - t) of calling at each threshold probability t.

    labels, probabilities: (patients,), calibrated: a threshold is a risk. thresholds: within (0, 1); None: 0.01 to 0.60
    by 0.01. Intervals are of patients drawn at random, the prevalence varying with them; pointwise, not of the curve.
    Raises CohortError for scores that are no probabilities and an empty class, UsageError for other thresholds.
    """
    check_confidence(confidence)
    truth, values = checked_probabilities(labels, probabilities)
    at = np.arange(1, 61) / 100 if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    if at.ndim != 1 or not len(at) or not np.all((at > 0) & (at < 1)):
        raise UsageError("thresholds: numbers between 0 and 1, both excluded, are expected")
    odds, patients = at / (1 - at), len(truth)
    tp, fp = _at_least(values[truth], at), _at_least(values[~truth], at)
    fn, tn = int(truth.sum()) - tp, int((~truth).sum()) - fp
    z = float(special.ndtri(0.5 + confidence / 2))
    benefit, low, high = _balance(tp, fp, np.ones_like(odds), odds, patients, z)  # which is the gain over none
    over_all, over_all_low, over_all_high = _balance(tn, fn, odds, np.ones_like(odds), patients, z)
    return DecisionCurve(
        at,
        benefit,
        low,
        high,
        treat_all=(tp + fn - odds * (fp + tn)) / patients,
        advantage=np.minimum(benefit, over_all),
        advantage_low=np.minimum(low, over_all_low),
        advantage_high=np.minimum(high, over_all_high),
    )


def _at_least(values: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return how many values reach each threshold."""
    return (len(values) - np.searchsorted(np.sort(values), thresholds, "left")).astype(np.float64)


def _balance(
    gains: FloatArray, losses: FloatArray, gain: FloatArray, loss: FloatArray, patients: int, z: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return gain * share of gains - loss * share of losses with its interval; the shares are of the same patients.

    Wilson's ends of either share, joined by the shares' multinomial correlation -√(p q / (1 - p)(1 - q)).
    """
    p, p_low, p_high = _wilson(gains, patients, z)
    q, q_low, q_high = _wilson(losses, patients, z)
    with np.errstate(divide="ignore", invalid="ignore"):  # all of one kind: none of the other, so nothing to correlate
        apart = np.where((p < 1) & (q < 1), np.sqrt(p * q / ((1 - p) * (1 - q))), 0.0)

    def reach(one: FloatArray, other: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt((gain * one) ** 2 + 2 * apart * gain * one * loss * other + (loss * other) ** 2))

    estimate = gain * p - loss * q
    return estimate, estimate - reach(p - p_low, q_high - q), estimate + reach(p_high - p, q - q_low)


def _wilson(numbers: FloatArray, patients: int, z: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    share = numbers / patients
    middle = (numbers + z**2 / 2) / (patients + z**2)
    half = z / (patients + z**2) * np.sqrt(numbers * (1 - share) + z**2 / 4)
    return share, np.minimum(np.maximum(middle - half, 0), share), np.maximum(np.minimum(middle + half, 1), share)
