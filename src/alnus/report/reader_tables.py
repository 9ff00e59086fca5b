"""Readers: alone and with the model, against the model, and among themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alnus.report.document import Cell, Column, Row, Table
from alnus.report.set_tables import title_of
from alnus.report.wording import ABSENT, has_estimate, interval, number, p_value, set_title, share, source_title, spoken

MEASURES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def with_model_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return the readers' means alone and with the model; None where they did not read both ways."""
    found = (body.get("readers") or {}).get("with_model")
    if not isinstance(found, Mapping):
        return None
    rows, notes = [], []
    for key, title in MEASURES.items():
        part = found.get(key) or {}
        if not part.get("differences"):
            notes.append(f"{title}: {part.get('reason') or 'not computed'}.")
            continue
        difference = part["differences"][0]
        pair = (difference["treatment_b"], difference["treatment_a"])
        means = {mean["treatment"]: mean for mean in part.get("means") or ()}
        rows.append(
            Row(
                (
                    Cell(title),
                    *(_cell(key, means.get(treatment)) for treatment in pair),
                    _cell(key, difference, dash=" to "),
                    Cell(p_value(difference.get("p_value"))),
                )
            )
        )
    study: Mapping[str, Any] = next(
        (part["study"] for part in found.values() if isinstance(part, Mapping) and part.get("study")), {}
    )
    columns = (
        Column("Mean of the readers", share=1.1),
        Column("Alone", "right"),
        Column("With the model", "right"),
        Column("With less alone", "right", 1.15),
        Column("P", "right", 0.6),
    )
    notes.insert(0, _how(study, confidence))
    return Table(
        f"with_model_{name}",
        f"{set_title(name)}: readers alone and with the model.",
        columns,
        tuple(rows),
        tuple(notes),
    )


def _how(study: Mapping[str, Any], confidence: float) -> str:
    readers = [source_title(str(reader), "reader") for reader in study.get("readers") or ()]
    who = f"{len(readers)} readers ({spoken(readers)}), " if readers else ""
    return (
        f"{who}{study.get('cases', ABSENT)} patients. Obuchowski and Rockette’s analysis with Hillis’ degrees of "
        f"freedom, readers and patients both taken as samples; {share(confidence)} intervals, P not corrected. An "
        "interval of so few readers is wide for good reason."
    )


def against_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return each network against the readers' mean; None where there is nothing to compare."""
    found = (body.get("readers") or {}).get("against_models")
    if not isinstance(found, Mapping) or not found:
        return None
    rows: list[Row] = []
    reasons: dict[str, list[str]] = {}
    study: Mapping[str, Any] = {}
    for key, title in MEASURES.items():
        lines = []
        for source, parts in found.items():
            part = parts.get(key) or {}
            if not part.get("difference"):
                reasons.setdefault(str(part.get("reason") or "not computed"), []).append(
                    f"{title} of {title_of(source, body['sources'])}"
                )
                continue
            study = part.get("study") or study
            lines.append(
                Row(
                    (
                        Cell(title_of(source, body["sources"])),
                        _cell(key, part.get("model")),
                        _cell(key, part.get("mean")),
                        _cell(key, part["difference"], dash=" to "),
                        Cell(p_value(part["difference"].get("p_value"))),
                    )
                )
            )
        rows += [Row((Cell(title),), heading=True), *lines] if lines else []
    if not rows:
        return None
    columns = (
        Column("Network", share=1.1),
        Column("Network", "right"),
        Column("Mean of the readers", "right"),
        Column("Network less readers", "right", 1.15),
        Column("P", "right", 0.6),
    )
    notes = (_how(study, confidence), *(f"{spoken(who)}: {why}." for why, who in reasons.items()))
    return Table(
        f"against_readers_{name}", f"{set_title(name)}: networks against the readers.", columns, tuple(rows), notes
    )


def _cell(key: str, measure: Any, *, dash: str = "–") -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    scale, digits, unit = (1.0, 3, "") if key == "auc" else (100.0, 1, "%")
    if dash != "–":
        unit = ""  # percentage points
    return Cell(
        f"{number(scale * measure['estimate'], digits)}{unit}",
        f"({interval(measure, digits=digits, scale=scale, dash=dash)})",
    )


def agreement_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return the readers' agreement in pairs and all together; None where there are no two readers."""
    found = (body.get("readers") or {}).get("agreement")
    if not isinstance(found, Mapping):
        return None
    rows = [_pair(item) for item in found.get("pairs") or () if item.get("calls") or item.get("grades")]
    if has_estimate(found.get("all")):
        rows.append(Row((Cell("All readers alone (Fleiss)"), *_kappa(found["all"]), Cell(ABSENT))))
    if not rows:
        return None
    columns = (
        Column("Readers", share=1.6),
        Column("Kappa of calls", "right"),
        Column("Calls alike", "right", 0.8),
        Column("Weighted kappa of grades", "right", 1.1),
    )
    notes = (
        f"Cohen’s kappa, grades with quadratic weights; {share(confidence)} intervals. 0: no more than by chance.",
    )
    caption = f"{set_title(name)}: agreement of the readers."
    return Table(f"agreement_{name}", caption, columns, tuple(rows), notes, folded=len(rows) > 8)


def _pair(item: Mapping[str, Any]) -> Row:
    names = f"{source_title(item['a'], 'reader')} and {source_title(item['b'], 'reader')}"
    grades = item.get("grades")
    return Row((Cell(names), *_kappa(item.get("calls")), _kappa(grades)[0]))


def _kappa(measure: Any) -> Sequence[Cell]:
    if not has_estimate(measure):
        return (Cell(ABSENT), Cell(ABSENT))
    return (
        Cell(number(measure["estimate"], 2), f"({interval(measure, digits=2, dash=' to ')})"),
        Cell(f"{number(100 * measure['observed'], 0)}%", f"of {measure['subjects']}"),
    )
