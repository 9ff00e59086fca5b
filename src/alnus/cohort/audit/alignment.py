"""Whether one cine is a copy of another: the best alignment in space (a window) and in time (a line), and its score.

Frames of two videos of different sweeps share no speckle, so their band-passed frames correlate at about 0; a copy's
correlate at 0.6 and more once window and line are right, whatever codec, gain or size came between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class _Level:
    """side: places of the grid. steps: changes of the window that are tried, as shares of the frame.

    An alignment is given up below the score `least`, and below `clear` where what changes agrees less than `change`.
    """

    side: int
    band: Band
    steps: tuple[float, ...]
    least: float
    clear: float = 0.0
    change: float = 0.0


LEVELS = (
    _Level(SIDE // 2, (1.0, 3.0), (0.05, 0.025), 0.5),
    _Level(SIDE, FINEST, (0.02, 0.01, 0.005), 0.6, clear=0.75, change=0.4),
    _Level(SIDE, FINEST, (0.01, 0.005), 0.72, clear=0.8, change=0.55),
)
"""First coarse detail, which forgives a window that is off by a tenth. Most cines that are alike, but no copies, end at
the second level; of 552 alignments of copies the least had scores of 0.69 and 0.81 at the second and third."""
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
FINELY = np.linspace(0.96, 1.04, 9)
"""Then tried, in parts of the best of them."""
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


def align(
    first: Fingerprint, second: Fingerprint, window: Window, *, mirrored: bool, is_backwards: bool = False
) -> Alignment:
    """Return the best alignment near a window in which the second cine lies in the first.

    mirrored, is_backwards: how the second is turned before.
    """
    line: _Line | None = None
    other = _backwards(second) if is_backwards else second
    for level in LEVELS:
        shown, weight = _turned(second, level.side, level.band, mirrored, is_backwards)
        line = _line(first, other, _similarity(first, window, shown, weight, level.band))
        if line is None or line.score < level.least:
            return NONE
        if line.score < level.clear and _changes(first, line.pairs, window, shown, weight)[0] < level.change:
            return NONE
        pairs = line.pairs[np.unique(np.linspace(0, len(line.pairs) - 1, FITTED_FRAMES).round().astype(int))]
        seen = first.thumbs[pairs[:, 0]]
        window = _fitted(seen, first.moving, window, shown[pairs[:, 1]], weight, level.band, level.steps)
    line = _line(first, other, _similarity(first, window, shown, weight, FINEST)) or line
    if line is None:
        return NONE
    _, change = _changes(first, line.pairs, window, shown, weight)
    frames = [int(np.ptp(cine.frames[line.pairs[:, k]])) + 1 for k, cine in enumerate((first, other))]
    share = (min(1.0, frames[0] / first.total), min(1.0, frames[1] / second.total))
    speed = -line.speed if is_backwards else line.speed
    return Alignment(line.score, change, window, mirrored, speed, frames[0], share)


def _backwards(cine: Fingerprint) -> Fingerprint:
    frames, times_s = cine.total - 1 - cine.frames[::-1], cine.times_s[-1] - cine.times_s[::-1]
    return replace(cine, thumbs=cine.thumbs[::-1], frames=frames, times_s=times_s)


def _turned(
    cine: Fingerprint, side: int, band: Band, mirrored: bool, is_backwards: bool
) -> tuple[FloatArray, FloatArray]:
    """Return the whole of a cine, band-passed, with the weights of the places; mirrored or backwards, as asked."""
    shown, weight = _seen(cine, side, band)
    columns, frames = slice(None, None, -1 if mirrored else 1), slice(None, None, -1 if is_backwards else 1)
    return shown[frames, :, columns], weight[:, columns]


@lru_cache(maxsize=64)
def _seen(cine: Fingerprint, side: int, band: Band) -> tuple[FloatArray, FloatArray]:
    """Return the whole of a cine, band-passed, with the weights of the places; kept, as others will be laid upon it."""
    return bands(cine.thumbs, cine.moving, side=side, fine=band[0], coarse=band[1])


def _changes(
    first: Fingerprint, pairs: NDArray[np.int64], window: Window, shown: FloatArray, weight: FloatArray
) -> tuple[float, float]:
    """Return how well what changes from frame to frame agrees along a line: over all, and in the parts, see WEAKEST.

    Near-field echoes, reverberations and the sector's edge are alike in all cines of a probe, but they stay; a lesion
    that comes and goes may be alike in two, but only where it lies.
    """
    seen = first.thumbs[pairs[:, 0]]
    own, own_weight = bands(seen, first.moving, side=SIDE, fine=FINEST[0], coarse=FINEST[1], window=window)
    common = np.sqrt(own_weight * weight)
    a, b = ((frames - frames.mean(axis=0)) * common for frames in (own, shown[pairs[:, 1]]))
    together, alone, other = _parts(a * b), _parts(a * a), _parts(b * b)
    held = _parts(common[None]) > LEAST_HELD * (SIDE // PARTS) ** 2
    if not held.any():
        return 0.0, 0.0
    agreement = together / np.sqrt(np.maximum(alone * other, 1e-12))
    over_all = together.sum() / np.sqrt(max(alone.sum() * other.sum(), 1e-12))
    return float(over_all), float(np.quantile(agreement[held], WEAKEST))


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
    before, after = (
        max(1.0, (cine.frames[-1] - cine.frames[0]) / max(1, len(cine.frames) - 1)) for cine in (first, second)
    )
    turned = np.ascontiguousarray(similarity.T)

    def along(speed: float) -> tuple[float, float, _Lines, int]:
        slope = speed * before / after
        if slope < 1:
            lines, seen = _lines(*turned.shape, 1 / slope, after * min(1.0, 1 / speed)), turned
        else:
            lines, seen = _lines(*similarity.shape, slope, before * min(1.0, speed)), similarity
        scores = lines.scores(seen)
        top = int(scores.argmax())
        return float(scores[top]), speed, lines, top

    found = max(map(along, SPEEDS.tolist()), key=lambda line: line[0])
    if found[0] <= 0:
        return None
    score, speed, lines, top = max(found, *map(along, (found[1] * FINELY).tolist()), key=lambda line: line[0])
    pairs = lines.pairs(top)
    return _Line(score, speed, pairs[:, ::-1] if speed * before / after < 1 else pairs)


@dataclass(frozen=True, eq=False)
class _Lines:
    """All lines of one slope through a table of similarities, numbered by where they begin.

    rows: (n,) of the table that are looked at. ahead: (n,) columns by which a line has gone on. factor: (lines,) by
    which a line's sum of similarities becomes its score, 0 for one that is too short.
    """

    rows: NDArray[np.int64]
    ahead: NDArray[np.int64]
    columns: int
    factor: FloatArray

    def scores(self, similarity: FloatArray) -> FloatArray:
        """Return the score of each line."""
        sums = np.zeros(len(self.factor), np.float32)
        for start, agreements in zip((self.ahead[-1] - self.ahead).tolist(), similarity[self.rows], strict=True):
            sums[start : start + self.columns] += agreements
        return sums * self.factor

    def pairs(self, number: int) -> NDArray[np.int64]:
        """Return the rows and columns (n, 2) that a line meets."""
        place = number - self.ahead[-1] + self.ahead
        held = np.flatnonzero((place >= 0) & (place < self.columns))
        return np.stack([self.rows[held], place[held]], axis=1)


@lru_cache(maxsize=1024)
def _lines(rows: int, columns: int, slope: float, frames: float) -> _Lines:
    """Return the lines of a slope of 1 and more. frames: of the cine of which a line spans fewer, a row."""
    row = np.arange(0, rows, max(1, round(min(rows, columns / slope) / ROWS)))  # of many rows some tell as much
    ahead = np.rint(slope * row).astype(np.int64)
    late, count = ahead[-1] - ahead, int(ahead[-1]) + columns
    met = np.cumsum(np.bincount(late, minlength=count) - np.bincount(late + columns, minlength=count + 1)[:count])
    spanned = met * frames * (row[1] if len(row) > 1 else 1)
    is_long = (met >= LEAST_PAIRS) & (spanned >= LEAST_FRAMES)
    factor = np.where(is_long, spanned / (spanned + SUPPORT) / np.maximum(met, 1), 0)
    return _Lines(row, ahead, columns, factor.astype(np.float32))


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
    best = float(_agreements(detail, mass, [window], shown, weight)[0])
    for step in steps:
        for _ in range(4):
            tried = _neighbours(window, step)
            if not tried:
                break
            values = _agreements(detail, mass, tried, shown, weight)
            top = int(values.argmax())
            if values[top] <= best:
                break
            best, window = float(values[top]), tried[top]
    return window


def _agreements(
    detail: FloatArray, mass: FloatArray, windows: list[Window], shown: FloatArray, weight: FloatArray
) -> FloatArray:
    """Return how well frames through each window agree with those shown, pair by pair: (windows,), -1 where too few."""
    columns = sorted({window[2:] for window in windows})
    down = np.stack([window_matrix(*window[:2], len(weight)) for window in windows])  # (W, side, THUMB)
    across = np.stack([window_matrix(*column, len(weight)).T for column in columns])
    which = [columns.index(window[2:]) for window in windows]
    common = ((down @ (mass @ across)[which]) * weight).reshape(len(windows), -1)
    own = (down[:, None] @ (detail @ across[:, None])[which]).reshape(len(windows), len(detail), -1)  # (W, T, places)
    agreement = _correlations(own, shown.reshape(1, len(shown), -1), common).mean(axis=1)
    return np.where((common > 0.3).mean(axis=1) < LEAST_PLACES, -1, agreement)


def _correlations(a: FloatArray, b: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted correlation of each frame with its counterpart: (W, T, places) and (W, places) -> (W, T)."""
    share = (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-6))[:, :, None]
    mean_a, mean_b, product = ((values @ share)[..., 0] for values in (a, b, a * b))
    square_a, square_b = ((values * values @ share)[..., 0] for values in (a, b))
    spread = np.sqrt(np.clip(square_a - mean_a**2, 0, None) * np.clip(square_b - mean_b**2, 0, None))
    return np.asarray((product - mean_a * mean_b) / np.maximum(spread, 1e-12), np.float32)


def _neighbours(window: Window, step: float) -> list[Window]:
    """Return the windows that are shifted, or wider or narrower, along one axis by a step; within LIMITS."""
    top, bottom, left, right = window
    changes = [(a * step, b * step) for a, b in ((1, 1), (-1, -1), (1, -1), (-1, 1))]
    found = [(top + a, bottom + b, left, right) for a, b in changes]
    found += [(top, bottom, left + a, right + b) for a, b in changes]
    low, high = LIMITS
    return [w for w in found if all(low <= side <= high for side in (w[0], 1 - w[1], w[2], 1 - w[3]))]
