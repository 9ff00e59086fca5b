"""Connected pieces of a mask, and the nearest pixel outside of it: what scipy.ndimage does, by rows and runs.

scipy.ndimage would take each decoding process 0.15 s to import, as long as it needs to decode 100 frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alnus.media.quality.outline import Mask

Labels = NDArray[np.int32]
Place = tuple[slice, slice]
_Runs = NDArray[np.intp]


def label(mask: Mask, *, corners: bool = False) -> tuple[Labels, list[Place]]:
    """Return the number of each pixel's piece, (H, W), and the rows and columns around each piece.

    Pieces count from 1, in the order of their first pixels; 0 is what lies outside. corners: pixels that touch at a
    corner are of one piece.
    """
    starts, ends, width = _runs(mask)
    roots = _roots(*_touching(starts, ends, width, int(corners)), len(starts))
    firsts, numbers = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(numbers + 1, ends - starts)
    return labels, _places(starts, ends, width, numbers, len(firsts))


def _runs(mask: Mask) -> tuple[_Runs, _Runs, int]:
    """Return where each run of True begins and ends, counted through rows of the width returned: none crosses two."""
    height, width = mask.shape
    flat = np.zeros(height * (width + 1) + 1, bool)
    flat[1:].reshape(height, width + 1)[:, :width] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return edges[::2], edges[1::2], width + 1


def _touching(starts: _Runs, ends: _Runs, width: int, reach: int) -> tuple[_Runs, _Runs]:
    """Return the pairs of runs that touch, the upper ones and the lower ones."""
    first = np.searchsorted(ends, starts + width - reach, side="right")
    last = np.searchsorted(starts, ends + width + reach, side="left")
    count = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), count)
    within = np.arange(len(upper)) - np.repeat(np.cumsum(count) - count, count)
    return upper, np.repeat(first, count) + within


def _roots(upper: _Runs, lower: _Runs, runs: int) -> _Runs:
    """Return for each run the first of its piece: of two roots the larger is hung below the smaller, until none is."""
    roots = np.arange(runs)
    while True:
        one, other = roots[upper], roots[lower]
        if (one == other).all():
            return roots
        np.minimum.at(roots, np.maximum(one, other), np.minimum(one, other))
        while (roots != (further := roots[roots])).any():
            roots = further


def _places(starts: _Runs, ends: _Runs, width: int, numbers: _Runs, count: int) -> list[Place]:
    rows, left = np.divmod(starts, width)
    right = ends - rows * width
    least, most = np.full((2, count), np.iinfo(np.intp).max), np.zeros((2, count), np.intp)
    for axis, (low, high) in enumerate(((rows, rows + 1), (left, right))):
        np.minimum.at(least[axis], numbers, low)
        np.maximum.at(most[axis], numbers, high)
    sides = np.stack([least[0], most[0], least[1], most[1]], axis=1).tolist()
    return [(slice(top, bottom), slice(begin, end)) for top, bottom, begin, end in sides]


def nearest_outside(mask: Mask, asked: Mask) -> tuple[_Runs, _Runs]:
    """Return row and column of the nearest pixel that is False, (H, W) each; right wherever `asked` is True.

    At least one pixel must be False. Of several at one distance the first in the picture is returned.
    """
    height, width = mask.shape
    rows = _nearest_row(mask)
    squares = (rows - np.arange(height)[:, None]) ** 2
    # the square of the distance and, in the lower 32 bits, which pixel it is: one minimum compares both
    upright = (squares << 32) + np.clip(rows, 0, height - 1) * width + np.arange(width)
    nearest, needed = upright.copy(), np.flatnonzero(asked)
    for step in range(1, width):
        if not len(needed) or int(nearest.ravel()[needed].max() >> 32) <= step * step:
            break
        aside = upright + (step * step << 32)
        np.minimum(nearest[:, step:], aside[:, :-step], out=nearest[:, step:])
        np.minimum(nearest[:, :-step], aside[:, step:], out=nearest[:, :-step])
    row, column = np.divmod(nearest & 0xFFFFFFFF, width)
    return row, column


def _nearest_row(mask: Mask) -> _Runs:
    """Return the row of the nearest False in each pixel's column, (H, W); one far away where the column has none."""
    numbers = np.arange(len(mask))[:, None]
    far = 4 * max(mask.shape)
    above = np.maximum.accumulate(np.where(mask, -far, numbers), axis=0)
    below = np.minimum.accumulate(np.where(mask, far + len(mask), numbers)[::-1], axis=0)[::-1]
    return np.where(numbers - above <= below - numbers, above, below)
