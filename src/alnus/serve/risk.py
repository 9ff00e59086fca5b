"""What a score means by the run that its network belongs to: calibrated risk with interval, threshold, "not sure".

The interval is that of the calibration: Wald's on the log odds, from the covariance of Platt's fit to the run's
validation patients, made anew from predictions.csv and held against the frozen map. It says how well so few patients
fix the map, not how well the network knows this patient. What a run does not state is not made up: `reasons` says why.

Source: Platt (1999), smoothed targets; the frozen maps are `alnus.evaluation.summary.frozen`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from alnus.errors import AlnusError
from alnus.evaluation import read_predictions
from alnus.evaluation.conformal import Conformal
from alnus.evaluation.logistic import fit_logistic
from alnus.evaluation.recalibration import EDGE, Recalibration

if TYPE_CHECKING:
    from alnus.models import ModelCard

NO_RUN = "the network stands alone: no run with results.json lies above its directory"
OTHER_RUN = "the run above the network's directory has another threshold for it: it is not the run of these weights"
NOT_STATED = "the run states none"
NO_INTERVAL = "the run's calibration is not Platt's, whose fit alone gives an interval here"
NOT_REPRODUCED = "the run's calibration cannot be made again from its predictions.csv"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Assessment:
    """What is said of one patient's score. All in [0, 1]; None where `reasons` says why, under the same name."""

    probability: float
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    threshold: float | None
    threshold_risk: float | None
    answer: str | None
    reasons: dict[str, str]

    @property
    def call(self) -> bool | None:
        """Whether the score reaches the frozen threshold."""
        return None if self.threshold is None else self.probability >= self.threshold


@dataclass(frozen=True)
class Risks:
    """A run's statements about one of its networks. covariance: of (intercept, slope) on the log odds of the score."""

    threshold: float | None = None
    recalibration: Recalibration | None = None
    covariance: NDArray[np.float64] | None = None
    conformal: Conformal | None = None
    calibration_patients: int | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def assess(self, probability: float) -> Assessment:
        """Return what the run lets one say of a patient's score in [0, 1]."""
        risk = None if self.recalibration is None else float(self.recalibration.apply([probability])[0])
        low, high = self._interval(probability)
        answer = None if self.conformal is None else str(self.conformal.apply([probability])[0])
        return Assessment(probability, risk, low, high, self.threshold, self.threshold_risk, answer, dict(self.reasons))

    @property
    def threshold_risk(self) -> float | None:
        """The frozen threshold as a risk; None where either is not stated."""
        if self.recalibration is None or self.threshold is None:
            return None
        return float(self.recalibration.apply([min(max(self.threshold, 0.0), 1.0)])[0])

    def _interval(self, probability: float) -> tuple[float | None, float | None]:
        if self.covariance is None or self.recalibration is None:
            return None, None
        odds = float(special.logit(np.clip(probability, EDGE, 1 - EDGE)))
        middle = self.recalibration.intercept + self.recalibration.slope * odds
        terms = np.array([1.0, odds])
        reach = float(stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(terms @ self.covariance @ terms))
        return float(special.expit(middle - reach)), float(special.expit(middle + reach))


def read_risks(directory: Path, card: ModelCard) -> Risks:
    """Return what the run above a model's directory states of it; empty, with the reason, where there is none."""
    run = next((folder for folder in directory.resolve().parents if (folder / "results.json").is_file()), None)
    if run is None:
        return _unstated(NO_RUN, threshold=card.threshold)
    try:
        results = json.loads((run / "results.json").read_text(encoding="utf-8"))
        stated = results["frozen"][card.source]
        if _threshold(results, card) != card.threshold:
            return _unstated(OTHER_RUN, threshold=card.threshold)
        return _stated(run, stated, card, aggregation=results["aggregation"])
    except (OSError, ValueError, KeyError, TypeError, AlnusError):
        return _unstated(NOT_STATED, threshold=card.threshold)


def _threshold(results: dict[str, Any], card: ModelCard) -> float | None:
    rule = results["thresholds"][card.source]
    found: float | None = rule["value"] if card.fold is None else rule["folds"][str(card.fold)]
    return found


def _unstated(reason: str, *, threshold: float | None) -> Risks:
    names = ["risk", "interval", "answer"] + (["threshold"] if threshold is None else [])
    return Risks(threshold=threshold, reasons=dict.fromkeys(names, reason))


def _stated(run: Path, stated: dict[str, Any], card: ModelCard, *, aggregation: str) -> Risks:
    fold = "-1" if card.fold is None else str(card.fold)
    said = stated.get("reasons", {})
    reasons: dict[str, str] = {} if card.threshold is not None else {"threshold": NOT_STATED}
    recalibration = conformal = None
    if stated.get("recalibration"):
        recalibration = Recalibration.from_json(stated["recalibration"][fold])
    else:
        reasons["risk"] = reasons["interval"] = said.get("recalibration", NOT_STATED)
    if stated.get("not_sure"):
        conformal = Conformal.from_json(stated["not_sure"][fold])
    else:
        reasons["answer"] = said.get("not_sure", NOT_STATED)
    covariance = None
    if recalibration is not None:
        covariance, why = _covariance(run, recalibration, card, aggregation)
        reasons |= {"interval": why} if why else {}
    patients = None if recalibration is None else recalibration.patients
    return Risks(card.threshold, recalibration, covariance, conformal, patients, reasons)


def _covariance(
    run: Path, frozen: Recalibration, card: ModelCard, aggregation: str
) -> tuple[NDArray[np.float64] | None, str]:
    """Return the covariance of (intercept, slope), or None and why there is none."""
    if frozen.method != "platt" or not frozen.on_odds:
        return None, NO_INTERVAL
    table = read_predictions(run / "predictions.csv")
    rows = table[(table["source"] == card.source) & (table["split"] == "val")]
    if card.fold is not None:
        rows = rows[rows["fold"] == card.fold]
    patients = rows.groupby("patient_id").agg({"score": aggregation, "label": "first"})
    truth = patients["label"].to_numpy() == 1
    odds = special.logit(np.clip(patients["score"].to_numpy(np.float64), EDGE, 1 - EDGE))
    positive, negative = int(truth.sum()), int((~truth).sum())
    targets = np.where(truth, (positive + 1) / (positive + 2), 1 / (negative + 2))
    fit = fit_logistic(np.column_stack([np.ones(len(odds)), odds]), targets)
    if not np.allclose(fit.coefficients, (frozen.intercept, frozen.slope), rtol=1e-4, atol=1e-6):
        return None, NOT_REPRODUCED
    return fit.covariance, ""
