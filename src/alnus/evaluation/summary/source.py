"""The statistics of one source on one set: discrimination, calls, and beside each number whether it is too wide."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.clustered import clustered_auc
from alnus.evaluation.delong import auc
from alnus.evaluation.fold_areas import auc_within_folds
from alnus.evaluation.likelihood_ratios import negative_likelihood_ratio, positive_likelihood_ratio
from alnus.evaluation.operating_points import roc_band, sensitivity_at, specificity_at
from alnus.evaluation.partial_area import partial_auc
from alnus.evaluation.proportions import MEASURES, Counts, confusion
from alnus.evaluation.resampling import BCA_LIMIT
from alnus.evaluation.roc import roc_curve
from alnus.evaluation.summary.frozen import Frozen
from alnus.evaluation.summary.probabilities import probability_statistics
from alnus.evaluation.summary.values import Found, as_json, flagged, too_many

NO_CALLS = "no calls: no threshold, for there are no validation patients of both classes"
NO_WIDTH = "without an interval: DeLong's variance is zero, so how firm it is cannot be told (underpowered)"
UNDEFINED = {
    "accuracy": "Accuracy not defined: there are no patients",
    "sensitivity": "Sensitivity not defined: no patient has metastasis",
    "specificity": "Specificity not defined: every patient has metastasis",
    "ppv": "PPV not defined: nobody was called positive",
    "npv": "NPV not defined: nobody was called negative",
}
ONE_POINT = "the source makes 0/1 calls: its curve has one point, and no other can be chosen"
GRADES_ONLY = "of 0/1 calls: the mean of sensitivity and specificity, usually below the AUC of a graded reading"
WORSE = "below 0.5: higher scores go with fewer metastases here; is their sign swapped?"
ONE_VIDEO = "one video a patient: the same as auc"
NO_FOLDS = "no folds: one network scored every patient"
BAND_POINTS = 51


def source_statistics(
    rows: pd.DataFrame, videos: pd.DataFrame, frozen: Frozen, config: EvaluationConfig
) -> dict[str, Any]:
    """Return one source's statistics on one set; what cannot be had is None and named in `reasons`.

    rows: the patients, called, of `to_patients`; videos: the same patients' rows of the predictions table.
    `reason` joins the reasons for the AUC and the calls in words.
    """
    found = Found({"patients": len(rows)})
    labels, scores = rows["label"].to_numpy(), rows["score"].to_numpy()
    found.add("auc", lambda: _area(labels, scores, config))
    words = [f"AUC: {found.reasons['auc']}"] if "auc" in found.reasons else []
    found.values["roc"] = None
    if rows["label"].nunique() == 2:
        curve = roc_curve(labels, scores)
        found.values["roc"] = {"fpr": curve.fpr.tolist(), "tpr": curve.tpr.tolist()}
    words += _add_calls(found, rows, config)
    _add_curve(found, labels, scores, config)
    _add_videos(found, rows, videos, config)
    _add_folds(found, rows, config)
    probability_statistics(found, rows, frozen, config)
    reason = {"reason": "; ".join(words)} if words else {}
    return found.values | {"reasons": found.reasons} | reason


def _area(labels: Any, scores: Any, config: EvaluationConfig) -> dict[str, Any]:
    area = auc(labels, scores, confidence=config.confidence)
    notes = [NO_WIDTH] if area.standard_error == 0 else []
    notes += [GRADES_ONLY] if set(scores) <= {0.0, 1.0} else []
    notes += [WORSE] if area.high < 0.5 else []
    note = {"note": "; ".join(notes)} if notes else {}
    return flagged(asdict(area), widest=config.widest_interval) | note


def _add_calls(found: Found, rows: pd.DataFrame, config: EvaluationConfig) -> list[str]:
    """Add counts, shares and likelihood ratios; return the reasons for missing shares in words."""
    names = ("counts", *MEASURES, "lr_positive", "lr_negative")
    if not rows["call"].notna().all():
        for name in names:
            found.leave(name, NO_CALLS)
        return [NO_CALLS]
    counts = confusion(rows["label"].to_numpy(), rows["call"].to_numpy())
    found.values["counts"] = asdict(counts)
    missing = [reason for name in MEASURES if (reason := _add_share(found, name, counts, config))]
    found.add("lr_positive", lambda: positive_likelihood_ratio(counts, confidence=config.confidence))
    found.add("lr_negative", lambda: negative_likelihood_ratio(counts, confidence=config.confidence))
    return missing


def _add_share(found: Found, name: str, counts: Counts, config: EvaluationConfig) -> str:
    try:
        share = asdict(MEASURES[name](counts, confidence=config.confidence))
    except CohortError:
        found.leave(name, UNDEFINED[name])
        return UNDEFINED[name]
    found.values[name] = flagged(share, widest=config.widest_interval)
    return ""


def _add_curve(found: Found, labels: Any, scores: Any, config: EvaluationConfig) -> None:
    """Add what rests on the whole ROC curve: the logit interval, fixed points, the partial AUC, the band."""
    level, widest = config.confidence, config.widest_interval

    def marked(statistic: Any, **more: Any) -> dict[str, Any]:
        return flagged(as_json(statistic), widest=widest) | more

    found.add("auc_logit", lambda: marked(auc(labels, scores, confidence=level, interval="logit")))
    given: dict[str, Any] = {"confidence": level, "replicates": config.replicates}
    high, most = config.fixed_specificity, config.fixed_sensitivity
    shape: Literal["bca", "percentile"] = "bca" if len(labels) <= BCA_LIMIT else "percentile"
    computed = {
        "sensitivity_at_specificity": lambda: marked(sensitivity_at(labels, scores, high, **given)),
        "specificity_at_sensitivity": lambda: marked(specificity_at(labels, scores, most, **given)),
        "partial_auc": lambda: marked(
            partial_auc(labels, scores, low=high, interval=shape, **given), axis="specificity", at=high
        ),
        "roc_band": lambda: as_json(roc_band(labels, scores, points=BAND_POINTS, **given), digits=6),
    }
    calls = ONE_POINT if set(scores) <= {0.0, 1.0} else ""
    for name, compute in computed.items():
        reason = too_many(len(labels), config.replicates) or (calls if name != "roc_band" else "")
        if reason:
            found.leave(name, reason)
        else:
            found.add(name, compute)


def _add_folds(found: Found, rows: pd.DataFrame, config: EvaluationConfig) -> None:
    """Add the AUC within the folds, whose networks need not share a scale."""
    folds = rows["fold"].to_numpy()
    if len(rows) == 0 or (folds < 0).any():
        found.leave("auc_folds", NO_FOLDS)
        return

    def within() -> dict[str, Any]:
        areas = auc_within_folds(rows["label"], rows["score"], folds, confidence=config.confidence)
        parts = [flagged(asdict(area), widest=config.widest_interval) for area in areas.folds]
        return flagged(asdict(areas), widest=config.widest_interval) | {"folds": parts}

    found.add("auc_folds", within)


def _add_videos(found: Found, rows: pd.DataFrame, videos: pd.DataFrame, config: EvaluationConfig) -> None:
    """Add the AUC of single videos, with an interval that knows whose they are."""
    if len(videos) == len(rows):
        found.leave("auc_videos", ONE_VIDEO)
        return
    given = videos["label"].to_numpy(), videos["score"].to_numpy(), videos["patient_id"].to_numpy()

    def clustered() -> dict[str, Any]:
        area = clustered_auc(*given, confidence=config.confidence, interval="logit")
        return flagged(asdict(area), widest=config.widest_interval) | {"videos": len(videos)}

    found.add("auc_videos", clustered)
