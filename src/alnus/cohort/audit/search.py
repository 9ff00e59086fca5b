"""Which pairs of a thousand cines are worth aligning: every frame against every frame, by products of matrices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alnus.cohort.audit.alignment import Window
from alnus.cohort.audit.kept import Prints
from alnus.media.fingerprint import WHOLE, BoolArray, Fingerprint, FloatArray, bands

SIDE = 16
FINE, COARSE = 0.9, 3.0
QUERY_EVERY = 5
"""Frames between those of a cine that are looked for in every other: a part of 16 frames holds three of them."""
QUERIES = (12, 64)
"""Fewest and most of them."""
DENSE = 64
"""Frames of a cine among which they are looked for."""
KEPT = 64
"""Principal components of the band-passed frames."""
LEVELLED = 0.1
"""Share of the first component's variance that is added to each one's before they are brought to one size."""
BRIEF, DARK = 60, 12.0
"""In a cine of fewer frames little has moved: there all that is brighter than this on average is compared."""
AGREEING = 3
"""How many of the queries must be found: a short part of a cine holds no more."""
EACH = 6
"""Others that a cine is compared with in full."""
CROPS = (0.05, 0.15)
"""What may have been cut off each side: 0 to a fifth is within a twentieth of these, where coarse frames agree."""
WINDOWS: tuple[Window, ...] = (
    WHOLE,
    *((top, 1 - bottom, left, 1 - right) for top, bottom, left, right in itertools.product(CROPS, repeat=4)),
)
BLOCK = 300_000
"""Similarities that are held at once, 4 bytes each: they stay in the processor's cache."""
ROWS = 8
"""Cines that are looked for in one piece of work."""
SPARSE = (2, 2)
"""In a large cohort every so manieth query is first looked for in every so manieth frame of every cine."""
ASKED = 48
"""Cines that are then asked in full."""


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


def _compared(cine: Fingerprint) -> BoolArray:
    return cine.moving | (cine.thumbs.mean(axis=0) > DARK) if cine.total < BRIEF else cine.moving


