"""Which pixels of a cine are tissue, and what its header says of them once the others are black.

Source: DICOM PS3.15 E.3.1 (Clean Pixel Data Option); PS3.3 C.8.5.5 (region calibration; the reference pixel counts from
the region's corner), C.7.6.3 (image pixel), C.7.6.5 (cine), C.7.6.6 (multi-frame).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage

from alnus.media.cine import Box, Times

KeptPixels = NDArray[np.bool_]  # (height, width) of the whole frame

_EVEN = 1e-4  # share of the median interval by which frames may stray and still count as evenly spaced
_STILL_MS = 40.0  # how long the one frame of a cine is shown; it must be stated, and nothing tells it
_VECTOR_BYTES = 65_000  # what a DS element holds in Explicit VR: its length has 16 bits (PS3.5 7.1.2)


def kept_pixels(
    size: tuple[int, int], box: Box, *, sector: KeptPixels | None = None, marks: KeptPixels | None = None
) -> KeptPixels:
    """Return which pixels of a frame of `size` (width, height) are shown: the box, in it the sector, without marks.

    sector, marks: (box.h, box.w), True in the sector, True on burned-in text.
    """
    inside = np.ones((box.h, box.w), np.bool_) if sector is None else sector.copy()
    if marks is not None:
        inside &= ~marks
    keep = np.zeros(size[::-1], np.bool_)
    keep[box.y : box.y + box.h, box.x : box.x + box.w] = inside
    return keep


def bounding_box(keep: KeptPixels) -> Box | None:
    """Return the smallest box around the kept pixels, None where there are none."""
    rows, columns = np.flatnonzero(keep.any(axis=1)), np.flatnonzero(keep.any(axis=0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    return Box(left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)


def blacken(frames: NDArray[np.uint8], keep: KeptPixels) -> None:
    """Set every pixel that is not kept to 0, in place, a frame at a time. frames: (T, H, W) or (T, H, W, 3)."""
    hidden = ~keep
    for frame in frames:
        frame[hidden] = 0


def clip_regions(clean: Dataset, box: Box) -> None:
    """Cut the stated regions to what is shown, the calibration of each kept; one that is not shown goes."""
    if "SequenceOfUltrasoundRegions" not in clean:
        return
    shown = [item for item in clean.SequenceOfUltrasoundRegions if _clip(item, box)]
    clean.SequenceOfUltrasoundRegions = DicomSequence(shown)
    if not shown:
        del clean.SequenceOfUltrasoundRegions


def _clip(item: Dataset, box: Box) -> bool:
    left, top = max(item.RegionLocationMinX0, box.x), max(item.RegionLocationMinY0, box.y)
    right = min(item.RegionLocationMaxX1, box.x + box.w - 1)
    bottom = min(item.RegionLocationMaxY1, box.y + box.h - 1)
    if right < left or bottom < top:
        return False
    if "ReferencePixelX0" in item:
        item.ReferencePixelX0 -= left - item.RegionLocationMinX0
    if "ReferencePixelY0" in item:
        item.ReferencePixelY0 -= top - item.RegionLocationMinY0
    item.RegionLocationMinX0, item.RegionLocationMaxX1 = left, right
    item.RegionLocationMinY0, item.RegionLocationMaxY1 = top, bottom
    return True


def state_pixels(clean: Dataset, shape: tuple[int, ...]) -> None:
    """State the image pixel module of 8-bit frames (T, H, W) or (T, H, W, 3)."""
    coloured = len(shape) == 4
    clean.SamplesPerPixel = 3 if coloured else 1
    clean.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        clean.PlanarConfiguration = 0
    elif "PlanarConfiguration" in clean:
        del clean.PlanarConfiguration
    clean.Rows, clean.Columns = shape[1:3]
    clean.BitsAllocated, clean.BitsStored, clean.HighBit, clean.PixelRepresentation = 8, 8, 7, 0


def state_times(clean: Dataset, times_s: Times) -> list[str]:
    """State the frames' number and times; return a note where they cannot be stated exactly."""
    _drop(clean, ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate", "FrameIncrementPointer"))
    if len(times_s) == 1 and clean.SOPClassUID in (UltrasoundImageStorage, SecondaryCaptureImageStorage):
        _drop(clean, ("NumberOfFrames", "PreferredPlaybackSequencing"))  # the classes of one frame do without
        return []
    clean.NumberOfFrames = len(times_s)
    if len(times_s) == 1:
        clean.FrameTime, clean.FrameIncrementPointer = _STILL_MS, 0x00181063  # Type 1 in a class of several frames
        return []
    intervals_ms = np.diff(times_s) * 1000
    middle_ms = float(np.median(intervals_ms))
    vector = [0.0, *(float(f"{interval:.6g}") for interval in intervals_ms)]
    fits = len("\\".join(f"{interval:.6g}" for interval in vector)) <= _VECTOR_BYTES
    clean.RecommendedDisplayFrameRate = clean.CineRate = min(max(round(1000 / middle_ms), 1), 1000)
    if np.abs(intervals_ms - middle_ms).max() <= _EVEN * middle_ms or not fits:
        mean_ms = float(intervals_ms.mean())
        clean.FrameTime, clean.FrameIncrementPointer = float(f"{mean_ms:.9g}"), 0x00181063
        return [] if fits else [f"{len(times_s)} uneven frame times do not fit into the element: evenly spaced here"]
    clean.FrameTimeVector, clean.FrameIncrementPointer = vector, 0x00181065
    return []


def _drop(clean: Dataset, keywords: Iterable[str]) -> None:
    for keyword in keywords:
        if keyword in clean:
            delattr(clean, keyword)
