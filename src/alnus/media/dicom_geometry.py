"""Where the scanned tissue lies in a DICOM frame, and how large its pixels are.

Source: DICOM PS3.3 C.8.5.5 (US region calibration): RegionSpatialFormat 1 = 2-D, RegionDataType 1 = tissue,
PhysicalUnits 3 = cm; PS3.3 C.7.6.2 (PixelSpacing: row, column, mm).
"""

from __future__ import annotations

from math import isfinite

from pydicom.dataset import Dataset

from alnus.media.cine import Box

_TWO_DIMENSIONAL, _TISSUE, _CENTIMETRES = 1, 1, 3
_CORNERS = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")


def tissue_region(
    dataset: Dataset, width: int, height: int, notes: list[str]
) -> tuple[Box | None, tuple[float, float] | None]:
    """Return the 2-D tissue region, clamped to the frame, and the (row, column) spacing in mm; None where not stated.

    Of several the largest counts. What was clamped, left out or chosen is appended to `notes`.
    """
    found: list[tuple[Box, tuple[float, float] | None, str]] = []
    for item in _items(dataset):
        if (box_note := _clamped(item, width, height)) is not None:
            found.append((box_note[0], _spacing(item), box_note[1]))
        else:
            notes.append("a stated region has no pixel inside the frame and was left out")
    if not found:
        return None, _pixel_spacing(dataset)
    if len(found) > 1:
        notes.append(f"{len(found)} regions of 2-D tissue are stated; the largest is used")
    box, spacing_mm, note = max(found, key=lambda region: region[0].w * region[0].h)
    if note:
        notes.append(note)
    return box, spacing_mm


def _items(dataset: Dataset) -> list[Dataset]:
    try:
        items = dataset.get("SequenceOfUltrasoundRegions") or []
        return [item for item in items if _is_tissue(item)]
    except Exception:  # pydicom raises many kinds over a malformed sequence; without a region the whole frame counts
        return []


def _is_tissue(item: Dataset) -> bool:
    return bool(item.get("RegionSpatialFormat") == _TWO_DIMENSIONAL and item.get("RegionDataType") == _TISSUE)


def _clamped(item: Dataset, width: int, height: int) -> tuple[Box, str] | None:
    """Return the part of a region inside the frame, and a note where that is not all; None where nothing is.

    The stated corners are both inside the region.
    """
    try:
        x0, y0, x1, y1 = (int(item[keyword].value) for keyword in _CORNERS)
    except Exception:  # a corner is missing or malformed
        return None
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x1 + 1, width), min(y1 + 1, height)
    if right <= left or bottom <= top:
        return None
    note = ""
    if (left, top, right, bottom) != (x0, y0, x1 + 1, y1 + 1):
        note = (
            f"the stated region ({x0},{y0})-({x1},{y1}) exceeds the {width}x{height} frame and was clamped; "
            "its spacing may not hold"
        )
    return Box(left, top, right - left, bottom - top), note


def _spacing(item: Dataset) -> tuple[float, float] | None:
    """Return (row, column) spacing in mm where both units are cm and both deltas usable; a sign is a direction."""
    try:
        if item.get("PhysicalUnitsXDirection") != _CENTIMETRES or item.get("PhysicalUnitsYDirection") != _CENTIMETRES:
            return None
        return _usable(abs(float(item.PhysicalDeltaY)) * 10, abs(float(item.PhysicalDeltaX)) * 10)
    except Exception:  # a delta is missing or malformed
        return None


def _pixel_spacing(dataset: Dataset) -> tuple[float, float] | None:
    try:
        row_mm, column_mm = (float(value) for value in dataset.PixelSpacing)
    except Exception:  # absent or malformed
        return None
    return _usable(row_mm, column_mm)


def _usable(row_mm: float, column_mm: float) -> tuple[float, float] | None:
    usable = all(isfinite(value) and value > 0 for value in (row_mm, column_mm))
    return (row_mm, column_mm) if usable else None
