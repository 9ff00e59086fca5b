"""What of a video is not tissue, as numbers: the screen around the scanned region, and marks that never move in it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alnus.media.cine import Box
from alnus.media.fingerprint import area_matrix
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opening import foreign_faults, open_frames
from alnus.media.refusal import Refused, quiet

FloatArray = NDArray[np.float64]

THUMB = 32
CELLS = 16
LOOKED_AT = 5
"""Frames at the beginning of a file that are decoded: what surrounds the tissue stands still."""
STILL_FRAMES = 12
STILL_LEVELS = 12
"""Grey levels by which a pixel may vary and still count as never moving: what compression makes of a mark."""
BRIGHT, BLACK = 100, 12


def around_tissue(path: Path, region: Box | None) -> FloatArray | None:
    """Return the screen outside the tissue as features: 32x32 grey, 16x16 share of bright pixels, size of the picture.

    region: the tissue; None: as the file states it. None where the file cannot be read, or no region is known: then
    nothing is known to be outside.
    """
    try:
        with foreign_faults(), quiet():
            opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
            frames = [np.asarray(frame) for _, frame in islice(opened.frames, LOOKED_AT)]
    except Refused:
        return None
    box = region or opened.region
    if box is None or not frames:
        return None
    screen = np.median(np.stack(frames), axis=0).astype(np.float32)
    screen[box.y : box.y + box.h, box.x : box.x + box.w] = 0
    return np.concatenate([_grid(screen, THUMB), _grid(screen > BRIGHT, CELLS), np.array(screen.shape, float)])


def _grid(picture: NDArray[np.generic], side: int) -> FloatArray:
    down, across = (area_matrix(length, side) for length in picture.shape)
    return np.asarray(down @ picture.astype(np.float32) @ across.T, np.float64).ravel()


def marks_inside(frames: NDArray[np.uint8]) -> FloatArray:
    """Return where pixels of a cine (T, H, W) never move, as features: 16x16 share of bright ones and of black ones.

    Calipers, arrows and text are bright; what ingestion has masked is black, and tells as much by its place.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), STILL_FRAMES)).round().astype(int))
    low = high = np.asarray(frames[0])
    for index in chosen[1:]:
        low, high = np.minimum(low, frames[index]), np.maximum(high, frames[index])
    still = (high - low) <= STILL_LEVELS
    if len(chosen) < 2 or still.mean() > 0.9:  # a cine that stands still altogether has no marks to tell apart
        still = np.zeros_like(still)
    return np.concatenate([_grid(still & (low > BRIGHT), CELLS), _grid(still & (high < BLACK), CELLS)])
