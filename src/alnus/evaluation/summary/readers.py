"""Readers of one set: how far they agree, alone against with the model (MRMC), and each model against their average.

Readers `x` and `x_ai` (or `x_with_model`) are one reader, alone and with the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError, UsageError
from alnus.evaluation.agreement import cohen_kappa, fleiss_kappa
from alnus.evaluation.readers.analysis import plain
from alnus.evaluation.readers.covariance import Method
from alnus.evaluation.readers.mrmc import Metric, Mrmc, mrmc
from alnus.evaluation.readers.obuchowski_rockette import Factor
from alnus.evaluation.readers.ratings import ratings_of
from alnus.evaluation.readers.standalone import model_against_readers
from alnus.evaluation.summary.values import Found

AIDED = ("_ai", "_with_model")
ALONE, WITH = "alone", "with the model"
METRICS: tuple[Metric, ...] = ("auc", "sensitivity", "specificity")
CALLS_AUC = "a reader makes 0/1 calls, whose AUC says no more than sensitivity and specificity"
MOST_READERS = 20


def reader_treatments(readers: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return for each treatment the source of each reader: everybody alone, and "with the model" those who have both.

    An aided source without its reader alone is a reader of its own.
    """
    aided: dict[str, str] = {}
    for source in readers:
        for end in AIDED:
            base = source.removesuffix(end)
            if base != source and base in readers:
                aided[base] = source
    alone = {source: source for source in readers if source not in aided.values()}
    return {ALONE: alone} | ({WITH: aided} if aided else {})


def readers_of(rows: pd.DataFrame, kinds: Mapping[str, str], config: EvaluationConfig) -> dict[str, Any] | None:
    """Return agreement, MRMC and the models against the readers' average on one set; None without readers.

    rows: the set's patients, called.
    """
    readers = sorted(name for name in rows["source"].unique() if kinds[name] == "reader")
    models = sorted(name for name in rows["source"].unique() if kinds[name] == "model")
    if not readers:
        return None
    treatments = reader_treatments(readers)
    paired = {ALONE: {name: name for name in treatments[WITH]}, WITH: treatments[WITH]} if WITH in treatments else {}
    agreement = agreement_of(rows, readers, config, alone=list(treatments[ALONE]))
    found: dict[str, Any] = {"treatments": treatments, "agreement": agreement}
    found["with_model"] = {metric: _aided(rows, paired, metric, config) for metric in METRICS} if paired else None
    alone = list(treatments[ALONE])
    found["against_models"] = {
        model: {metric: _standalone(rows, model, alone, metric, config) for metric in METRICS} for model in models
    }
    return found


def agreement_of(
    rows: pd.DataFrame, readers: Sequence[str], config: EvaluationConfig, *, alone: Sequence[str]
) -> dict[str, Any]:
    """Return kappas of the calls for each pair and of all who read alone, and weighted ones of graded readings.

    alone: the readers without the model; one reader's two ways of reading are no two readers.
    """
    calls, scores = (
        rows[rows["source"].isin(readers)].pivot(index="patient_id", columns="source", values=value)
        for value in ("call", "score")
    )
    if len(readers) < 2 or len(readers) > MOST_READERS:
        reason = f"{len(readers)} readers: agreement is of 2 to {MOST_READERS}"
        return {"pairs": [], "all": None, "reason": reason}
    pairs = []
    for a, b in combinations(readers, 2):
        found = Found({"a": a, "b": b})
        found.add("calls", lambda a=a, b=b: cohen_kappa(*_both(calls, a, b), confidence=config.confidence))  # type: ignore[misc]  # bound now
        graded = [scores[name].nunique() > 2 for name in (a, b)]
        if all(graded) and scores[[a, b]].stack().nunique() <= 10:
            found.add(
                "grades",
                lambda a=a, b=b: cohen_kappa(*_both(scores, a, b), weights="quadratic", confidence=config.confidence),  # type: ignore[misc]  # bound now
            )
        else:
            found.leave("grades", "no graded readings of both on one scale of up to 10 grades")
        pairs.append(found.values | {"reasons": found.reasons})
    whole = Found()
    whole.add("all", lambda: fleiss_kappa(_complete(calls[list(alone)]).to_numpy(), confidence=config.confidence))
    missing = {"reason": whole.reasons["all"]} if whole.reasons else {}
    return {"pairs": pairs, "all": whole.values["all"]} | missing


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    kept = table.dropna()
    if kept.empty:
        raise CohortError("ratings: no patient has a call of all of them")
    return kept


