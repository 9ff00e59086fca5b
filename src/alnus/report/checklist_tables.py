"""STARD-AI, TRIPOD+AI and CLAIM: each item answered from the run, with a link, or left to the authors.

Numbers and topics follow the published lists; the words are ours. Sources: in each file of checklists/.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from alnus.report.answers import answered
from alnus.report.document import Block, Cell, Column, Row, Table, Text
from alnus.report.run_files import RunFiles
from alnus.report.wording import count

LISTS = ("stard_ai", "tripod_ai", "claim")


def checklist(name: str) -> Mapping[str, Any]:
    """Return a list’s file: name, about, source, checked, items (number, topic, asks, answer, authors)."""
    text = (resources.files("alnus.report") / "checklists" / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


def checklists(files: RunFiles, titles: Mapping[str, str]) -> tuple[Block, ...]:
    """Return an explanation and a table for each list. titles: of the report's sections, by name."""
    intro = (
        "Each item’s wording is ours, its number the published list’s; hand in the published form. “In part”: the "
        "report answers what a run can know, the rest is the authors’."
    )
    return (Text(intro), *(_table(files, name, checklist(name), titles) for name in LISTS))


def _table(files: RunFiles, name: str, listed: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    rows = tuple(_row(files, item, titles) for item in listed["items"])
    states = [row.cells[1].main for row in rows]
    tally = (
        f"{count(states.count('Answered'), 'item')} answered here, {states.count('In part')} in part, "
        f"{states.count('For the authors')} for the authors"
    )
    columns = (
        Column("Item", share=1.5),
        Column("State", share=0.55),
        Column("Answer", share=1.7),
        Column("Where", share=0.7),
    )
    caption = f"{listed['about']}: {tally}."
    return Table(
        f"checklist_{name}", caption, columns, rows, (f"{listed['source']}. {listed['checked']}",), folded=True
    )


def _row(files: RunFiles, item: Mapping[str, str], titles: Mapping[str, str]) -> Row:
    section, text = answered(files, item["answer"]) if "answer" in item else ("", None)
    left = item.get("authors", "")
    if text is None:
        state, left = "For the authors", left or "not recorded in this run"
    else:
        state = "In part" if left else "Answered"
    remaining = f"For the authors: {left}." if left else ""
    where = Cell(titles[section], link=section) if text and section in titles else Cell("")
    return Row(
        (
            Cell(f"{item['number']} {item['topic']}", item["asks"]),
            Cell(state),
            Cell(text or "", note=remaining),
            where,
        )
    )