def _vectors(thumbs: NDArray[np.uint8], places: BoolArray, window: Window) -> FloatArray:
    """Return frames as unit vectors (T, 256) of their coarse detail through a window."""
    shown, _ = bands(thumbs, places, side=SIDE, fine=FINE, coarse=COARSE, window=window)
    flat = shown.reshape(len(shown), -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _basis(dense: FloatArray) -> FloatArray:
    """Return the directions (256, KEPT) in which the cohort's frames differ most, scaled so that none dominates."""
    sample = dense[:: max(1, len(dense) // 20_000)]
    values, directions = np.linalg.eigh(sample.T @ sample / len(sample))
    return np.asarray(
        directions[:, ::-1][:, :KEPT] / np.sqrt(values[::-1][:KEPT] + values.max() * LEVELLED), np.float32
    )


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6), np.float32)


@dataclass(frozen=True, eq=False)
class Field:
    """In what frames are looked for. dense: unit vectors (cines, DENSE, KEPT). basis: (256, KEPT), see `_basis`."""

    dense: FloatArray
    basis: FloatArray


@dataclass(frozen=True, eq=False)
class Rows:
    """How well some cines' frames are found in all others: (2, rows, cines), plain and mirrored, -1 where not asked.

    which: the window, by its place in WINDOWS, in which they are found best.
    """

    scores: NDArray[np.float16]
    which: NDArray[np.uint8]


Searcher = Callable[[Field, Sequence[range]], Iterator[tuple[int, Rows]]]
"""Yields (index of the block of rows, what was found) in any order."""


def candidates(
    prints: Prints,
    *,
    each: int = EACH,
    searcher: Searcher | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[Candidate, Candidate]]:
    """Return the pairs that most likely share frames, each in both orders.

    each: others a cine, plain; half as many mirrored. searcher: where the work is done; None: here.

    Cost: for N cines at most N² x 5 + N x 900 MFLOP (those of 320 frames and more; of 100 frames a third), and
    N² x 6 + N x 82,000 bytes.
    """
    count = len(prints)
    if count < 2:
        return []
    field = _field(prints)
    scores = np.full((2, count, count), -1, np.float16)
    which = np.zeros((2, count, count), np.uint8)
    blocks = [range(start, min(start + ROWS, count)) for start in range(0, count, ROWS)]
    done = 0
    for block, rows in searcher(field, blocks) if searcher else _here(prints, field, blocks):
        scores[:, blocks[block]], which[:, blocks[block]] = rows.scores, rows.which
        done += len(blocks[block])
        if progress is not None:
            progress(done, count)
    return _likely(scores, which, each)


def _here(prints: Prints, field: Field, blocks: Sequence[range]) -> Iterator[tuple[int, Rows]]:
    for index, block in enumerate(blocks):
        yield index, searched(prints, field, block)


def _field(prints: Prints) -> Field:
    cines = (prints[index] for index in range(len(prints)))
    raw = np.concatenate([_vectors(c.thumbs[_evenly(len(c.thumbs), DENSE)], _compared(c), WHOLE) for c in cines])
    basis = _basis(raw)
    return Field(_unit(raw @ basis).reshape(len(prints), DENSE, KEPT), basis)


def searched(prints: Prints, field: Field, rows: Sequence[int]) -> Rows:
    """Return how well the frames of some cines are found in all others."""
    scores = np.full((2, len(rows), len(prints)), -1, np.float16)
    which = np.zeros((2, len(rows), len(prints)), np.uint8)
    for place, index in enumerate(rows):
        windows = _through_windows(prints[index])  # (queries, windows, 256)
        for side in range(2):
            queries = _unit((_mirrored(windows) if side else windows) @ field.basis)
            near = _nearest(queries, field.dense)
            scores[side, place, near], which[side, place, near] = _scores(queries, field.dense[near])
    return Rows(scores, which)


def _through_windows(cine: Fingerprint) -> FloatArray:
    """Return the frames of a cine that are looked for in the others, (Q, WINDOWS, 256)."""
    chosen, places = cine.thumbs[_queries(cine)], _compared(cine)
    return np.stack([_vectors(chosen, places, window) for window in WINDOWS], axis=1)


def _mirrored(vectors: FloatArray) -> FloatArray:
    """Return frames (..., 256) with left and right exchanged."""
    return vectors.reshape(-1, SIDE, SIDE)[..., ::-1].reshape(vectors.shape)


def _nearest(queries: FloatArray, dense: FloatArray) -> NDArray[np.int64]:
    """Return which cines are worth asking in full: of many those that answer best to some queries in some frames."""
    if len(dense) <= ASKED:
        return np.arange(len(dense))
    sparse = np.ascontiguousarray(dense[:, :: SPARSE[1]])
    agreeing, _ = _scores(queries[:: SPARSE[0]] if len(queries) >= AGREEING * SPARSE[0] else queries, sparse)
    return np.argpartition(-agreeing, ASKED)[:ASKED]


def _scores(queries: FloatArray, dense: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return how well queries (Q, W, d) are found in each cine (N, T, d), and in which window they are found best."""
    flat = queries.reshape(-1, queries.shape[2])
    block = max(1, BLOCK // (len(flat) * dense.shape[1]))
    peaks = np.concatenate([_peaks(flat, dense[start : start + block]) for start in range(0, len(dense), block)])
    peaks = peaks.reshape(len(dense), *queries.shape[:2])  # (N, Q, W)
    agreeing = np.partition(peaks, -AGREEING, axis=1)[:, -AGREEING:].mean(axis=1)  # (N, W)
    which = agreeing.argmax(axis=1)
    return agreeing[np.arange(len(dense)), which], which


def _peaks(queries: FloatArray, dense: FloatArray) -> FloatArray:
    """Return how well each query (Q, d) is found in each cine (N, T, d): (N, Q). The maximum runs over whole rows."""
    return np.asarray((dense @ queries.T).max(axis=1), np.float32)


def _likely(scores: NDArray[np.float16], which: NDArray[np.uint8], each: int) -> list[tuple[Candidate, Candidate]]:
    """Return the likely pairs out of the scores (2, N, N) of all, plain and mirrored."""
    pairs: dict[tuple[int, int, int], None] = {}
    for side, wanted in enumerate((each, max(1, each // 2))):
        both = np.maximum(scores[side], scores[side].T).astype(np.float32)
        np.fill_diagonal(both, -1)
        wanted = min(wanted, len(both) - 1)
        for row, columns in enumerate(np.argpartition(-both, wanted - 1, axis=1)[:, :wanted]):
            pairs |= {(side, min(row, int(column)), max(row, int(column))): None for column in columns}

    def order(side: int, first: int, second: int) -> Candidate:
        window = WINDOWS[which[side, first, second]]
        return Candidate(first, second, window, bool(side), float(scores[side, first, second]))

    return [(order(side, a, b), order(side, b, a)) for side, a, b in pairs]


def _queries(cine: Fingerprint) -> NDArray[np.int64]:
    """Return which thumbnails of a cine are looked for in the others."""
    fewest, most = QUERIES
    wanted = min(most, max(fewest, -(-cine.total // QUERY_EVERY)), len(cine.thumbs))
    return _evenly(len(cine.thumbs), wanted)
