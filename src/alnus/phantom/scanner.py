"""Three invented scanners, one a centre: what differs between hospitals when the same lesion is filmed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

SPEED_OF_SOUND_MM_S = 1.54e6
"""Soft tissue's mean, which scanners assume. Source: Szabo, Diagnostic Ultrasound Imaging, 2nd ed., appendix B."""

MARGIN_PX = 8
"""Pixels simulated beyond each edge of the image, so that the convolution's wrap-around stays outside."""


@dataclass(frozen=True)
class Scanner:
    """A linear-array scanner and the picture it draws.

    sigma_*_mm: standard deviations of the Gaussian point-spread function's amplitude (pulse-echo), in mm.
    rows, columns: pixels of scanned tissue; spacing_mm: side of a square pixel.
    gain_db: raises every echo; tgc_db_cm_mhz: the attenuation that the time gain compensation assumes.
    noise_db: thermal noise of the receiver, against glandular tissue's echo at the skin.
    canvas_px: (height, width) of the whole picture; origin_px: (row, column) of the tissue in it.
    """

    center: str
    model: str
    frequency_mhz: float
    sigma_axial_mm: float
    sigma_lateral_mm: float
    sigma_elevation_mm: float
    rows: int
    columns: int
    spacing_mm: float
    dynamic_range_db: float
    gain_db: float
    tgc_db_cm_mhz: float
    noise_db: float
    frame_rate_hz: float
    canvas_px: tuple[int, int]
    origin_px: tuple[int, int]
    color: bool
    layout: Literal["left", "top", "right"]

    @property
    def depth_mm(self) -> float:
        """Depth of the image."""
        return self.rows * self.spacing_mm

    @property
    def width_mm(self) -> float:
        """Width of the image, which is the probe's."""
        return self.columns * self.spacing_mm


SCANNERS = {
    "A": Scanner(
        center="A", model="Alder 10", frequency_mhz=10.0, sigma_axial_mm=0.13, sigma_lateral_mm=0.23,
        sigma_elevation_mm=0.65, rows=264, columns=256, spacing_mm=0.150, dynamic_range_db=60, gain_db=0,
        tgc_db_cm_mhz=0.60, noise_db=-66, frame_rate_hz=24, canvas_px=(336, 400), origin_px=(48, 88), color=False,
        layout="left",
    ),
    "B": Scanner(
        center="B", model="Birch SX", frequency_mhz=8.5, sigma_axial_mm=0.15, sigma_lateral_mm=0.27,
        sigma_elevation_mm=0.72, rows=256, columns=264, spacing_mm=0.158, dynamic_range_db=54, gain_db=3,
        tgc_db_cm_mhz=0.57, noise_db=-62, frame_rate_hz=30, canvas_px=(352, 368), origin_px=(64, 40), color=False,
        layout="top",
    ),
    "C": Scanner(
        center="C", model="Cedar View", frequency_mhz=7.5, sigma_axial_mm=0.17, sigma_lateral_mm=0.31,
        sigma_elevation_mm=0.80, rows=256, columns=272, spacing_mm=0.166, dynamic_range_db=66, gain_db=-2,
        tgc_db_cm_mhz=0.64, noise_db=-64, frame_rate_hz=18, canvas_px=(320, 416), origin_px=(32, 24), color=True,
        layout="right",
    ),
}  # fmt: skip


def scaled(scanner: Scanner, scale: float) -> Scanner:
    """Return the scanner with `scale` times the pixels across the same tissue; the margins of the picture stay.

    The point-spread function is kept at 0.7 pixels or more, so that coarse images hold speckle, not aliases.
    """
    rows, columns = round(scanner.rows * scale), round(scanner.columns * scale)
    spacing = scanner.depth_mm / rows
    canvas = (scanner.canvas_px[0] - scanner.rows + rows, scanner.canvas_px[1] - scanner.columns + columns)
    even = (canvas[0] + canvas[0] % 2, canvas[1] + canvas[1] % 2)  # H.264's 4:2:0 needs even sides
    return replace(
        scanner,
        rows=rows,
        columns=columns,
        spacing_mm=spacing,
        canvas_px=even,
        sigma_axial_mm=max(scanner.sigma_axial_mm, 0.7 * spacing),
        sigma_lateral_mm=max(scanner.sigma_lateral_mm, 0.7 * spacing),
    )
