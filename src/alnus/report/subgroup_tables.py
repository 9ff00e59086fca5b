"""Subgroups, fusion with clinical variables, and what of them is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.report.document import Cell, Column, Row, Table
from alnus.report.set_tables import title_of
from alnus.report.wording import ABSENT, auc_cell, difference, has_estimate, p_value, set_title, share

MEASURES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def subgroup_sources(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the subgroups of each network of a set; empty where results.json has none."""
    found = (body.get("subgroups") or {}).get("sources")
    return found if isinstance(found, Mapping) else {}


def subgroups_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return the AUC of each network in each subgroup; None where there are none."""
    by_source = subgroup_sources(body)
    if not by_source:
        return None
    first = next(iter(by_source.values()))["rows"]
    rows: list[Row] = []
    last: object = None
    for index, row in enumerate(first):
        variable = row.get("variable")
        if variable != last and variable is not None:
            rows.append(Row((Cell(str(variable)),), heading=True))
        last = variable
        cells = [_auc(found["rows"][index] if index < len(found["rows"]) else {}) for found in by_source.values()]
        patients = Cell(f"{row['patients']}", f"({row['metastases']} with metastasis)")
        rows.append(Row((Cell(str(row.get("level") or "All patients")), patients, *cells)))
    columns = (
        Column("Subgroup", share=1.1),
        Column("Patients", "right", 1.1),
        *(Column(title_of(key, body["sources"]), "right") for key in by_source),
    )
    notes = (
        f"AUC with its {share(confidence)} interval (logit). A number is split at its median on the validation "
        "patients. Wide intervals in small groups are to be expected; a difference between groups is for the table of "
        "interactions to show. Not defined: fewer than two patients of a class; results.json has each reason.",
    )
    return Table(f"subgroups_{name}", f"{set_title(name)}: AUC in subgroups.", columns, tuple(rows), notes)


def _auc(row: Mapping[str, Any]) -> Cell:
    cell = auc_cell(row.get("auc"))
    return Cell(ABSENT, "not defined") if cell.main == ABSENT else cell


def interactions_table(name: str, body: Mapping[str, Any]) -> Table | None:
    """Return whether networks do differently in subgroups; None where no test was made."""
    by_source = subgroup_sources(body)
    tests = {
        (item["variable"], item["measure"]): None
        for found in by_source.values()
        for item in found.get("interactions") or ()
    }
    if not tests:
        return None
    rows = []
    for variable, measure in tests:
        cells = [_interaction(found, variable, measure) for found in by_source.values()]
        if any(cell.main != ABSENT for cell in cells):
            rows.append(Row((Cell(str(variable)), Cell(MEASURES.get(measure, measure)), *cells)))
    if not rows:
        return None
    columns = (
        Column("Variable", share=1.1),
        Column("Measure", share=1.0),
        *(Column(f"P, {title_of(key, body['sources'])}", "right") for key in by_source),
    )
    notes = (
        "Raw P, below it corrected by Holm over all interactions of a network. AUC: Cochran’s Q; calls: Fisher’s exact "
        "or chi² test. Not to find a difference in small groups is no proof of fairness.",
    )
    return Table(
        f"interactions_{name}", f"{set_title(name)}: do networks differ between subgroups?", columns, tuple(rows), notes
    )


def _interaction(found: Mapping[str, Any], variable: str, measure: str) -> Cell:
    for item in found.get("interactions") or ():
        if (item["variable"], item["measure"]) == (variable, measure) and item.get("p_value") is not None:
            return Cell(p_value(item["p_value"]), f"(Holm {p_value(item.get('p_holm'))})")
    return Cell(ABSENT)


def fusion_table(sets: Mapping[str, Mapping[str, Any]], confidence: float) -> Table | None:
    """Return what clinical variables add to the video's score on each set; None where nothing was joined."""
    found = {name: body["fusion"] for name, body in sets.items() if isinstance(body.get("fusion"), Mapping)}
    if not found:
        return None
    columns = (
        Column("Set", share=1.0),
        Column("Clinical variables alone", "right", 1.1),
        Column("Video’s score alone", "right", 1.1),
        Column("Both", "right", 1.1),
        Column("Both less score", "right", 1.2),
        Column("Both less clinical", "right", 1.2),
    )
    rows = tuple(
        Row(
            (
                Cell(set_title(name), f"n = {fusion.get('patients', ABSENT)}"),
                *(auc_cell(fusion.get(key)) for key in ("auc_clinical", "auc_score", "auc")),
                *(_tested(fusion.get(key)) for key in ("difference", "clinical_difference")),
            )
        )
        for name, fusion in found.items()
    )
    one = next(iter(found.values()))
    source = title_of(str(one.get("source")), next(iter(sets.values()))["sources"])
    how = sorted({str(fusion.get("how")) for fusion in found.values() if fusion.get("how")})
    notes = [
        f"AUC with its {share(confidence)} interval. Score of {source} with {', '.join(one.get('variables') or ())} in "
        f"a penalised logistic model, {' or '.join(how)}. P: DeLong, not corrected.",
        *sorted({str(fusion["note"]) for fusion in found.values() if fusion.get("note")}),
        *sorted({f"{set_title(n)}: {why}." for n, f in found.items() for why in (f.get("reasons") or {}).values()}),
    ]
    return Table("fusion", "Clinical variables and the video’s score together.", columns, rows, tuple(notes))


def _tested(measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    cell = difference(measure)
    p = p_value(measure.get("p_value"))
    return Cell(cell.main, cell.sub, "" if p == ABSENT else f"P {p}" if p.startswith("<") else f"P = {p}")
