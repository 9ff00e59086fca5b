"""From a predictions table to results.json: every statistic of every source on every set, and their comparisons.

A statistic lies at `sets.<set>.sources.<source>.<statistic>`; `results.schema.json` is its JSON Schema,
docs/reference/results.md explains it.
The set "folds" pools the held-out patients of all folds: each patient is scored once, by a network that did not see
him, and one ROC curve is drawn through the scores of all folds' networks. Networks whose scores differ in scale make
the pooled AUC lower than theirs, never the calls, which each fold makes with its own threshold; `auc_folds` is the
mean of theirs.
Patients of the training set, and validation patients of folds, are counted nowhere: their networks know them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd

from alnus.config import EvaluationConfig
from alnus.errors import CohortError
from alnus.evaluation.comparisons import compare_all, compare_pair, correct, declared_pairs
from alnus.evaluation.sources import called_patients, source_kinds
from alnus.evaluation.summary import fused
from alnus.evaluation.summary.clinical import chosen_columns, clinical_of, grouped
from alnus.evaluation.summary.frozen import Frozen, fit_frozen, sha256_of, with_hashes
from alnus.evaluation.summary.primary import primary_of, validation_auc
from alnus.evaluation.summary.readers import readers_of
from alnus.evaluation.summary.source import source_statistics
from alnus.evaluation.summary.subgroups import subgroups_of
from alnus.evaluation.table import check_predictions, is_simulated
from alnus.evaluation.thresholds import Threshold, call_sources

SCHEMA_VERSION = 2
SET_ORDER = ("train", "val", "test_a", "test_b", "folds", "all")
LEARNT = ("val", "train")
"""Sets on whose patients something was learnt: they enter no test."""


@dataclass(frozen=True)
class Study:
    """What every part of the results is computed from; patients: of `to_patients`, called; videos: the table's rows."""

    config: EvaluationConfig
    kinds: Mapping[str, str]
    patients: pd.DataFrame
    videos: pd.DataFrame
    rules: Mapping[str, dict[str, Any]]
    frozen: Mapping[str, Frozen]


