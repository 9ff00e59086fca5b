"""Where the scanned tissue lies in a DICOM frame, what lies beside it, and how large its pixels are.

Source: DICOM PS3.3 C.8.5.5.1 (US region calibration: spatial format, data type, units), C.7.6.2 (PixelSpacing: row,
column, mm).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from pydicom.dataset import Dataset

from alnus.media.cine import Box
from alnus.media.dicom.facts import Pane, PaneKind
from alnus.media.dicom.header import items_of, value_of

_TWO_DIMENSIONAL, _M_MODE, _SPECTRAL = 1, 2, 3  # RegionSpatialFormat
_TISSUE, _COLOUR_FLOW = 1, 2  # RegionDataType
_DOPPLER_DATA = range(3, 8)  # spectra of pulsed and continuous waves, and the mean, mode and maximum traces of them
_CENTIMETRES = 3
_CORNERS = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
_MOST_REGIONS = 64

_EXCESS_PX = 2  # that a corner may lie outside by: some write the first pixel that is no longer inside
_SAME_SHARE = 0.8  # of two regions' union that they share where they are one region stated twice

Spacing = tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """The region to keep, clamped to the frame, and its (row, column) spacing in mm; None where not stated.

    panes: all regions, each once. is_doubtful: the region does not fit the frame.
    """

    region: Box | None
    spacing_mm: Spacing | None
    panes: tuple[Pane, ...] = ()
    is_doubtful: bool = False


@dataclass(frozen=True)
class _Region:
    pane: Pane
    spacing_mm: Spacing | None
    stated: tuple[int, int, int, int]
    excess_px: int


def geometry_of(header: Dataset, width: int, height: int, notes: list[str]) -> Geometry:
    """Return the 2-D tissue region; of several the largest, and where there is none the 2-D colour-flow region.

    What was clamped, left out or chosen is appended to `notes`.
    """
    regions = _regions(header, width, height, notes)
    panes = tuple(region.pane for region in regions)
    kept = [region for region in regions if region.pane.kind == "tissue"]
    if not kept and (kept := [region for region in regions if region.pane.kind == "colour"]):
        notes.append("no region of 2-D tissue is stated; that of colour flow is used")
    if not kept:
        return Geometry(None, pixel_spacing(header), panes)
    if len(kept) > 1:
        notes.append(f"{len(kept)} regions of 2-D {kept[0].pane.kind} are stated; the largest is used")
    chosen = max(kept, key=lambda region: region.pane.box.w * region.pane.box.h)
    if chosen.excess_px:
        x0, y0, x1, y1 = chosen.stated
        notes.append(
            f"the stated region ({x0},{y0})-({x1},{y1}) exceeds the {width}x{height} frame and was clamped; "
            "its spacing may not hold"
        )
    return Geometry(chosen.pane.box, chosen.spacing_mm, panes, chosen.excess_px > _EXCESS_PX)


def _regions(header: Dataset, width: int, height: int, notes: list[str]) -> list[_Region]:
    found: list[_Region] = []
    for item in items_of(header, "SequenceOfUltrasoundRegions")[:_MOST_REGIONS]:
        kind = _kind(item)
        region = _clamped(item, kind, width, height)
        if region is None:
            if kind == "tissue":
                notes.append("a stated region has no pixel inside the frame and was left out")
        elif not any(other.pane.kind == kind and _are_same(other.pane.box, region.pane.box) for other in found):
            found.append(region)
    return found


def _kind(item: Dataset) -> PaneKind:
    """Tell what a region shows by its spatial format and data type."""
    try:
        layout, data = value_of(item, "RegionSpatialFormat"), value_of(item, "RegionDataType")
    except Exception:  # pydicom raises many kinds over a malformed element
        return "other"
    if layout == _TWO_DIMENSIONAL and data in (_TISSUE, _COLOUR_FLOW):
        return "tissue" if data == _TISSUE else "colour"
    if layout == _M_MODE:
        return "m-mode"
    if layout == _SPECTRAL or (isinstance(data, int) and data in _DOPPLER_DATA):
        return "doppler"
    return "other"


def _clamped(item: Dataset, kind: PaneKind, width: int, height: int) -> _Region | None:
    """Return the part of a region inside the frame, None where nothing is. The stated corners are both inside it."""
    try:
        x0, y0, x1, y1 = (int(value_of(item, keyword)) for keyword in _CORNERS)
    except Exception:  # a corner is missing or malformed
        return None
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x1 + 1, width), min(y1 + 1, height)
    if right <= left or bottom <= top:
        return None
    excess_px = max(left - x0, top - y0, x1 + 1 - right, y1 + 1 - bottom)
    box = Box(left, top, right - left, bottom - top)
    return _Region(Pane(box, kind), _spacing(item), (x0, y0, x1, y1), excess_px)


def _are_same(one: Box, other: Box) -> bool:
    across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    down = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    shared = max(across, 0) * max(down, 0)
    return shared > _SAME_SHARE * (one.w * one.h + other.w * other.h - shared)


def _spacing(item: Dataset) -> Spacing | None:
    """Return (row, column) spacing in mm where both units are cm and both deltas usable; a sign is a direction."""
    try:
        units = [value_of(item, f"PhysicalUnits{axis}Direction") for axis in "XY"]
        column_cm, row_cm = (abs(float(value_of(item, f"PhysicalDelta{axis}"))) for axis in "XY")
    except Exception:  # a delta is missing or malformed
        return None
    return _usable(row_cm * 10, column_cm * 10) if units == [_CENTIMETRES, _CENTIMETRES] else None


def pixel_spacing(holder: Dataset) -> Spacing | None:
    """Return the (row, column) PixelSpacing in mm of a header or of a functional group."""
    try:
        row_mm, column_mm = (float(value) for value in value_of(holder, "PixelSpacing"))
    except Exception:  # absent or malformed
        return None
    return _usable(row_mm, column_mm)


def _usable(row_mm: float, column_mm: float) -> Spacing | None:
    usable = all(isfinite(value) and value > 0 for value in (row_mm, column_mm))
    return (row_mm, column_mm) if usable else None
