"""Whether one cine is a copy of another: the best alignment in space (a window) and in time (a line), and its score.

Frames of two videos of different sweeps share no speckle, so their band-passed frames correlate at about 0; a copy's
correlate at 0.6 and more once window and line are right, whatever codec, gain or size came between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from alnus.media.fingerprint import SIDE as THUMB
from alnus.media.fingerprint import WHOLE, BoolArray, Fingerprint, FloatArray, bands, window_matrix

Window = tuple[float, float, float, float]
Band = tuple[float, float]

SIDE = 32
FINEST: Band = (1.0, 3.5)
"""Standard deviations of the band-pass by which copies are told, in places of a 32x32 grid."""
LEVELS: tuple[tuple[int, Band, tuple[float, ...], float], ...] = (
    (SIDE // 2, (1.0, 3.0), (0.05, 0.025), 0.5),
    (SIDE, FINEST, (0.02, 0.01, 0.005), 0.6),
    (SIDE, FINEST, (0.01, 0.005), 0.6),
)
"""Places of a side, band, changes of the window that are tried (shares of the frame), and the score below which it is
given up: first with coarse detail, which forgives a window that is off by a tenth."""
SUPPORT = 1.0
"""A line that spans n frames of the cine of which it spans fewer scores mean * n / (n + 1): few that agree may do so by
chance."""
LEAST_FRAMES = 12
"""Frames of each cine that a line must span; a part of 16 frames keeps this much after its ends are lost."""
LEAST_PAIRS = 4
"""Thumbnails of each cine that a line must meet."""
PARTS, LEAST_HELD = 8, 0.3
"""Parts of the picture's side that are judged one by one, and how much of one must move in both."""
WEAKEST = 0.25
"""Of the parts' correlations this quantile counts: in a copy the weakest quarter, too, changes alike."""
LEAST_PLACES = 0.12
"""Share of the grid that must move in both cines for a comparison to mean anything."""
SPEEDS = np.geomspace(0.3, 3.4, 25)
"""Frames of the one per frame of the other: half to double speed, and the usual frame rates for one another."""
ROWS = 48
"""Frames of the more thinly sampled cine that a line is drawn through."""
FITTED_FRAMES = 6
"""Pairs of frames by which the window is fitted."""
LIMITS = (-0.12, 0.36)
"""How far a side of the window may lie outside or inside the frame."""


@dataclass(frozen=True)
class Alignment:
    """How `second` lies in `first`.

    score: 0 to 1, see SUPPORT. change: correlation of what changes in time alone, see WEAKEST. window: what of the
    first cine's frame the second shows. mirrored: left and right are exchanged. speed: frames of the second per frame
    of the first, negative where it plays backwards. frames: of the first cine that the line spans. share: of the first
    and of the second that is common.
    """

    score: float
    change: float
    window: Window
    mirrored: bool
    speed: float
    frames: int
    share: tuple[float, float]


NONE = Alignment(0.0, 0.0, WHOLE, False, 1.0, 0, (0.0, 0.0))


@dataclass(frozen=True)
class _Line:
    score: float
    speed: float
    pairs: NDArray[np.int64]  # (n, 2) thumbnails of the first and second cine


def align(first: Fingerprint, second: Fingerprint, window: Window, *, mirrored: bool) -> Alignment:
    """Return the best alignment near a window in which the second cine lies in the first."""
    line: _Line | None = None
    for side, band, steps, least in LEVELS:
        shown, weight = (seen[..., ::-1] if mirrored else seen for seen in _seen(second, side, band))
        line = _line(first, second, _similarity(first, window, shown, weight, band))
        if line is None or line.score < least:
            return NONE
        pairs = line.pairs[np.unique(np.linspace(0, len(line.pairs) - 1, FITTED_FRAMES).round().astype(int))]
        window = _fitted(first.thumbs[pairs[:, 0]], first.moving, window, shown[pairs[:, 1]], weight, band, steps)
    line = _line(first, second, _similarity(first, window, shown, weight, FINEST)) or line
    if line is None:
        return NONE
    change = _change(first, line.pairs, window, shown, weight)
    frames = [int(np.ptp(cine.frames[line.pairs[:, k]])) + 1 for k, cine in enumerate((first, second))]
    share = (min(1.0, frames[0] / first.total), min(1.0, frames[1] / second.total))
    return Alignment(line.score, change, window, mirrored, line.speed, frames[0], share)


@lru_cache(maxsize=64)
def _seen(cine: Fingerprint, side: int, band: Band) -> tuple[FloatArray, FloatArray]:
    """Return the whole of a cine, band-passed, with the weights of the places; kept, as others will be laid upon it."""
    return bands(cine.thumbs, cine.moving, side=side, fine=band[0], coarse=band[1])


