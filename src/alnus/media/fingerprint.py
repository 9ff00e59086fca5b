"""A cine as a small array that survives re-encoding: what `alnus check` compares to find the same video twice.

A fingerprint holds up to 256 frames, evenly chosen, each reduced to 64x64 by averaging areas, and which of these
places show anything that moves: what stands still (overlays, the black around a sector) is the scanner's, not the
patient's, and must not make two videos alike. Frames are compared after `bands`: the part of a frame that is finer
than its layers of tissue and coarser than what a codec loses, its contrast made the same everywhere, so that gain,
gamma and compression hardly change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

SIDE = 64
MOST_FRAMES = 256
DEAD_LEVEL = 6.0
"""Grey levels (0-255) that a place must vary by (standard deviation) or it counts as still, unless all is so calm."""
CALM_SHARE = 0.2
"""A place is still, too, where it varies by less than this share of the median of the places that do vary."""
CONTRAST_FLOOR = 1.5
"""Grey levels added to the local contrast, so that flat areas do not become noise."""
NO_WEIGHT = 1e-9
"""A Gaussian's weight that is taken for 0: float32 numbers below 1e-38 make products of matrices five times as slow."""
WHOLE = (0.0, 1.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """A cine in small. Two are equal only where they are one object.

    thumbs: (T, 64, 64) uint8, T at most 256. frames: (T,) which frames of the cine these are. moving: (64, 64), where
    something moves. times_s: (T,) the frames' times. total: frames of the cine.
    """

    thumbs: NDArray[np.uint8]
    frames: NDArray[np.int64]
    times_s: NDArray[np.float64]
    moving: BoolArray
    total: int


def fingerprint(frames: NDArray[np.uint8], times_s: NDArray[np.float64]) -> Fingerprint:
    """Return the fingerprint of luma frames (T, H, W), whatever their size. times_s: (T,) in seconds."""
    total = len(frames)
    chosen = np.unique(np.linspace(0, total - 1, min(total, MOST_FRAMES)).round().astype(np.int64))
    down, across = area_matrix(frames.shape[1], SIDE), area_matrix(frames.shape[2], SIDE)
    small = np.stack([down @ np.asarray(frames[index], np.float32) @ across.T for index in chosen])
    return Fingerprint(
        np.clip(small + 0.5, 0, 255).astype(np.uint8), chosen, np.asarray(times_s)[chosen], _moving(small), total
    )


def area_matrix(length: int, side: int) -> FloatArray:
    """Return the matrix (side, length) that averages `length` samples into `side` parts of equal length."""
    edges = np.linspace(0, length, side + 1)
    starts, ends = np.arange(length), np.arange(1, length + 1)
    overlap = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], starts)
    weights = np.clip(overlap, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _moving(small: FloatArray) -> BoolArray:
    """Return where frames (T, 64, 64) change in time; in a cine that stands still, where they are not black."""
    spread = small.std(axis=0)
    visible = spread > 1
    if len(small) < 2 or visible.mean() < 0.02:
        return np.asarray(small.mean(axis=0) > 2 * DEAD_LEVEL)
    floor = min(DEAD_LEVEL, CALM_SHARE * float(np.median(spread[visible])) + 0.5)
    return np.asarray(spread > floor)


@lru_cache(maxsize=2048)
def window_matrix(low: float, high: float, side: int) -> FloatArray:
    """Return the matrix (side, SIDE) that shows the part [low, high) of a thumbnail's side, in shares of it.

    Linear interpolation, averaged over four points a place; what lies beyond the edge repeats it. Kept, as fitting a
    window asks for the same ones thousands of times: not to be written to.
    """
    points = (np.arange(4 * side) + 0.5) / (4 * side)
    position = np.clip((low + (high - low) * points) * SIDE - 0.5, 0, SIDE - 1)
    left = np.minimum(position.astype(int), SIDE - 2)
    share = position - left
    matrix = np.zeros((4 * side, SIDE), np.float32)
    rows = np.arange(4 * side)
    matrix[rows, left] = 1 - share
    matrix[rows, left + 1] += share
    return np.asarray(matrix.reshape(side, 4, SIDE).mean(axis=1), np.float32)


@lru_cache(maxsize=256)
def smoothing_matrix(side: int, sigma: float) -> FloatArray:
    """Return the matrix (side, side) that smooths with a Gaussian; its rows sum to one at the edges, too."""
    distance = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    weights[weights < NO_WEIGHT] = 0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def bands(
    thumbs: NDArray[np.uint8] | FloatArray,
    moving: BoolArray,
    *,
    side: int,
    fine: float,
    coarse: float,
    window: tuple[float, float, float, float] = WHOLE,
) -> tuple[FloatArray, FloatArray]:
    """Return the band-passed frames (T, side, side), contrast equalised, and the weight (side, side) of each place.

    window: (top, bottom, left, right) as shares of the frame, what of it is shown. fine, coarse: standard deviations of
    the two Gaussians whose difference is taken, in places. Still places have weight and value 0 and count for nothing
    in the smoothing of their neighbours.
    """
    down = window_matrix(window[0], window[1], side)
    across = window_matrix(window[2], window[3], side).T
    share = down @ moving.astype(np.float32) @ across
    inside = _inside(window[0], window[1], side)[:, None] * _inside(window[2], window[3], side)
    weight = np.where(share > 0.6, share, 0).astype(np.float32) * inside
    frames = _both_sides(thumbs.astype(np.float32), down, across.T) * weight
    detail = _smoothed(frames, weight, fine) - _smoothed(frames, weight, coarse)
    contrast = np.sqrt(np.clip(_smoothed(weight * detail**2, weight, coarse), 0, None))
    return np.asarray(detail / (contrast + CONTRAST_FLOOR) * (weight > 0), np.float32), weight


def _inside(low: float, high: float, side: int) -> FloatArray:
    position = low + (high - low) * (np.arange(side) + 0.5) / side
    return np.asarray((position > 0) & (position < 1), np.float32)


def _smoothed(weighted: FloatArray, weight: FloatArray, sigma: float) -> FloatArray:
    """Return the weighted mean around each place; `weighted` is values times weight."""
    smooth = smoothing_matrix(weight.shape[0], sigma)
    mass = smooth @ weight @ smooth.T
    return np.asarray(_both_sides(weighted, smooth, smooth) / np.maximum(mass, 1e-3), np.float32)


def _both_sides(frames: FloatArray, down: FloatArray, across: FloatArray) -> FloatArray:
    """Return down @ frame @ across.T for each frame (T, h, w): two large products are several times as fast as 2 T."""
    count, height, width = frames.shape
    once = (frames.reshape(-1, width) @ across.T).reshape(count, height, -1).swapaxes(1, 2)  # (T, across, h)
    twice = (once.reshape(-1, height) @ down.T).reshape(count, len(across), -1)
    return np.asarray(twice.swapaxes(1, 2), np.float32)  # (T, down, across)
