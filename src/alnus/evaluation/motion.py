"""Does motion help? A network's scores of altered cines against those of the intact ones and of the image network.

On the same patients: DeLong's paired test of the AUCs, and the mean change of the score with a bootstrap interval.
These tests are a family of their own: all networks, all test sets and all pairs below together, by Holm. They neither
enter the correction of the declared comparisons nor are eased by it.
Source: DeLong et al., Biometrics 44:837 (1988); Holm, Scand J Stat 6:65 (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from alnus.config import EvaluationConfig
from alnus.evaluation.checks import BoolArray, FloatArray
from alnus.evaluation.delong import auc, compare_aucs
from alnus.evaluation.multiplicity import DeclaredTest, adjust
from alnus.evaluation.resampling import bootstrap
from alnus.evaluation.summary.values import Found, as_json, flagged, too_many
from alnus.evaluation.table import check_predictions, patients_of

INTACT, IMAGE = "intact", "image"
ALTERATIONS = ("shuffled", "reversed", "frozen", "single")
PAIRS = (
    *((how, INTACT) for how in ALTERATIONS),
    ("shuffled", "frozen"),
    ("frozen", "single"),
    *((how, IMAGE) for how in ALTERATIONS),
)
"""What is tested, a less b."""
LEVEL = 0.05
"""A corrected P value below is called shown."""


def motion_results(
    predictions: pd.DataFrame, altered: pd.DataFrame, config: EvaluationConfig
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by test set and network, the AUC of every alteration, the tests, and the answer in words.

    predictions: the predictions table, of which the networks' own rows are the intact cines and "image" the image
    network. altered: `motion.csv`, whose column `altered` says how. Patients' scores are aggregated as in `config`.
    """
    rows = _as_sources(predictions, altered)
    patients = patients_of(check_predictions(rows, origin="motion"), config.aggregation)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for split in [name for name in patients["split"].unique() if name not in ("train", "val")]:
        of_set = patients[patients["split"] == split]
        for source in sorted(set(altered["source"])):
            wide = _wide(of_set, source)
            if not wide.empty:
                found.setdefault(str(split), {})[source] = _source(wide, config)
    _correct(found)
    for sources in found.values():
        for part in sources.values():
            part["answer"] = answer(part)
    return found


def _as_sources(predictions: pd.DataFrame, altered: pd.DataFrame) -> pd.DataFrame:
    """Return one predictions table: "tin" is the intact network; "tin", a tab and "shuffled" the altered one."""
    names = [*sorted(set(altered["source"])), IMAGE]
    intact = predictions[predictions["source"].isin(names)]
    columns = [name for name in ("patient_id", "video", "split", "label", "source", "score", "fold") if name in intact]
    changed = altered.assign(source=altered["source"] + "\t" + altered["altered"])
    return pd.concat([intact[columns], changed[[name for name in columns if name in changed]]], ignore_index=True)


