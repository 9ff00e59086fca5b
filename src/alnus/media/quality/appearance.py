"""What the quality gate measures in the pixels: colour within the tissue, parts without speckle, two panes.

Source: fully developed speckle, log-compressed, has a standard deviation of 5.57 dB whatever its brightness (Dutt and
Greenleaf, Ultrasonic Imaging 16:265, 1994); smoothing leaves a good part of it, a screen or a wall has none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alnus.media.cine import Box
from alnus.media.colour import CELL_PX, Pixels, cell_maximum
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask
from alnus.media.quality.sector import ALIVE, STRONG, liveliness, pieces, spread

BRIGHT, FLAT_LEVELS = 48, 1.5  # mean of a cell that counts as bright; standard deviation under which it is flat
LEAST_CELLS = 20
GAP_PX = 3
ALIKE = 0.7  # of the larger pane's height and width that the smaller has


def coloured_cells(chroma: NDArray[np.uint8], crop: Box, mask: Mask, marks: Mask | None, level: int) -> float:
    """Return the share of the tissue's cells that are coloured, in pieces of 2x2 cells or more.

    chroma: Opened.chroma, cells of the whole frame. Cells with a burned-in mark do not count.
    """
    rows = slice(-(-crop.y // CELL_PX), (crop.y + crop.h) // CELL_PX)
    columns = slice(-(-crop.x // CELL_PX), (crop.x + crop.w) // CELL_PX)
    cells = chroma[rows, columns]
    if not cells.size:
        return 0.0
    top, left = rows.start * CELL_PX - crop.y, columns.start * CELL_PX - crop.x

    def covered(pixels: Mask) -> Mask:
        found = cell_maximum(pixels[top:, left:].view(np.uint8), (CELL_PX, CELL_PX))
        return np.asarray(found[: cells.shape[0], : cells.shape[1]] > 0)

    tissue = ~covered(~mask)
    strong = (cells >= level) & tissue
    if marks is not None:
        strong &= ~covered(marks)
    strong = ndimage.binary_opening(strong, np.ones((2, 2), bool))
    return float(strong.sum() / max(1, int(tissue.sum())))


def flat_share(frame: Pixels, mask: Mask) -> float:
    """Return the share of the bright cells of 8 pixels that have no texture; 0 where few are bright. frame: (h, w)."""
    height, width = (side // CELL_PX * CELL_PX for side in frame.shape)
    shape = (height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)
    cells = frame[:height, :width].reshape(shape)
    inside = np.all(np.all(mask[:height, :width].reshape(shape), axis=1), axis=2)
    bright = inside & (_cell_sums(frame[:height, :width]) >= BRIGHT * CELL_PX**2)
    if bright.sum() < max(LEAST_CELLS, 0.02 * inside.sum()):
        return 0.0
    return float((cells.transpose(0, 2, 1, 3)[bright].std(axis=(1, 2)) < FLAT_LEVELS).mean())


def _cell_sums(frame: Pixels) -> NDArray[np.uint16]:
    """Return the sum over each cell, (h / 8, w / 8); frame: (h, w), both multiples of 8."""
    rows = np.zeros((frame.shape[0] // CELL_PX, frame.shape[1]), np.uint16)
    for start in range(CELL_PX):
        rows += frame[start::CELL_PX]
    return np.asarray(np.add.reduce([rows[:, start::CELL_PX] for start in range(CELL_PX)]))


def halves(observed: Observed) -> tuple[Box, Box] | None:
    """Return two moving areas of much the same height and width, side by side with a still gap; None without."""
    shares, strong = liveliness(observed.coarse, 1), liveliness(observed.coarse, STRONG)
    if shares is None or strong is None:
        return None
    found = pieces((shares >= ALIVE) & (strong >= 0.5 * ALIVE))
    if len(found) < 2:
        return None
    first, second = sorted((spread(_around(piece), observed) for piece in found[:2]), key=lambda box: box.x)
    if second.x - (first.x + first.w) < GAP_PX or not _alike(first, second):
        return None
    low, high = max(first.y, second.y), min(first.y + first.h, second.y + second.h)
    return (first, second) if high - low >= ALIKE * max(first.h, second.h) else None


def _around(piece: Mask) -> Box:
    rows, columns = np.flatnonzero(piece.any(axis=1)), np.flatnonzero(piece.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


def _alike(first: Box, second: Box) -> bool:
    sides = ((first.w, second.w), (first.h, second.h))
    return all(min(pair) >= ALIKE * max(pair) for pair in sides)
