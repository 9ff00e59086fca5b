"""How many patients there were, how wide that leaves the intervals, and how often a test set was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.report.document import Cell, Column, Row, Table
from alnus.report.run_files import RunFiles
from alnus.report.set_tables import kind_of, ordered, title_of
from alnus.report.wording import ABSENT, has_estimate, has_interval, number, set_title, share

WIDTHS = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def sample_size_table(files: RunFiles) -> Table:
    """Return the size of each set and the widths of the networks' intervals (or else the readers'), end to end."""
    rows: list[Row] = []
    for name, body in files.sets().items():
        text = f"{set_title(name)}: {body['patients']} patients, {body['positive']} with metastasis"
        rows.append(Row((Cell(text),), heading=True))
        named = ordered(body["sources"])
        networks = [item for item in named if kind_of(item[1]) == "model"]
        for key, source in networks or named:
            if kind_of(source) != "ceiling":
                rows.append(Row((Cell(title_of(key, body["sources"])), *(_width(source.get(m)) for m in WIDTHS))))
    columns = (Column("Source", share=1.3), *(Column(f"Width, {title}", "right") for title in WIDTHS.values()))
    notes = (
        f"Width of the {share(files.confidence)} interval from end to end; AUC on its scale of 0 to 1, the others in "
        f"percentage points. “underpowered”: wider than {number(files.widest_interval, 2)}, or no interval. How many "
        "patients a claim needs: alnus evaluate TABLE --power.",
    )
    return Table("sample_size", "Sample size and the precision that it gives.", columns, tuple(rows), notes)


def _width(measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    flag = "underpowered" if measure.get("underpowered") else ""
    if not has_interval(measure):
        return Cell("no interval", "", flag)
    width = measure["high"] - measure["low"]
    return Cell(number(100 * width, 1) if "numerator" in measure else number(width), "", flag)


def openings_table(files: RunFiles) -> Table | None:
    """Return every evaluation of a test set in this run's directory; None where it was not recorded."""
    logged = files.openings
    openings = files.results.get("openings") if logged is None else logged.to_dict("records")
    if not openings:
        return None
    rows = tuple(
        Row(
            (
                Cell(set_title(str(item["set"]))),
                Cell(str(item.get("number", ABSENT))),
                Cell(str(item.get("opened") or ABSENT)[:16].replace("T", " ")),
                Cell(str(item.get("patients", ABSENT))),
                Cell(str(item.get("thresholds_sha256", ABSENT))[:16]),
                Cell(str(item.get("predictions_sha256", ABSENT))[:16]),
            )
        )
        for item in openings
    )
    columns = (
        Column("Set"),
        Column("Opening", "right", 0.6),
        Column("When", share=0.9),
        Column("Patients", "right", 0.6),
        Column("Thresholds, SHA-256 begins"),
        Column("Predictions, SHA-256 begins", share=1.1),
    )
    notes = (_opened(openings),)
    return Table("openings", "When the test sets were opened.", columns, rows, notes)


def _opened(openings: list[Mapping[str, Any]]) -> str:
    hashes: dict[str, set[tuple[object, object]]] = {}
    for item in openings:
        seen = (item.get("thresholds_sha256"), item.get("predictions_sha256"))
        hashes.setdefault(str(item["set"]), set()).add(seen)
    again = [set_title(name) for name, seen in hashes.items() if len(seen) > 1]
    if again:
        return (
            f"{', '.join(again)}: opened again after thresholds or predictions had changed. Numbers of a later opening "
            "may have been tuned to the set."
        )
    return "Each set was opened with one state of thresholds and predictions only."
