"""Heat over grey frames, and pictures that say what they are: caption, scale, research use, phantom."""

from __future__ import annotations

from collections.abc import Sequence
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

COLOURS = "inferno"  # dark to bright in even steps, also for colour-blind eyes
STRONGEST = 0.6  # share of colour where the heat is 1; the tissue stays visible beneath
NOTICE = "Research use, not for diagnosis."
PANEL_PX = 480  # least width of a panel, so that captions can be read
TEXT_PX = 15
GAP_PX = 6
BACKGROUND, INK, WARNING = (18, 18, 18), (235, 235, 235), (255, 196, 0)


def overlay(grey: Grey, heat: Heat) -> Rgb:
    """Lay heat over a frame; where the heat is 0 the frame is unchanged."""
    share = (STRONGEST * heat)[..., None]
    mixed = (1 - share) * grey[..., None].astype(np.float32) + share * _palette()[(heat * 255).astype(np.uint8)]
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


@cache
def _palette() -> NDArray[np.float32]:
    """Return the 256 colours of the heat, (256, 3), 0 to 255."""
    return (np.asarray(colormaps[COLOURS](np.arange(256)))[:, :3] * 255).astype(np.float32)


def composed(panels: Sequence[Rgb], titles: Sequence[str], caption: Sequence[str], *, warning: str = "") -> Rgb:
    """Set panels of one size side by side under their titles, with a colour scale and caption lines below.

    warning: set in another colour as the caption's last line. The result's sides are even, as video encoders need.
    """
    scale = max(1, -(-PANEL_PX // panels[0].shape[1]))  # whole pixels: nothing is smoothed that was not measured
    sheets = [panel.repeat(scale, 0).repeat(scale, 1) for panel in panels]
    height, width = sheets[0].shape[:2]
    line = TEXT_PX + GAP_PX
    total = len(sheets) * width + (len(sheets) - 1) * GAP_PX
    lines = [*_wrapped(caption, total), *_wrapped([warning] if warning else [], total)]
    below = line + GAP_PX + height + GAP_PX
    rows = below + line + len(lines) * line + GAP_PX
    canvas = Image.new("RGB", (total + total % 2, rows + rows % 2), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for number, (sheet, title) in enumerate(zip(sheets, titles, strict=True)):
        left = number * (width + GAP_PX)
        draw.text((left + GAP_PX, GAP_PX), title, fill=INK, font=_font())
        canvas.paste(Image.fromarray(sheet), (left, line + GAP_PX))
    _draw_scale(canvas, draw, below)
    for number, text in enumerate(lines):
        ink = WARNING if warning and number >= len(lines) - len(_wrapped([warning], total)) else INK
        draw.text((GAP_PX, below + (number + 1) * line), text, fill=ink, font=_font())
    return np.asarray(canvas)


def _draw_scale(canvas: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
    """Draw the colours of the heat, as they look over black tissue to bright, from none to most."""
    ramp = np.tile(_palette()[None].astype(np.uint8), (TEXT_PX - 4, 1, 1))[:, ::2]
    none, most = "heat: none", "most of this video"
    left = GAP_PX + int(draw.textlength(none, font=_font())) + GAP_PX
    draw.text((GAP_PX, top), none, fill=INK, font=_font())
    canvas.paste(Image.fromarray(ramp), (left, top + 3))
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
