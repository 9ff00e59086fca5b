"""The report as one HTML file that loads nothing: figures as SVG inside it, heatmaps as data."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alnus.report.document import Document
from alnus.report.style import GRID, INK, MUTED, PAPER, SERIES
from alnus.report.wording import OUTCOMES

Pictures = Mapping[str, tuple[str, bytes]]
THEMED = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"} | {
    colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)
}


def render_html(document: Document, figures: Path, pictures: Pictures) -> str:
    """Return the whole page. figures: the folder of the SVG files. pictures: MIME type and bytes of each heatmap."""
    environment = Environment(
        loader=PackageLoader("alnus.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.jinja")
    style = (Path(__file__).with_name("templates") / "report.css").read_text(encoding="utf-8")
    return template.render(
        document=document,
        style=Markup(style),  # our own file, not a user's text
        svg=lambda figure: inline_svg((figures / f"{figure.name}.svg").read_text(encoding="utf-8"), figure.name),
        picture=lambda path: data_uri(*pictures[path]),
        outcomes=OUTCOMES,
    )


def inline_svg(text: str, name: str) -> Markup:
    """Return a figure of ours for use inside a page: ids of its own, colours that follow the page's theme.

    What users wrote is drawn as outlines in it; matplotlib's comments, which repeat it, are removed.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(
        r'<svg\b[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true" focusable="false">', body, count=1
    )
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    for colour, variable in THEMED.items():
        body = body.replace(colour, variable)
    return Markup(body)  # drawn by us; checked by a test with hostile names


def data_uri(mime: str, data: bytes) -> str:
    """Return bytes as a data: address."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
