"""`write_table_report`: the statistics of a table that any software wrote, as one HTML file from the same blocks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alnus.provenance import write_atomic
from alnus.report.banners import banner_of
from alnus.report.document import Block, Bullets, Document, Listing, Section, Text, numbered
from alnus.report.figures import drawings
from alnus.report.html import render_html
from alnus.report.reader_figure import reader_figure
from alnus.report.reader_study import reader_sections
from alnus.report.result_sections import result_sections
from alnus.report.run_files import RunFiles
from alnus.report.sample_size import sample_size_table
from alnus.report.style import save, styled
from alnus.report.summary import summary

UNCLAIMED = (
    "Alnus read the table as it stands: how the scores were made, whether the patients were independent of their "
    "making, and how the labels were found, it cannot know.",
    "Where the table holds no validation patients, thresholds are those of the table’s calls, or there are none; what "
    "needs validation patients is then absent and named.",
    "Nothing here is a basis for the care of a patient.",
)


def write_table_report(results: Mapping[str, Any], out: Path, *, text: str = "", title: str = "") -> Path:
    """Write what `evaluate` or `compare_sources` returned as a self-contained HTML file; return its path.

    text: the same in words; a reader study's is folded below its tables.
    """
    files = _files(results)
    study: Mapping[str, Any] = results.get("reader_study") or {}
    titled = title or ("A reader study" if study else "Statistics of a predictions table")
    document = numbered(_document(files, text, titled))
    with tempfile.TemporaryDirectory(prefix="alnus-report-") as folder, styled():
        for name, draw in drawings(files).items():
            save(draw(), Path(folder), name)
        for metric, found in study.items():
            save(reader_figure(found), Path(folder), f"readers_{metric}")
        write_atomic(out, render_html(document, Path(folder), {}))
    return out


def _files(results: Mapping[str, Any]) -> RunFiles:
    """Return the results as if of a run that holds nothing else."""
    sets = {name: _as_set(body) for name, body in (results.get("sets") or {}).items()}
    return RunFiles(
        root=Path(),
        results={**results, "sets": sets},
        run={},
        config={},
        config_text="",
        splits=None,
        excluded=None,
        quality=None,
        videos=None,
        predictions=None,
        openings=None,
        cohort={},
        models=(),
        explanations=None,
    )


def _as_set(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a set as `evaluate` gives it; of a comparison, which is one pair's row, the set that it stands for."""
    if "a" not in body:
        return body
    row = {key: value for key, value in body.items() if key != "sources"}
    counts = next((source.get("counts") for source in body["sources"].values() if source.get("counts")), None) or {}
    positive = body.get("positive", counts.get("tp", 0) + counts.get("fn", 0))
    known = {"patients": body["patients"], "positive": positive, "negative": body["patients"] - positive}
    return {**known, "sources": body["sources"], "comparisons": [row]}


def _document(files: RunFiles, text: str, title: str) -> Document:
    blocks: tuple[Block, ...] = summary(files)
    sections = (
        Section(
            "summary", "Summary", (Text("The statistics of a table of scores and calls, source by source."), *blocks)
        ),
        Section("sample-size", "Sample size", (sample_size_table(files),)),
        *result_sections(files.sets(), files),
        Section("limits", "What this does not show", (Bullets(UNCLAIMED),)),
    )
    if files.results.get("reader_study"):
        sections = reader_sections(files.results, text)
    elif not files.sets():
        sections = (Section("statistics", "Statistics", (Listing("As text", text),)),)
    return Document(
        title=title,
        subtitle="Computed with Alnus from a table; the same statistics as JSON: --json",
        banner=banner_of(files.phantom),
        phantom=files.phantom,
        date="",
        sections=sections,
    )
