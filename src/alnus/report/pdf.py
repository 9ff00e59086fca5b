"""The report as a PDF: the same document, set by typst with the fonts that come in its wheel."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

from alnus.report.document import Document
from alnus.report.wording import OUTCOMES

Pictures = Mapping[str, tuple[str, bytes]]
BEYOND_BUNDLED = re.compile("[\u0590-\u1dff\u2e80-\ud7ff\uf900-\ufe4f\uff00-\uffef\U0001f000-\U0003ffff]")
"""Scripts that typst's bundled fonts lack (Chinese, Arabic, …): only for these are the system's fonts let in."""


def render_pdf(document: Document, figures: Path, pictures: Pictures) -> bytes:
    """Return the PDF's bytes, the same for the same document (the date is the run's, or SOURCE_DATE_EPOCH)."""
    with tempfile.TemporaryDirectory(prefix="alnus-report-") as folder:
        source = lay_out(document, figures, pictures, Path(folder))
        text = (Path(folder) / "report.json").read_text(encoding="utf-8")
        compiled = typst.compile(source, root=Path(folder), font_paths=fonts(text), timestamp=timestamp(document.date))
    return bytes(compiled)


def fonts(text: str) -> typst.Fonts:
    """Return the fonts of typst's wheel; with the system's too where `text` needs signs that those lack."""
    return typst.Fonts(include_system_fonts=bool(BEYOND_BUNDLED.search(text)), include_embedded_fonts=True)


def lay_out(document: Document, figures: Path, pictures: Pictures, folder: Path) -> Path:
    """Put template, data and pictures into a folder; return the file to compile. Users' text is data, never markup."""
    names = {}
    for index, (path, (mime, data)) in enumerate(pictures.items()):
        names[path] = f"case-{index}.{'png' if mime == 'image/png' else 'jpg'}"
        (folder / names[path]).write_bytes(data)
    for figure in _figure_names(document):
        (folder / f"{figure}.svg").write_bytes((figures / f"{figure}.svg").read_bytes())
    content = asdict(document) | {"pictures": names, "outcomes": OUTCOMES}
    (folder / "report.json").write_text(json.dumps(breakable(content), ensure_ascii=False), encoding="utf-8")
    source = folder / "report.typ"
    source.write_bytes((Path(__file__).with_name("templates") / "report.typ").read_bytes())
    return source


def _figure_names(document: Document) -> list[str]:
    blocks = [block for section in document.sections for block in section.blocks]
    return [figure.name for block in blocks if block.kind == "figures" for figure in block.figures]


def breakable(value: Any) -> Any:
    """Return the data with a possible line break inside every word that is too long for a column."""
    if isinstance(value, str):
        return re.sub(r"\S{24,}", _with_breaks, value)
    if isinstance(value, dict):
        return {
            key: inner if key in ("name", "image", "pictures", "date", "link") else breakable(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [breakable(inner) for inner in value]
    return value


def _with_breaks(match: re.Match[str]) -> str:
    """Allow a break after a sign that separates, and in any case after 12 signs (zero-width space)."""
    return re.sub(r"([/_.\-:=]+|[^/_.\-:=\s]{12})(?=.)", "\\1\u200b", match.group())


def timestamp(date: str) -> int:
    """Return the PDF's date in seconds since 1970: SOURCE_DATE_EPOCH, else the run's date, else 0."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdigit():
        return int(epoch)
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