def _wide(patients: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return one row a patient whom all alterations and the intact network have: label and a column of scores each."""
    names = {source: INTACT} | {f"{source}\t{how}": how for how in ALTERATIONS} | {IMAGE: IMAGE}
    own = patients[patients["source"].isin(names)]
    wide = own.pivot_table(index=["patient_id", "label"], columns="source", values="score").rename(columns=names)
    needed = [name for name in (INTACT, *ALTERATIONS) if name in wide]
    return wide.dropna(subset=needed).reset_index() if len(needed) == 1 + len(ALTERATIONS) else pd.DataFrame()


def _source(wide: pd.DataFrame, config: EvaluationConfig) -> dict[str, Any]:
    """Return the statistics of one network on one set. wide: of `_wide`."""
    labels = wide["label"].to_numpy() == 1
    areas = Found()
    for how in (INTACT, *ALTERATIONS):
        areas.add(how, lambda how=how: _auc(labels, wide[how].to_numpy(), config))  # type: ignore[misc]  # bound now
    compared = [_pair(wide, labels, a, b, config) for a, b in PAIRS if b in wide]
    return {"patients": len(wide), "auc": areas.values, "comparisons": compared, "reasons": areas.reasons}


def _auc(labels: BoolArray, scores: FloatArray, config: EvaluationConfig) -> dict[str, Any]:
    return flagged(asdict(auc(labels, scores, confidence=config.confidence)), widest=config.widest_interval)


def _pair(wide: pd.DataFrame, labels: BoolArray, a: str, b: str, config: EvaluationConfig) -> dict[str, Any]:
    """Return the tests of one pair on the patients that both have."""
    both = wide[[a, b]].notna().all(axis=1).to_numpy()
    labels, first, second = labels[both], wide.loc[both, a].to_numpy(), wide.loc[both, b].to_numpy()
    found = Found({"a": a, "b": b, "patients": int(both.sum())})

    def difference() -> dict[str, Any]:
        tested = asdict(compare_aucs(labels, first, second, confidence=config.confidence))
        return flagged(tested, widest=config.widest_interval) | {"p_holm": None}

    found.add("auc", difference)
    for name, among in (("score", np.ones(len(labels), bool)), ("score_positive", labels), ("score_negative", ~labels)):
        reason = too_many(len(labels), config.replicates)
        if reason:
            found.leave(name, reason)
        else:
            found.add(name, lambda among=among: _change(labels, first - second, among, config))  # type: ignore[misc]
    return found.values | {"reasons": found.reasons}


def _change(labels: BoolArray, change: FloatArray, among: BoolArray, config: EvaluationConfig) -> dict[str, Any]:
    """Return the mean change of the score among some patients, with its interval by a bootstrap of all."""

    def mean(weights: FloatArray) -> FloatArray:
        return np.asarray(weights[:, among] @ change[among] / weights[:, among].sum(1))

    made = bootstrap(labels, mean, replicates=config.replicates, interval="percentile", confidence=config.confidence)
    return {name: value for name, value in as_json(made).items() if name != "standard_error"}


def _correct(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Fill p_holm over all tests of AUCs; one that could not be computed counts as P = 1."""
    rows = [
        (f"{split}\t{source}\t{row['a']}\t{row['b']}", row)
        for split, sources in found.items()
        for source, part in sources.items()
        for row in part["comparisons"]
    ]
    tests = [DeclaredTest(name, row["auc"]["p_value"] if row["auc"] else None) for name, row in rows]
    for (_, row), made in zip(rows, adjust(tests), strict=True):
        if row["auc"]:
            row["auc"]["p_holm"] = made.p_adjusted


QUESTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "movement": (("frozen", INTACT),),
    "order": (("reversed", INTACT), ("shuffled", INTACT)),
    "content": (("frozen", "shuffled"),),
    "number": (("single", "frozen"),),
}
"""What is asked, with the pairs that say so where the first ranks worse than the second."""


def answer(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each question whether it is shown that the network draws on it, with the pair that says so.

    movement: held still, the cine is ranked worse. order: reversed or shuffled, it is. content: held still it is ranked
    worse than shuffled. number: one frame among blanks is ranked worse than repeated.
    shown: Holm's P below 0.05 in that direction; None where no test of it could be computed.
    """
    return {question: _answered(part["comparisons"], worse) for question, worse in QUESTIONS.items()}


def _answered(comparisons: Sequence[Mapping[str, Any]], worse: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the strongest of the tests that the first of a pair ranks worse than the second."""
    known = []
    for row in comparisons:
        for first, second in worse:
            if row["auc"] and {row["a"], row["b"]} == {first, second}:
                fall = -row["auc"]["estimate"] if row["a"] == first else row["auc"]["estimate"]
                known.append((fall > 0, -row["auc"]["p_holm"], row))
    if not known:
        return {"shown": None, "a": None, "b": None}
    falls, strength, row = max(known, key=lambda item: item[:2])
    return {"shown": bool(falls and -strength < LEVEL), "a": row["a"], "b": row["b"]}