def _change(
    first: Fingerprint, pairs: NDArray[np.int64], window: Window, shown: FloatArray, weight: FloatArray
) -> float:
    """Return how well what changes from frame to frame agrees along a line, in the parts of the picture: see WEAKEST.

    Near-field echoes, reverberations and the sector's edge are alike in all cines of a probe, but they stay; a lesion
    that comes and goes may be alike in two, but only where it lies.
    """
    seen = first.thumbs[pairs[:, 0]]
    own, own_weight = bands(seen, first.moving, side=SIDE, fine=FINEST[0], coarse=FINEST[1], window=window)
    common = np.sqrt(own_weight * weight)
    a, b = ((frames - frames.mean(axis=0)) * common for frames in (own, shown[pairs[:, 1]]))
    held = _parts(common[None]) > LEAST_HELD * (SIDE // PARTS) ** 2
    if not held.any():
        return 0.0
    agreement = _parts(a * b) / np.sqrt(np.maximum(_parts(a * a) * _parts(b * b), 1e-12))
    return float(np.quantile(agreement[held], WEAKEST))


def _parts(frames: FloatArray) -> FloatArray:
    """Return the sums (PARTS, PARTS) of frames (T, SIDE, SIDE) over time and over the parts of the picture."""
    return np.asarray(frames.reshape(len(frames), PARTS, SIDE // PARTS, PARTS, -1).sum(axis=(0, 2, 4)))


def _units(shown: FloatArray, weight: FloatArray) -> FloatArray:
    """Return frames as vectors (T, places) whose products are weighted correlations."""
    flat, share = shown.reshape(len(shown), -1), weight.ravel() / weight.sum()
    flat = (flat - (flat @ share)[:, None]) * np.sqrt(share)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _similarity(first: Fingerprint, window: Window, shown: FloatArray, weight: FloatArray, band: Band) -> FloatArray:
    """Return the correlation of each frame of the first cine, seen through the window, with each of the second."""
    side = len(weight)
    own, own_weight = bands(first.thumbs, first.moving, side=side, fine=band[0], coarse=band[1], window=window)
    common = own_weight * weight
    if (common > 0).mean() < LEAST_PLACES:
        return np.zeros((len(own), len(shown)), np.float32)
    return _units(own, common) @ _units(shown, common).T


def _line(first: Fingerprint, second: Fingerprint, similarity: FloatArray) -> _Line | None:
    """Return the line in time along which the frames agree best, None where no line is long enough."""
    steps = [max(1.0, (cine.frames[-1] - cine.frames[0]) / max(1, len(cine.frames) - 1)) for cine in (first, second)]
    best: _Line | None = None
    slopes = SPEEDS
    for _ in range(2):
        for speed in slopes:
            found = _along(similarity, float(speed) * steps[0] / steps[1], steps, float(speed))
            if found is not None and (best is None or found.score > best.score):
                best = found
        if best is None:
            return None
        slopes = best.speed * np.linspace(0.96, 1.04, 9)
    return best


def _along(similarity: FloatArray, slope: float, steps: list[float], speed: float) -> _Line | None:
    """Return the best line of one slope, in thumbnails of the second a thumbnail of the first, over all offsets."""
    if slope < 1:
        found = _along(similarity.T, 1 / slope, steps[::-1], 1 / speed)
        return None if found is None else _Line(found.score, speed, found.pairs[:, ::-1])
    rows, columns = similarity.shape
    row = np.arange(0, rows, max(1, round(min(rows, columns / slope) / ROWS)))  # of many rows some tell as much
    ahead = np.rint(slope * row).astype(np.int64)  # thumbnails of the second by which a row is ahead of the first
    late = ahead[-1] - ahead
    lines = int(ahead[-1]) + columns  # one begins at each thumbnail of the second, and some before its first
    sums = np.zeros(lines, np.float32)
    for start, agreements in zip(late.tolist(), similarity[row], strict=True):
        sums[start : start + columns] += agreements
    counts = np.cumsum(np.bincount(late, minlength=lines) - np.bincount(late + columns, minlength=lines + 1)[:lines])
    spanned = counts * steps[0] * (row[1] if len(row) > 1 else 1) * min(1.0, speed)
    is_long = (counts >= LEAST_PAIRS) & (spanned >= LEAST_FRAMES)
    scores = np.where(is_long, sums / np.maximum(counts, 1) * spanned / (spanned + SUPPORT), -1)
    top = int(np.argmax(scores))
    if scores[top] <= 0:
        return None
    place = top - ahead[-1] + ahead
    held = np.flatnonzero((place >= 0) & (place < columns))
    return _Line(float(scores[top]), speed, np.stack([row[held], place[held]], axis=1))


def _fitted(
    thumbs: NDArray[np.uint8],
    moving: BoolArray,
    window: Window,
    shown: FloatArray,
    weight: FloatArray,
    band: Band,
    steps: tuple[float, ...],
) -> Window:
    """Return the window near the given one through which the frames agree best, by coordinate search.

    The first cine is band-passed once, at the scale of the given window, and the result is shown through each window.
    """
    side = len(weight)
    scale = THUMB / side * (window[1] - window[0] + window[3] - window[2]) / 2
    detail, mass = bands(thumbs, moving, side=THUMB, fine=band[0] * scale, coarse=band[1] * scale)
    detail = detail * mass

    def agreement(candidate: Window) -> float:
        down, across = window_matrix(*candidate[:2], side), window_matrix(*candidate[2:], side).T
        common = np.asarray((down @ mass @ across) * weight, np.float32)
        if (common > 0.3).mean() < LEAST_PLACES:
            return -1.0
        own = _units(np.asarray(down @ detail @ across, np.float32), common)
        return float(np.einsum("td,td->t", own, _units(shown, common)).mean())

    best = agreement(window)
    for step in steps:
        for _ in range(4):
            tried = [(agreement(near), near) for near in _neighbours(window, step)]
            value, moved = max(tried)
            if value <= best:
                break
            best, window = value, moved
    return window


def _neighbours(window: Window, step: float) -> list[Window]:
    """Return the windows that are shifted, or wider or narrower, along one axis by a step; within LIMITS."""
    top, bottom, left, right = window
    changes = [(a * step, b * step) for a, b in ((1, 1), (-1, -1), (1, -1), (-1, 1))]
    found = [(top + a, bottom + b, left, right) for a, b in changes]
    found += [(top, bottom, left + a, right + b) for a, b in changes]
    low, high = LIMITS
    return [w for w in found if all(low <= side <= high for side in (w[0], 1 - w[1], w[2], 1 - w[3]))]
