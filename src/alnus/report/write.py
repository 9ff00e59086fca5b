"""`write_report`: from a run directory's files to figures/, tables/, report.html and report.pdf."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alnus.provenance import write_atomic
from alnus.report.content import build
from alnus.report.document import Document, Gallery, Table
from alnus.report.figures import drawings
from alnus.report.gallery import shrunken
from alnus.report.html import render_html
from alnus.report.names import file_stem
from alnus.report.pdf import render_pdf
from alnus.report.run_files import RunFiles, read_run
from alnus.report.set_tables import PROPORTIONS, kind_of
from alnus.report.style import save, styled

MEASURES = ("set", "source", "kind", "measure", "estimate", "low", "high", "numerator", "denominator")


def write_report(run: Path) -> tuple[Path, Path]:
    """Write the report of a run: report.html, report.pdf, and each figure and table as a file of its own.

    Reads nothing but the run directory's files; the same files give the same bytes. Returns the paths of both reports.
    Raises UsageError where results.json is absent or a file is damaged.
    """
    files = read_run(run)
    document = build(files)
    draw_figures(files, run / "figures")
    write_tables(files, document, run / "tables")
    pictures = {path: (mime, data) for path, mime, data in shrunken(_pictures(document))}
    html, pdf = run / "report.html", run / "report.pdf"
    write_atomic(html, render_html(document, run / "figures", pictures))
    write_atomic(pdf, render_pdf(document, run / "figures", pictures))
    return html, pdf


def draw_figures(files: RunFiles, folder: Path) -> None:
    """Write every figure as SVG and PNG."""
    with styled():
        for name, draw in drawings(files).items():
            save(draw(), folder, name)


def write_tables(files: RunFiles, document: Document, folder: Path) -> None:
    """Write every table as it is printed, and measures.csv: the numbers in full, one row a measure."""
    for table in document.tables():
        write_atomic(folder / f"{file_stem(table.name)}.csv", _as_csv(_printed(table)))
    write_atomic(folder / "measures.csv", _as_csv([list(MEASURES), *_measures(files)]))


def _printed(table: Table) -> list[list[str]]:
    """Return header and rows as text; the heading above a group of rows becomes the column "Group"."""
    grouped = any(row.heading for row in table.rows)
    lines = [[*(["Group"] if grouped else []), *(column.label for column in table.columns)]]
    group = ""
    for row in table.rows:
        if row.heading:
            group = row.cells[0].text
        else:
            lines.append([*([group] if grouped else []), *(cell.text for cell in row.cells)])
    return lines


def _measures(files: RunFiles) -> list[list[str]]:
    return [
        [name, source, kind_of(body), measure, *_full(body.get(measure))]
        for name, content in files.results["sets"].items()
        for source, body in content["sources"].items()
        for measure in ("auc", *PROPORTIONS)
    ]


def _full(measure: Mapping[str, Any] | None) -> list[str]:
    """Return a measure's numbers with every digit; empty where it has none."""
    values = [(measure or {}).get(key) for key in MEASURES[4:]]
    return ["" if value is None else repr(value) for value in values]


def _as_csv(lines: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([[_harmless(cell) for cell in line] for line in lines])
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    """Return a cell that a spreadsheet takes for text, not for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "@", "\t", "\r") else cell


def _pictures(document: Document) -> list[str]:
    """Return the path of each heatmap of the galleries, once."""
    blocks = (block for section in document.sections for block in section.blocks if isinstance(block, Gallery))
    return list(dict.fromkeys(case.image for block in blocks for case in block.cases))
