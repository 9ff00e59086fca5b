"""Where the lesion lies in every frame of a cine, from the geometry that the cine was simulated with.

The lesion's cut by the image plane at the probe's elevation, moved with the probe's drift and with the tissue under
pressure. Nothing is drawn at random, so a cine's bytes do not depend on whether its masks were made.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alnus.phantom.lesion import Array, Lesion, is_inside
from alnus.phantom.scanner import Scanner
from alnus.phantom.sweep import Examination, UnitDisplacement, unit_displacement

Masks = NDArray[np.bool_]  # (frames, rows, columns)
FINER = 2
"""Points a side of a pixel at which a pressed lesion is looked up; a pixel is its own where half of them are. Without
pressure the pixels' centres will do: all move alike."""


@dataclass(frozen=True)
class _Points:
    """Points of the plane around a lesion, on a grid `finer` than the pixels: x_mm, z_mm (points,), what moves them."""

    finer: int
    x_mm: Array
    z_mm: Array
    axial_mm: Array
    lateral_mm: Array


def frame_masks(lesion: Lesion, examination: Examination, scanner: Scanner) -> Masks:
    """Return which pixels show the lesion with its spicules in each frame, (frames, rows, columns)."""
    displacement = unit_displacement(lesion, scanner)
    free, pressed = (_around(lesion, scanner, displacement, finer=finer) for finer in (1, FINER))
    pressed_cut = _cut(lesion, pressed, 0.0)  # the probe stands at the centre while it presses
    masks = np.zeros((len(examination.strain), scanner.rows, scanner.columns), np.bool_)
    places = zip(examination.elevation_mm, examination.drift_mm, examination.strain, strict=True)
    for frame, (elevation, drift, strain) in enumerate(places):
        if abs(elevation) >= lesion.half_mm[1]:
            continue
        points, inside = (pressed, pressed_cut) if strain > 0 else (free, _cut(lesion, free, float(elevation)))
        masks[frame] = _rasterised(points, inside, scanner, drift_mm=float(drift), strain=float(strain))
    return masks


def _cut(lesion: Lesion, points: _Points, elevation_mm: float) -> NDArray[np.bool_]:
    elevation = np.full((1,), elevation_mm, np.float32)
    return is_inside(lesion, points.x_mm, elevation, points.z_mm)


def frame_masks_tiff(masks: NDArray[np.uint8]) -> bytes:
    """Return masks (frames, height, width), 0 or 255, as a TIFF of one page a frame, one bit a pixel, lossless."""
    pages = [Image.fromarray(mask).convert("1") for mask in masks]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    return buffer.getvalue()


def _around(lesion: Lesion, scanner: Scanner, displacement: UnitDisplacement, *, finer: int) -> _Points:
    """Return the points within the reach of the longest spicule that the image shows."""
    step = scanner.spacing_mm / finer
    reach = (2.05 * lesion.half_mm[0], 2.05 * lesion.half_mm[2])  # 1 + lobes + SPICULE_REACH, in radii
    x = _grid(lesion.x_mm - reach[0], lesion.x_mm + reach[0], -scanner.width_mm / 2, step)
    z = _grid(max(0.0, lesion.z_mm - reach[1]), lesion.z_mm + reach[1], 0.0, step)
    across, deep = (grid.ravel().astype(np.float32) for grid in np.meshgrid(x, z))
    near = _wide(lesion, across, deep)
    across, deep = across[near], deep[near]
    return _Points(finer, across, deep, *displacement.at(across, deep))


def _wide(lesion: Lesion, x_mm: Array, z_mm: Array) -> NDArray[np.bool_]:
    """Tell which points the lesion could reach in any zone: within the ellipse of its longest spicules."""
    lateral, _, axial = lesion.half_mm
    return np.asarray(np.hypot((x_mm - lesion.x_mm) / lateral, (z_mm - lesion.z_mm) / axial) < 2.05)


def _grid(low: float, high: float, origin: float, step: float) -> NDArray[np.float64]:
    """Return the centres of the fine cells from low to high; cells begin at `origin`."""
    first, last = np.floor((low - origin) / step), np.ceil((high - origin) / step)
    return np.asarray(origin + (np.arange(first, last) + 0.5) * step)


def _rasterised(
    points: _Points, inside: NDArray[np.bool_], scanner: Scanner, *, drift_mm: float, strain: float
) -> NDArray[np.bool_]:
    """Return the pixels where at least half of the fine points are the lesion's, (rows, columns)."""
    x = points.x_mm[inside] + drift_mm + strain * points.lateral_mm[inside]
    z = points.z_mm[inside] - strain * points.axial_mm[inside]
    columns = np.floor((x + scanner.width_mm / 2) / scanner.spacing_mm).astype(np.int64)
    rows = np.floor(z / scanner.spacing_mm).astype(np.int64)
    shown = (columns >= 0) & (columns < scanner.columns) & (rows >= 0) & (rows < scanner.rows)
    pixels = rows[shown] * scanner.columns + columns[shown]
    counts = np.bincount(pixels, minlength=scanner.rows * scanner.columns)
    return np.asarray((counts >= points.finer**2 / 2).reshape(scanner.rows, scanner.columns))
