"""Heat over grey frames, and pictures that say what they are: caption, scale, research use, phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Grey = NDArray[np.uint8]  # (height, width)
Rgb = NDArray[np.uint8]  # (height, width, 3)
Heat = NDArray[np.float32]  # (height, width), 0 to 1
Weights = NDArray[np.float64]  # (frames,)

COLOURS = "inferno"  # dark to bright in even steps, also for colour-blind eyes
STRONGEST = 0.6  # share of colour where the heat is 1; the tissue stays visible beneath
NOTICE = "Research use, not for diagnosis."
PANEL_PX = 320  # least width of a panel, so that captions can be read
CURVE_PX = 44  # height of the curve of the frames' weights
TEXT_PX, GAP_PX = 15, 6
LINE_PX = TEXT_PX + GAP_PX
BACKGROUND, INK, WARNING = (18, 18, 18), (235, 235, 235), (255, 196, 0)
STRIP, BAR, MARKED = (40, 40, 40), (150, 170, 200), (96, 80, 20)


def overlay(grey: Grey, heat: Heat) -> Rgb:
    """Lay heat over a frame; where the heat is 0 the frame is unchanged."""
    mixed: Rgb = _blends()[(heat * 255).astype(np.uint8), grey]
    return mixed


@cache
def _blends() -> NDArray[np.uint8]:
    """Return every heat over every grey, (256, 256, 3): one look-up a pixel instead of arithmetic."""
    heat, grey = np.mgrid[:256, :256].astype(np.float64)[..., None]
    share = STRONGEST * heat / 255
    mixed: NDArray[np.uint8] = np.rint((1 - share) * grey + share * _palette()[:, None]).astype(np.uint8)
    return mixed


@cache
def _palette() -> NDArray[np.float64]:
    """Return the 256 colours of the heat, (256, 3), 0 to 255."""
    return np.asarray(colormaps[COLOURS](np.arange(256)))[:, :3] * 255


@dataclass(frozen=True)
class Sheet:
    """A page for panels of one size, side by side under their titles, over a colour scale and a caption.

    page: what stays the same from frame to frame; its sides are even, as video encoders need. panel: (height, width)
    in pixels of the page. scale: page pixels for one of the frame, whole: nothing is smoothed that was not measured.
    curve: the (top, left, width) of the curve of the frames' weights, and `weights` themselves; None without one.
    """

    page: Rgb
    panel: tuple[int, int]
    scale: int
    curve: tuple[int, int, int] | None = None
    weights: Weights | None = None

    def filled(self, panels: Sequence[Rgb], titles: Sequence[str], *, frame: int | None = None) -> Rgb:
        """Return the page with these panels, and the mark of a frame on the curve."""
        page, (height, width) = self.page.copy(), self.panel
        for number, (panel, title) in enumerate(zip(panels, titles, strict=True)):
            left = number * (width + GAP_PX)
            strip = Image.new("RGB", (width, LINE_PX), BACKGROUND)
            ImageDraw.Draw(strip).text((GAP_PX, 2), title, fill=INK, font=_font())
            page[:LINE_PX, left : left + width] = np.asarray(strip)
            large = panel.repeat(self.scale, 0).repeat(self.scale, 1)
            page[LINE_PX : LINE_PX + height, left : left + width] = large
        if self.curve is not None and self.weights is not None:
            top, left, across = self.curve
            page[top : top + CURVE_PX, left : left + across] = bars(self.weights, across, frame=frame)
        return page


def bars(weights: Weights, width: int, *, frame: int | None) -> Rgb:
    """Draw each frame's weight as a bar, the largest as high as the strip: (CURVE_PX, width, 3).

    frame: whose bar, and the line above it, has another colour; None: none.
    """
    strip = np.full((CURVE_PX, width, 3), STRIP, np.uint8)
    place = np.minimum(np.arange(width) * len(weights) // width, len(weights) - 1)  # the frame of each column
    largest = weights.max()
    share = weights / largest if largest > 0 else weights
    high = np.rint(share[place] * (CURVE_PX - 2)).astype(np.int64)
    filled = np.arange(CURVE_PX)[:, None] >= CURVE_PX - high[None, :]
    strip[filled] = BAR
    if frame is not None:
        marked = place == frame
        strip[:, marked] = np.where(filled[:, marked, None], WARNING, MARKED).astype(np.uint8)
    return strip


def sheet(
    size: tuple[int, int],
    caption: Sequence[str],
    *,
    panels: int,
    warning: str = "",
    weights: Weights | None = None,
) -> Sheet:
    """Return the page for so many panels of (height, width) frames. warning: the caption's end, in another colour.

    weights: (T,) of the cine's frames, drawn as a curve below the panels; None: no curve.
    """
    scale = max(1, -(-PANEL_PX // size[1]))
    height, width = size[0] * scale, size[1] * scale
    total = panels * width + (panels - 1) * GAP_PX
    lines = [(text, INK) for text in _wrapped(caption, total)]
    lines += [(text, WARNING) for text in _wrapped([warning] if warning else [], total)]
    below = LINE_PX + height + GAP_PX
    curve = None if weights is None else (below + LINE_PX, 0, total)
    below += 0 if curve is None else LINE_PX + CURVE_PX + GAP_PX
    rows = below + (len(lines) + 1) * LINE_PX + GAP_PX
    page = Image.new("RGB", (total + total % 2, rows + rows % 2), BACKGROUND)
    draw = ImageDraw.Draw(page)
    _draw_scale(page, draw, below)
    if curve is not None and weights is not None:
        text = f"Share of the evidence, frame 0 to {len(weights) - 1}"
        draw.text((GAP_PX, curve[0] - LINE_PX), text, fill=INK, font=_font())
    for number, (text, ink) in enumerate(lines):
        draw.text((GAP_PX, below + (number + 1) * LINE_PX), text, fill=ink, font=_font())
    return Sheet(np.array(page), (height, width), scale, curve, weights)


def _draw_scale(page: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
    """Draw the colours of the heat, as they look over black tissue to bright, from none to most."""
    ramp = np.tile(_palette()[None].astype(np.uint8), (TEXT_PX - 4, 1, 1))[:, ::2]
    none, most = "heat: none", "most of this video"
    left = GAP_PX + int(draw.textlength(none, font=_font())) + GAP_PX
    draw.text((GAP_PX, top), none, fill=INK, font=_font())
    page.paste(Image.fromarray(ramp), (left, top + 3))
    draw.text((left + ramp.shape[1] + GAP_PX, top), most, fill=INK, font=_font())


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return matplotlib's own DejaVu Sans: no font of the system is needed."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", TEXT_PX)


def _wrapped(texts: Sequence[str], width: int) -> list[str]:
    """Break each text at spaces so that every line fits into `width` pixels."""
    lines: list[str] = []
    for text in texts:
        current = ""
        for word in text.split():
            longer = f"{current} {word}".strip()
            if current and _font().getlength(longer) > width - 2 * GAP_PX:
                lines.append(current)
                longer = word
            current = longer
        lines.append(current)
    return lines