def _both(table: pd.DataFrame, a: str, b: str) -> tuple[Any, Any]:
    kept = _complete(table[[a, b]])
    return kept[a].to_numpy(), kept[b].to_numpy()


def _value(rows: pd.DataFrame, sources: Sequence[str], metric: Metric) -> str:
    """Return the column to analyse. Raises CohortError where the readings do not bear the metric."""
    part = rows[rows["source"].isin(sources)]
    if metric != "auc":
        if part["call"].isna().any():
            raise CohortError("no calls of all readers: readings without a threshold have no sensitivity")
        return "call"
    if (part.groupby("source")["score"].nunique() <= 2).any():
        raise CohortError(CALLS_AUC)
    return "score"


def _aided(
    rows: pd.DataFrame, treatments: Mapping[str, Mapping[str, str]], metric: Metric, config: EvaluationConfig
) -> dict[str, Any]:
    """Return the MRMC analysis of readers with the model less alone, or {"reason"}."""
    sources = [source for own in treatments.values() for source in own.values()]
    one = len(treatments[WITH]) == 1
    try:
        ratings = ratings_of(rows, treatments, value=_value(rows, sources, metric))
        return plain(
            mrmc(
                ratings,
                metric=metric,
                readers="fixed" if one else "random",
                covariance=_covariance(ratings),
                confidence=config.confidence,
                treatments=[WITH, ALONE],
            )
        )
    except (CohortError, UsageError) as error:
        return {"reason": str(error)}


def _covariance(ratings: pd.DataFrame) -> Method:
    """Return DeLong's where all have read all cases, else the jackknife."""
    readings = ratings.groupby(["treatment", "reader"])["case"].nunique()
    return "delong" if (readings == ratings["case"].nunique()).all() else "jackknife"


def _standalone(
    rows: pd.DataFrame, model: str, readers: Sequence[str], metric: Metric, config: EvaluationConfig
) -> dict[str, Any]:
    """Return a model against the readers' average, on the cases that the model and every reader have, or {"reason"}."""
    try:
        value = _value(rows, readers, metric)
        own = rows[rows["source"] == model].dropna(subset=[value])
        ratings = ratings_of(rows, {ALONE: {reader: reader for reader in readers}}, value=value)
        read_by = ratings.groupby("case")["reader"].nunique()
        cases = set(read_by[read_by == len(readers)].index) & set(own["patient_id"])
        if not cases:
            raise CohortError("no patient has an answer of the model and of every reader")
        scores = own[own["patient_id"].isin(cases)][["patient_id", value]].set_axis(["case", "score"], axis=1)
        return plain(
            model_against_readers(
                ratings[ratings["case"].isin(cases)],
                scores,
                metric=metric,
                readers="fixed" if len(readers) == 1 else "random",
                confidence=config.confidence,
            )
        )
    except (CohortError, UsageError) as error:
        return {"reason": str(error)}


def reader_study(
    ratings: pd.DataFrame,
    *,
    metrics: Sequence[Metric] | None = None,
    readers: Factor = "random",
    cases: Factor = "random",
    covariance: Method | None = None,
    confidence: float = 0.95,
    threshold: float | None = None,
) -> dict[Metric, Mrmc]:
    """Return the MRMC analyses of a table of ratings, by metric.

    metrics: None: the AUC of graded readings, sensitivity and specificity of calls or with a threshold.
    covariance: None: DeLong's where all have read all cases, else the jackknife.
    Raises CohortError and UsageError as `mrmc`.
    """
    calls = bool(ratings["rating"].isin([0, 1]).all())
    default: tuple[Metric, ...] = ("auc",)
    if calls or threshold is not None:
        default = ("sensitivity", "specificity") if calls else METRICS
    found: dict[Metric, Mrmc] = {}
    for metric in metrics or default:
        found[metric] = mrmc(
            ratings,
            metric=metric,
            readers=readers,
            cases=cases,
            covariance=covariance or _covariance(ratings),
            confidence=confidence,
            threshold=None if metric == "auc" else threshold,
        )
    return found
