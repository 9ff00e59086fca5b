"""What a score is worth in the clinic: net benefit over thresholds, and biopsies spared and metastases missed in 100.

The decision is an axillary node biopsy: done where the prediction reaches the threshold, spared below it.
Source: Vickers and Elkin, Med Decis Making 26:565 (2006); Vickers, van Calster and Steyerberg, Diagn Progn Res 3:18
(2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from alnus.errors import UsageError
from alnus.evaluation.checks import FloatArray, check_confidence, checked_probabilities
from alnus.evaluation.proportions import Counts, Proportion, proportion


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit over threshold probabilities, all (thresholds,): of the score with its interval, of all, of none (0).

    advantage: over the better of biopsy for all and for none, with its own interval: where its low end is above 0 the
    score decides better than either, for those who would biopsy at that risk.
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
    replicates: int = 2000,
    seed: int = 0,
) -> DecisionCurve:
    """Return net benefit = TP/n - FP/n * t/(1 - t) of calling at each threshold probability t.

    labels, probabilities: (patients,), calibrated: a threshold is a risk. thresholds: within (0, 1); None: 0.01 to 0.60
    by 0.01. Intervals are percentiles over patients drawn with replacement, the prevalence varying with them.
    Raises CohortError for scores that are no probabilities and an empty class, UsageError for other thresholds.
    """
    check_confidence(confidence)
    truth, values = checked_probabilities(labels, probabilities)
    at = np.arange(1, 61) / 100 if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    if at.ndim != 1 or not len(at) or not np.all((at > 0) & (at < 1)):
        raise UsageError("thresholds: numbers between 0 and 1, both excluded, are expected")
    if replicates < 100:
        raise UsageError(f"replicates: at least 100 are needed for an interval, received {replicates}")
    worth = np.where(truth[:, None], 1.0, -at / (1 - at))  # (patients, thresholds): what a biopsy of each is worth
    by_score = worth * (values[:, None] >= at)
    benefit, for_all = by_score.mean(axis=0), worth.mean(axis=0)
    drawn = _resampled(by_score, worth, replicates, np.random.default_rng(seed))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(drawn[0], tails, axis=0)
    advantage = drawn[0] - np.maximum(drawn[1], 0)
    advantage_low, advantage_high = np.quantile(advantage, tails, axis=0)
    return DecisionCurve(
        at, benefit, low, high, for_all, benefit - np.maximum(for_all, 0), advantage_low, advantage_high
    )


def _resampled(
    by_score: FloatArray, worth: FloatArray, replicates: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the net benefits of the score and of all, (replicates, thresholds) each."""
    patients = len(worth)
    parts = []
    chunk = max(1, 2_000_000 // patients)
    for start in range(0, replicates, chunk):
        count = min(chunk, replicates - start)
        times = rng.multinomial(patients, np.full(patients, 1 / patients), size=count) / patients
        parts.append((times @ by_score, times @ worth))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
