"""Whether a source's scores are probabilities, what they are worth in the clinic, and when it answers "not sure"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.calibration_measures import calibration
from alnus.evaluation.calibration_smooth import calibration_curve
from alnus.evaluation.conformal import NEGATIVE, NOT_SURE, POSITIVE, coverage_to_expect
from alnus.evaluation.decision_curves import decision_curve, in_hundred
from alnus.evaluation.proportions import Counts, proportion
from alnus.evaluation.summary.frozen import Frozen
from alnus.evaluation.summary.values import Found, as_json

NO_PROBABILITIES = "the scores are no probabilities: some lie outside 0 to 1"
CALLS = "the source makes 0/1 calls, which are no probabilities"
LEARNT_HERE = "learnt on these patients, so it says nothing of others"
NO_CALLS = "no calls"
CURVE_POINTS = 41


def probability_statistics(found: Found, rows: pd.DataFrame, frozen: Frozen, config: EvaluationConfig) -> None:
    """Add calibration before and after recalibration, the decision curve, the words, and "not sure" answers."""
    labels, scores = rows["label"].to_numpy(), rows["score"].to_numpy()
    fitted_here = bool((rows["split"] == "val").all())
    calls = set(np.unique(scores)) <= {0.0, 1.0}
    probabilities = bool(scores.min() >= 0 and scores.max() <= 1)
    if calls or not probabilities:
        found.leave("calibration", CALLS if calls else NO_PROBABILITIES)
    else:
        found.add("calibration", lambda: _calibration(labels, scores, config))
    missing = LEARNT_HERE if fitted_here else frozen.reasons.get("recalibration", "")
    mapped = None
    if missing:
        found.leave("calibration_recalibrated", missing)
    else:
        try:
            mapped = frozen.probabilities(rows)
            found.add("calibration_recalibrated", lambda: _calibration(labels, mapped, config))
        except CohortError as error:
            found.leave("calibration_recalibrated", str(error))
    _add_decisions(found, labels, mapped, scores if probabilities else None, config, calls=calls)
    _add_words(found, config)
    missing = LEARNT_HERE if fitted_here else frozen.reasons.get("not_sure", "")
    if missing:
        found.leave("not_sure", missing)
    else:
        found.add("not_sure", lambda: _not_sure(rows, frozen, config))


def _calibration(labels: Any, probabilities: Any, config: EvaluationConfig) -> dict[str, Any]:
    """Return all measures with the smooth curve; the parts that cannot be had are None, `reason` says why."""
    measured: dict[str, Any] = as_json(calibration(labels, probabilities, confidence=config.confidence))
    reasons = [measured.pop("reason")]
    try:
        curve = calibration_curve(labels, probabilities, confidence=config.confidence, points=CURVE_POINTS)
        measured["curve"] = as_json(curve, digits=6)
    except CohortError as error:
        measured["curve"] = None
        reasons.append(f"curve: {error}")
    reason = "; ".join(filter(None, reasons))
    return measured | ({"reason": reason} if reason else {})


def _add_decisions(
    found: Found, labels: Any, mapped: Any, scores: Any, config: EvaluationConfig, *, calls: bool
) -> None:
    """Add the decision curve: of recalibrated scores where there are any, else of scores that may be risks."""
    basis = "recalibrated" if mapped is not None else "calls" if calls else "scores"
    used = scores if mapped is None else mapped
    if used is None:
        found.leave("decision_curve", NO_PROBABILITIES)
        return

    def curve() -> dict[str, Any]:
        drawn = decision_curve(labels, used, confidence=config.confidence)
        made: dict[str, Any] = as_json(drawn, digits=6)
        return {"basis": basis} | made

    found.add("decision_curve", curve)


def _add_words(found: Found, config: EvaluationConfig) -> None:
    """Add of 100 patients, how many biopsies are spared and metastases missed at the frozen threshold."""
    counts = found.values["counts"]
    if counts is None:
        found.leave("in_hundred", NO_CALLS)
        return
    answer = in_hundred(Counts(**counts), confidence=config.confidence)
    found.values["in_hundred"] = as_json(answer) | {"lines": answer.lines()}


def _not_sure(rows: pd.DataFrame, frozen: Frozen, config: EvaluationConfig) -> dict[str, Any]:
    """Return how many are answered and how often the truth is among the answers, by class, with what to expect."""
    answers, truth = frozen.answers(rows), rows["label"].to_numpy() == 1
    kept = {"positive": truth & (answers != NEGATIVE), "negative": ~truth & (answers != POSITIVE)}
    sizes = {"positive": int(truth.sum()), "negative": int((~truth).sum())}
    sure = answers != NOT_SURE
    right = np.where(truth, answers == POSITIVE, answers == NEGATIVE)
    learnt = list(frozen.conformal.values())
    expected = {"positive": min(ends.metastases for ends in learnt), "negative": min(ends.others for ends in learnt)}

    def share(marked: Any, of: int) -> dict[str, Any] | None:
        made: dict[str, Any] | None = (
            as_json(proportion(int(marked.sum()), of, confidence=config.confidence)) if of else None
        )
        return made

    return {
        "asked": config.coverage,
        "metastasis": int((answers == POSITIVE).sum()),
        "no_metastasis": int((answers == NEGATIVE).sum()),
        "not_sure": share(~sure, len(rows)),
        "right_where_sure": share(right & sure, int(sure.sum())),
        "coverage": {name: share(kept[name], sizes[name]) for name in kept},
        "expected": {
            name: dict(zip(("mean", "low", "high"), coverage_to_expect(of, config.coverage), strict=True))
            for name, of in expected.items()
        },
    }