def evaluate(
    predictions: pd.DataFrame,
    config: EvaluationConfig | None = None,
    *,
    thresholds: Mapping[str, Threshold] | None = None,
    kinds: Mapping[str, str] | None = None,
    phantom: bool = False,
    clinical: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the body of results.json: plain numbers, text, lists and dictionaries, no NaN.

    predictions: a predictions table (`alnus.evaluation.table` describes it). thresholds: as `freeze_thresholds`
    gave them; None: the table's calls, else frozen here on "val". kinds: source -> model, reader or ceiling.
    phantom: the patients are simulated; so it is too where a row's `origin` says "phantom".
    clinical: patient_id, the columns for subgroups and fusion, and `split` of those who trained or validated, for the
    medians; None: the table's further columns.
    A statistic that the patients of a set do not allow is None, and `reasons` beside it says why.
    Raises CohortError for a table that cannot be used, ConfigError for a declared comparison or a column that does
    not exist.
    """
    return _evaluate(predictions, config or EvaluationConfig(), thresholds, kinds, phantom, clinical, unseen=("train",))


def evaluate_readers(
    reader_rows: pd.DataFrame,
    config: EvaluationConfig | None = None,
    *,
    phantom: bool = False,
    clinical: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return what `evaluate` does, for sonographers alone: every source is a reader, and "train" is a set like others.

    reader_rows: a predictions table with one row a reader and patient; an empty split makes the set "all".
    """
    table = check_predictions(reader_rows, origin="readers")
    kinds = {str(source): "reader" for source in table["source"].unique()}
    return _evaluate(table, config or EvaluationConfig(), None, kinds, phantom, clinical, unseen=())


def compare_sources(
    predictions: pd.DataFrame,
    a: str,
    b: str,
    config: EvaluationConfig | None = None,
    *,
    thresholds: Mapping[str, Threshold] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the paired comparison of two sources on every set but training and validation.

    The dictionary has a, b, phantom (whether a row's `origin` says so), confidence, aggregation and sets: name -> the
    comparison as in results.json, without Holm's correction, with each source's own statistics, on the patients that
    both have, under `sources`.
    Raises CohortError where a or b is no source, they are the same, or no test set holds both.
    """
    config = config or EvaluationConfig()
    table = check_predictions(predictions)
    for source in (a, b):
        if source not in set(table["source"]):
            known = ", ".join(sorted(table["source"].unique()))
            raise CohortError(f"'{source}' is no source of the table; its sources are {known}")
    if a == b:
        raise CohortError(f"'{a}' cannot be compared with itself; name two sources")
    study = _study(table[table["source"].isin([a, b])], config, thresholds, source_kinds(table, kinds))
    sets = {}
    for name, rows in _by_set(study.patients, unseen=("train", "val")):
        both = rows[rows.duplicated("patient_id", keep=False)]  # in one set a source has a patient once
        if not both.empty:
            sets[name] = compare_pair(both, a, b, config)
            sets[name]["sources"] = _sources(study, both)
    if not sets:
        raise CohortError(f"no set but training and validation holds both '{a}' and '{b}'; compare on test patients")
    return {
        "a": a,
        "b": b,
        "phantom": is_simulated(table),
        "confidence": config.confidence,
        "aggregation": config.aggregation,
        "settings": _settings(config),
        "sets": sets,
    }


def results_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of results.json."""
    text = (resources.files("alnus.evaluation") / "results.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def thresholds_sha256(results: Mapping[str, Any]) -> str:
    """Return the hash of all that was frozen before the test sets: thresholds, recalibrations, "not sure" ends."""
    return sha256_of([results["thresholds"], {name: part["sha256"] for name, part in results["frozen"].items()}])


def _study(
    table: pd.DataFrame,
    config: EvaluationConfig,
    thresholds: Mapping[str, Threshold] | None,
    kinds: Mapping[str, str],
) -> Study:
    patients, rules = called_patients(table, config, thresholds)
    frozen = fit_frozen(patients, call_sources(table), config)
    videos = table.sort_values(["source", "split", "fold", "patient_id", "video"], ignore_index=True)
    return Study(config, kinds, patients, videos, with_hashes(rules, patients, config), frozen)


def _evaluate(
    predictions: pd.DataFrame,
    config: EvaluationConfig,
    thresholds: Mapping[str, Threshold] | None,
    kinds: Mapping[str, str] | None,
    phantom: bool,
    clinical: pd.DataFrame | None,
    *,
    unseen: tuple[str, ...],
) -> dict[str, Any]:
    table = check_predictions(predictions)
    kind_of = source_kinds(table, kinds)
    declared = declared_pairs(config, kind_of)  # refuses a wrong declaration before anything is computed
    people = clinical_of(table, clinical)
    chosen_columns(people, config.subgroups, "subgroups")
    chosen_columns(people, config.fusion, "fusion")
    study = _study(table, config, thresholds, kind_of)
    parts = dict(_by_set(study.patients, unseen=unseen))
    if not parts:
        raise CohortError("predictions: every row is of the training set; predict on patients the networks never saw")
    primary, missing = primary_of(study.patients, declared, config, kind_of, list(parts))
    sets = {name: _set(study, rows, [] if name == "val" else declared, name != "val") for name, rows in parts.items()}
    correct({name: part["comparisons"] for name, part in sets.items() if name != "val"}, declared, primary)
    joined = _add_clinical(study, parts, sets, people, clinical, primary)
    results: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "phantom": phantom or is_simulated(table),
        "confidence": config.confidence,
        "aggregation": config.aggregation,
        "settings": _settings(config),
        "primary": primary,
        "thresholds": study.rules,
        "frozen": {source: frozen.stated() for source, frozen in study.frozen.items()},
        "fusion": joined,
        "openings": [],
        "sets": sets,
        "reasons": {"primary": missing} if missing else {},
    }
    return results | {"thresholds_sha256": thresholds_sha256(results)}


def _settings(config: EvaluationConfig) -> dict[str, Any]:
    names = ("widest_interval", "fixed_specificity", "fixed_sensitivity", "replicates", "recalibration", "coverage")
    return {name: getattr(config, name) for name in names}


def _set(study: Study, rows: pd.DataFrame, declared: list[tuple[str, str]], tested: bool) -> dict[str, Any]:
    """Return the patients, sources, comparisons and readers of one set."""
    counted = rows.drop_duplicates("patient_id")["label"]
    return {
        "patients": len(counted),
        "positive": int(counted.sum()),
        "negative": int((1 - counted).sum()),
        "sources": _sources(study, rows),
        "comparisons": compare_all(rows, study.config, study.kinds, declared) if tested else [],
        "readers": readers_of(rows, study.kinds, study.config) if tested else None,
    }


def _by_set(patients: pd.DataFrame, *, unseen: tuple[str, ...]) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield each set's name and rows in the order of `SET_ORDER`, others after it; folds' validation is no set."""
    inner = (patients["split"] == "val") & (patients["fold"] >= 0)
    kept = patients[~inner & ~patients["split"].isin(unseen)]
    names = sorted(kept["split"].unique())
    for name in sorted(names, key=lambda name: SET_ORDER.index(name) if name in SET_ORDER else len(SET_ORDER)):
        yield str(name), kept[kept["split"] == name]


def _sources(study: Study, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the statistics of each source of one set, models first, then readers, then ceilings."""
    order = ("model", "reader", "ceiling")
    names = sorted(rows["source"].unique(), key=lambda name: (order.index(study.kinds[name]), name))
    found = {}
    for name in names:
        own = rows[rows["source"] == name]
        videos = study.videos[(study.videos["source"] == name) & (study.videos["split"] == own["split"].iloc[0])]
        videos = videos[videos["patient_id"].isin(own["patient_id"])]
        stated = {"kind": study.kinds[name], "threshold": study.rules.get(name, {}).get("value")}
        found[name] = stated | source_statistics(own, videos, study.frozen[name], study.config)
    return found


def _add_clinical(
    study: Study,
    parts: Mapping[str, pd.DataFrame],
    sets: dict[str, Any],
    people: pd.DataFrame,
    given: pd.DataFrame | None,
    primary: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Add subgroups and the fusion with clinical variables to every set; return the frozen fusion."""
    config = study.config
    names = fused.usable_columns(people, chosen_columns(people, config.fusion, "fusion"))
    source, reason = fused_source(study, primary)
    if not names:
        reason = fused.NO_COLUMNS if config.fusion is None else "no clinical columns are asked for"
    scores = study.patients[study.patients["source"] == source]
    learnt, problem = ({}, reason) if reason else fused.learnt_on_validation(scores, people, names)
    known = study.patients if given is None or "split" not in given else given
    development = pd.Index(known.loc[known["split"].isin(LEARNT), "patient_id"].astype(str).unique())
    variables = [grouped(people[name], development) for name in chosen_columns(people, config.subgroups, "subgroups")]
    for name, rows in parts.items():
        own = rows[rows["source"] == source]
        ready = not reason and not own.empty
        sets[name]["fusion"] = fused.fusion_of(own, people, names, learnt, config) if ready else None
        sets[name]["subgroups"] = subgroups_of(rows, variables, study.kinds, config)
    return fused.stated(learnt, source, problem)


def fused_source(study: Study, primary: Mapping[str, Any] | None) -> tuple[str | None, str]:
    """Return the model whose score is joined with clinical variables: the primary one, else the best on validation."""
    models = [name for name, kind in study.kinds.items() if kind == "model"]
    if primary is not None and primary["a"] in models:
        return str(primary["a"]), ""
    areas = {name: area for name in models if (area := validation_auc(study.patients, name)) is not None}
    if areas:
        return max(areas, key=lambda name: areas[name]), ""
    return (models[0], "") if len(models) == 1 else (None, "no model is the primary one or the best on validation")
