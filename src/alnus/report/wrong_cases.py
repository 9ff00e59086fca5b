"""Every patient of a test set whom a network called wrongly, with what all others said of that patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alnus.report.document import Block, Cell, Column, Row, Table, Text
from alnus.report.run_files import RunFiles
from alnus.report.set_tables import Sources, kind_of, ordered, title_of
from alnus.report.wording import number, set_title

MOST_SOURCES = 8
FOLD_FROM = 12
Answers = dict[tuple[str, str], tuple[str, float]]
"""By patient and source: the outcome (TP, FN, FP, TN) and the score."""


def wrong_cases(files: RunFiles) -> list[Block]:
    """Return a table for each set; a warning where its counts are not those of results.json."""
    if files.predictions is None or not set(files.predictions.columns) >= _HAS:
        why = "The run directory has no predictions.csv with patients, labels and calls."
        return [Text(why, heading="The list of wrong cases: not available.", tone="note")]
    blocks: list[Block] = []
    for name, body in files.sets().items():
        answers, labels = _answers(files, name)
        blocks.append(_table(name, body, answers, labels))
        blocks += _contradictions(name, body, answers)
    return blocks


_HAS = {"patient_id", "split", "label", "source", "score", "call"}


def _answers(files: RunFiles, name: str) -> tuple[Answers, dict[str, int]]:
    """Return each source's outcome and score of each patient (over the videos, as the run aggregates them)."""
    assert files.predictions is not None
    rows = files.predictions[files.predictions["split"] == name]
    numbers = {column: pd.to_numeric(rows[column], errors="coerce") for column in ("label", "score", "call")}
    rows = rows.assign(**numbers).dropna(subset=["label"])
    how = "max" if files.results.get("aggregation") == "max" else "mean"
    merged = rows.groupby(["patient_id", "source"], sort=False).agg(
        label=("label", "first"), score=("score", how), call=("call", "max")
    )
    answers: Answers = {}
    for (patient, source), row in merged.iterrows():
        if pd.notna(row["call"]):
            right = row["call"] == row["label"]
            outcome = ("T" if right else "F") + ("P" if row["call"] == 1 else "N")
            answers[str(patient), str(source)] = (outcome, float(row["score"]))
    return answers, {str(patient): int(row["label"]) for (patient, _), row in merged.iterrows()}


def _table(name: str, body: Mapping[str, Any], answers: Answers, labels: Mapping[str, int]) -> Table:
    sources: Sources = body["sources"]
    shown = [key for key, source in ordered(sources) if kind_of(source) != "ceiling"][:MOST_SOURCES]
    networks = [key for key in sources if kind_of(sources[key]) == "model"] or shown
    wrong = {p for (p, source), (outcome, _) in answers.items() if source in networks and outcome[0] == "F"}
    patients = sorted(wrong, key=lambda p: (-labels[p], -_wrong(p, networks, answers), p))
    rows: list[Row] = []
    for label, title in ((1, "With metastasis: missed by at least one"), (0, "Without metastasis: called positive")):
        group = [patient for patient in patients if labels[patient] == label]
        if group:
            rows.append(Row((Cell(f"{title} ({len(group)})"),), heading=True))
            rows += [_row(patient, shown, networks, answers) for patient in group]
    columns = (
        Column("Patient", share=1.1),
        *(Column(title_of(key, sources), "right") for key in shown),
        Column("Networks wrong", "right", 0.9),
    )
    caption = f"{set_title(name)}: every patient whom a network called wrongly ({len(patients)})."
    notes = [
        "FN: missed, FP: called positive without metastasis, with the score. A score alone: called rightly. A dash: no "
        "call."
    ]
    if len(sources) > len(shown) and len(shown) == MOST_SOURCES:
        notes.append(f"The first {MOST_SOURCES} sources; all: predictions.csv.")
    return Table(f"wrong_{name}", caption, columns, tuple(rows), tuple(notes), folded=len(patients) > FOLD_FROM)


def _row(patient: str, shown: Sequence[str], networks: Sequence[str], answers: Answers) -> Row:
    cells = [Cell(patient)]
    for source in shown:
        outcome, score = answers.get((patient, source), ("", 0.0))
        written = number(score, 3 if source in networks or score != int(score) else 0)
        cells.append(Cell(outcome, written) if outcome[:1] == "F" else Cell("", written if outcome else "–"))
    return Row((*cells, Cell(f"{_wrong(patient, networks, answers)} of {len(networks)}")))


def _wrong(patient: str, networks: Sequence[str], answers: Answers) -> int:
    return sum(answers.get((patient, source), ("T", 0))[0][0] == "F" for source in networks)


def _contradictions(name: str, body: Mapping[str, Any], answers: Answers) -> list[Block]:
    blocks: list[Block] = []
    for key, source in body["sources"].items():
        counts = source.get("counts")
        if not counts or kind_of(source) != "model":
            continue
        listed = [outcome for (_, of), (outcome, _) in answers.items() if of == key]
        for outcome in ("FP", "FN"):
            if listed.count(outcome) != counts[outcome.lower()]:
                text = (
                    f"{set_title(name)}, {title_of(key, body['sources'])}: predictions.csv has {listed.count(outcome)} "
                    f"{outcome}, results.json {counts[outcome.lower()]}. One of them is of another run."
                )
                blocks.append(Text(text, heading="The counts do not agree.", tone="warning"))
    return blocks
