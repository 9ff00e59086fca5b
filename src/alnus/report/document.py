"""The report as data: sections of blocks that the HTML and the PDF template both render, so that they never differ.

Every string is plain text: the templates escape it, nothing in it is markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Align = Literal["left", "right", "center"]
Tone = Literal["body", "lead", "warning", "note"]


@dataclass(frozen=True)
class Cell:
    """A table's cell: the number, what belongs to it (counts, interval), a remark; `link`: a section's name."""

    main: str
    sub: str = ""
    note: str = ""
    link: str = ""

    @property
    def text(self) -> str:
        """The cell on one line, as in the CSV."""
        return " ".join(part for part in (self.main, self.sub, self.note) if part)


@dataclass(frozen=True)
class Column:
    """A table's column; `share` is its width relative to the others in the PDF."""

    label: str
    align: Align = "left"
    share: float = 1.0


@dataclass(frozen=True)
class Row:
    """A table's row; a heading row holds one cell that spans the table."""

    cells: tuple[Cell, ...]
    heading: bool = False


@dataclass(frozen=True)
class Table:
    """A table; `name` is its file in tables/, `label` ("Table 3") is given by `numbered`.

    folded: a long table that the HTML opens on demand.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    label: str = ""
    folded: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Figure:
    """A figure; `name` is its stem in figures/, `alt` says in words what it shows, `wide`: alone on a page's width."""

    name: str
    caption: str
    alt: str
    label: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Figures:
    """Figures that stand side by side where the page is wide enough."""

    figures: tuple[Figure, ...]
    kind: Literal["figures"] = "figures"


@dataclass(frozen=True)
class Text:
    """A paragraph, with an optional run-in heading."""

    text: str
    heading: str = ""
    tone: Tone = "body"
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences, with an optional heading."""

    items: tuple[str, ...]
    heading: str = ""
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Matrix:
    """The 2x2 counts of one source."""

    source: str
    tp: int
    fn: int
    fp: int
    tn: int


@dataclass(frozen=True)
class Matrices:
    """Confusion matrices that stand side by side."""

    caption: str
    items: tuple[Matrix, ...]
    kind: Literal["matrices"] = "matrices"


@dataclass(frozen=True)
class Case:
    """One patient's heatmap; `image` is the path of the picture, `outcome` one of TP, FN, FP, TN."""

    image: str
    outcome: str
    patient: str
    score: str
    detail: str
    alt: str


@dataclass(frozen=True)
class Gallery:
    """Heatmaps of one source on one set, and what of them is missing. `columns`: beside each other in the PDF."""

    caption: str
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()
    columns: int = 4
    kind: Literal["gallery"] = "gallery"


@dataclass(frozen=True)
class Facts:
    """Names and values, with an optional heading."""

    items: tuple[tuple[str, str], ...]
    heading: str = ""
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Listing:
    """Verbatim text: folded in the HTML, small in the PDF unless `in_pdf` is false."""

    summary: str
    text: str
    in_pdf: bool = True
    kind: Literal["listing"] = "listing"


Block = Table | Figures | Text | Bullets | Matrices | Gallery | Facts | Listing


@dataclass(frozen=True)
class Section:
    """A headed part of the report."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The whole report. `banner` stands on every page; `phantom` makes it loud. `date`: ISO, of the run."""

    title: str
    subtitle: str
    banner: str
    phantom: bool
    date: str
    sections: tuple[Section, ...]

    def tables(self) -> Iterator[Table]:
        """Yield each table in order."""
        return (block for section in self.sections for block in section.blocks if isinstance(block, Table))


def numbered(document: Document) -> Document:
    """Return the document with "Table n" and "Figure n" given in order of appearance."""
    tables = figures = 0
    sections = []
    for section in document.sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Table):
                tables += 1
                blocks.append(replace(block, label=f"Table {tables}"))
            elif isinstance(block, Figures):
                labelled = [replace(f, label=f"Figure {figures + k}") for k, f in enumerate(block.figures, start=1)]
                figures += len(labelled)
                blocks.append(replace(block, figures=tuple(labelled)))
            else:
                blocks.append(block)
        sections.append(replace(section, blocks=tuple(blocks)))
    return replace(document, sections=tuple(sections))
