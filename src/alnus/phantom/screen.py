"""The scanner's picture around the tissue: logo, burned-in patient text, ruler, grey bar, settings; all invented."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from alnus.phantom.identity import HOSPITALS, Identity
from alnus.phantom.scanner import Scanner

Grey = NDArray[np.uint8]
FONT_PX = 10
LINE_PX = 13
LOGO = (120, 190, 90)
BRIGHT, DIM = (225, 225, 225), (150, 150, 150)


def patient_text(scanner: Scanner, identity: Identity) -> tuple[str, str]:
    """Return the two lines that are burned into the picture: who, and where and when."""
    family, given = identity.name.split("^")
    plain = unicodedata.normalize("NFKD", f"{family}, {given}").encode("ascii", "ignore").decode()
    when = f"{identity.study_date:%d.%m.%Y} {identity.study_time[:2]}:{identity.study_time[2:4]}"
    return f"{plain}  {identity.hospital_id}", f"{HOSPITALS[scanner.center][0]}  {when}"


def _logo_and_text(draw: ImageDraw.ImageDraw, scanner: Scanner, identity: Identity) -> None:
    who, where = patient_text(scanner, identity)
    font = ImageFont.load_default(FONT_PX)
    height, width = scanner.canvas_px
    corners = {"left": (28, 4), "top": (34, 6), "right": (30, 2)}
    x, y = corners[scanner.layout]
    draw.text((x, y), who, fill=BRIGHT, font=font)
    draw.text((x, y + LINE_PX), where, fill=BRIGHT, font=font)
    draw.polygon([(4, y + 20), (13, y + 2), (22, y + 20)], fill=LOGO)
    if scanner.layout == "top":
        draw.text((x, y + 2 * LINE_PX), scanner.model, fill=DIM, font=font)
    draw.text((4, height - LINE_PX - 2), "SIMULATED", fill=DIM, font=font)
    draw.text((width - 74, height - LINE_PX - 2), f"{scanner.frame_rate_hz:.0f} Hz  MI 1.1", fill=DIM, font=font)


def _settings(draw: ImageDraw.ImageDraw, scanner: Scanner) -> None:
    lines = (
        f"{scanner.frequency_mhz:.1f} MHz",
        f"DR {scanner.dynamic_range_db:.0f}",
        f"D {scanner.depth_mm / 10:.1f} cm",
    )
    if scanner.layout == "top":
        draw.text((150, 6 + 2 * LINE_PX), "  ".join(lines), fill=DIM, font=ImageFont.load_default(FONT_PX))
        return
    x = 4 if scanner.layout == "left" else scanner.origin_px[1] + scanner.columns + 56
    for number, line in enumerate(lines):
        draw.text(
            (x, scanner.origin_px[0] + 60 + LINE_PX * number), line, fill=DIM, font=ImageFont.load_default(FONT_PX)
        )


def _ruler(draw: ImageDraw.ImageDraw, scanner: Scanner) -> None:
    """Draw a depth ruler, a tick each 5 mm, beside the tissue."""
    top, left = scanner.origin_px
    right = scanner.layout != "top"
    x = left + scanner.columns + 6 if right else left - 12
    for tick in range(int(scanner.depth_mm / 5) + 1):
        y = top + round(5 * tick / scanner.spacing_mm)
        draw.line([(x, y), (x + (8 if tick % 2 == 0 else 4), y)], fill=BRIGHT)


def _grey_bar(draw: ImageDraw.ImageDraw, scanner: Scanner) -> None:
    """Draw the bar that shows the grey map, brightest at the top."""
    top, left = scanner.origin_px
    x = {"left": left - 24, "top": left + scanner.columns + 18, "right": left + scanner.columns + 28}[scanner.layout]
    for step in range(100):
        level = 255 - round(step * 2.55)
        draw.line([(x, top + step), (x + 9, top + step)], fill=(level, level, level))


def draw_screen(scanner: Scanner, identity: Identity) -> Grey:
    """Return the picture without tissue, (height, width), or (height, width, 3) from a colour scanner."""
    height, width = scanner.canvas_px
    image = Image.new("RGB", (width, height), (0, 0, 0))
    draw = ImageDraw.Draw(image)
    _logo_and_text(draw, scanner, identity)
    _settings(draw, scanner)
    _ruler(draw, scanner)
    _grey_bar(draw, scanner)
    return np.asarray(image if scanner.color else image.convert("L"))


def on_screen(screen: Grey, scanner: Scanner, tissue: Grey) -> Grey:
    """Return the picture with tissue (rows, columns) in its place, in the shape of the screen."""
    top, left = scanner.origin_px
    picture = screen.copy()
    shown = tissue[..., None] if screen.ndim == 3 else tissue
    picture[top : top + scanner.rows, left : left + scanner.columns] = shown
    return picture
