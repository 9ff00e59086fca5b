"""Which pairs of a thousand cines are worth aligning: every frame against every frame, by products of matrices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alnus.cohort.audit.alignment import Window
from alnus.media.fingerprint import BoolArray, Fingerprint, FloatArray, bands

SIDE = 16
FINE, COARSE = 1.2, 4.0
QUERIES = 12
"""Frames of a cine that are looked for in every other."""
DENSE = 48
"""Frames of a cine among which they are looked for."""
KEPT = 96
"""Principal components of the band-passed frames."""
AGREEING = 3
"""How many of the queries must be found: a short part of a cine holds no more."""
EACH = 6
"""Others that a cine is compared with in full."""
CROPS = (0.0, 0.1, 0.2)
"""What may have been cut off each side; between these the coarse frames agree well enough."""
WINDOWS: tuple[Window, ...] = tuple(
    (top, 1 - bottom, left, 1 - right) for top, bottom, left, right in itertools.product(CROPS, repeat=4)
)
MIRRORED: tuple[Window, ...] = tuple((a, 1 - a, b, 1 - b) for a, b in itertools.product(CROPS, repeat=2))
BLOCK = 6_000_000
"""Similarities that are held at once, 4 bytes each."""


@dataclass(frozen=True)
class Candidate:
    """The second cine may show what lies in a window of the first."""

    first: int
    second: int
    window: Window
    mirrored: bool
    score: float


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, wanted).round().astype(np.int64)


def _vectors(thumbs: NDArray[np.uint8], moving: BoolArray, window: Window) -> FloatArray:
    """Return frames as unit vectors (T, 256) of their coarse detail through a window."""
    shown, _ = bands(thumbs, moving, side=SIDE, fine=FINE, coarse=COARSE, window=window)
    flat = shown.reshape(len(shown), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _basis(dense: FloatArray) -> FloatArray:
    """Return the directions (256, KEPT) in which the cohort's frames differ most, scaled so that none dominates."""
    sample = dense[:: max(1, len(dense) // 20_000)]
    values, directions = np.linalg.eigh(sample.T @ sample / len(sample))
    return np.asarray(directions[:, ::-1][:, :KEPT] / np.sqrt(values[::-1][:KEPT] + values.max() * 0.02), np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6), np.float32)


def candidates(
    prints: Sequence[Fingerprint], *, each: int = EACH, progress: Callable[[int, int], None] | None = None
) -> list[tuple[Candidate, Candidate]]:
    """Return the pairs that most likely share frames, each in both orders.

    each: others a cine, plain; a third as many mirrored.

    Cost: for N cines about N² x 9 MFLOP (a thousand: 90 s at 100 GFLOP/s) and N² x 6 bytes of memory (reckoned).
    """
    count = len(prints)
    if count < 2:
        return []
    raw = np.concatenate([_vectors(p.thumbs[_evenly(len(p.thumbs), DENSE)], p.moving, WINDOWS[0]) for p in prints])
    basis = _basis(raw)
    dense = _unit(raw @ basis)
    scores = np.zeros((2, count, count), np.float16)
    which = np.zeros((2, count, count), np.uint8)
    for index, cine in enumerate(prints):
        for side, windows in enumerate((WINDOWS, MIRRORED)):
            scores[side, index], which[side, index] = _scores(cine, windows, basis, dense, mirrored=bool(side))
        if progress is not None:
            progress(index + 1, count)
    return _likely(scores, which, each)


def _likely(scores: NDArray[np.float16], which: NDArray[np.uint8], each: int) -> list[tuple[Candidate, Candidate]]:
    """Return the likely pairs out of the scores (2, N, N) of all, plain and mirrored."""
    pairs: dict[tuple[int, int, int], None] = {}
    for side, wanted in enumerate((each, max(1, each // 3))):
        both = np.maximum(scores[side], scores[side].T).astype(np.float32)
        np.fill_diagonal(both, -1)
        wanted = min(wanted, len(both) - 1)
        for row, columns in enumerate(np.argpartition(-both, wanted - 1, axis=1)[:, :wanted]):
            pairs |= {(side, min(row, int(column)), max(row, int(column))): None for column in columns}

    def order(side: int, first: int, second: int) -> Candidate:
        window = (MIRRORED if side else WINDOWS)[which[side, first, second]]
        return Candidate(first, second, window, bool(side), float(scores[side, first, second]))

    return [(order(side, a, b), order(side, b, a)) for side, a, b in pairs]


def _scores(
    cine: Fingerprint, windows: Sequence[Window], basis: FloatArray, dense: FloatArray, *, mirrored: bool
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return for each cine how well the best window of this one is found in it, and which window that is."""
    chosen = cine.thumbs[_evenly(len(cine.thumbs), QUERIES)]
    queries = np.stack([_vectors(chosen, cine.moving, window) for window in windows], axis=1)  # (Q, W, 256)
    if mirrored:  # the other cine's frames stay as they are
        queries = queries.reshape(QUERIES, len(windows), SIDE, SIDE)[..., ::-1].reshape(queries.shape)
    queries = _unit(queries @ basis).reshape(-1, KEPT)
    videos = len(dense) // DENSE
    block = max(1, BLOCK // (len(queries) * DENSE))
    peaks = np.concatenate(
        [
            (queries @ dense[start * DENSE : (start + block) * DENSE].T).reshape(len(queries), -1, DENSE).max(axis=2)
            for start in range(0, videos, block)
        ],
        axis=1,
    ).reshape(QUERIES, len(windows), videos)
    agreeing = np.partition(peaks, -AGREEING, axis=0)[-AGREEING:].mean(axis=0)  # (W, videos)
    which = agreeing.argmax(axis=0)
    return agreeing[which, np.arange(videos)], which
