"""Which cines of a store show the same recording: whole, in part, cropped, re-encoded, mirrored or at another speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alnus.cohort.audit.alignment import NONE, Alignment, align
from alnus.cohort.audit.search import Candidate, candidates
from alnus.media.fingerprint import Fingerprint, fingerprint
from alnus.media.store import CineStore

SAME: tuple[tuple[float, float], ...] = ((0.8, 0.75), (0.9, 0.3))
"""Least `score` and `change` of a copy: pairs of which one must hold. The second is for a second of a calm cine, where
a codec leaves little of the change. Measured: docs/explanation/leakage.md."""
LIKELY = 0.5
"""Least score of the coarse search that is worth an alignment; copies have 0.6 and more."""
CLEAR = 0.75
"""Score of the coarse search from which a copy that plays backwards is looked for."""
PART = 0.8
"""Share of a cine below which only a part of it is in the other."""
LEAST_COPIED = 4
"""Thumbnails that a cine needs to be compared: fewer are stills."""


@dataclass(frozen=True)
class Copy:
    """Two cines, by position, that may show the same recording; `alignment` is how the second lies in the first."""

    first: int
    second: int
    alignment: Alignment

    @property
    def strength(self) -> float:
        """How far score and change reach what SAME asks for: 1 or more in a copy."""
        return _strength(self.alignment)

    def words(self) -> str:
        """Return what was done to the one to make the other, as far as it can be told."""
        told = []
        if min(self.alignment.share) < PART:
            told.append(f"{self.alignment.frames} frames in common")
        top, bottom, left, right = self.alignment.window
        if max(top, 1 - bottom, left, 1 - right) > 0.04:
            told.append("cropped")
        if self.alignment.mirrored:
            told.append("mirrored")
        if self.alignment.speed < 0:
            told.append("backwards")
        if not 0.9 < abs(self.alignment.speed) < 1.1:
            told.append(f"{abs(self.alignment.speed):.1f} frames for one")
        return ", ".join(told) or "the whole video"


def prints_of(
    store: CineStore, videos: Sequence[str], *, progress: Callable[[int, int], None] | None = None
) -> list[Fingerprint]:
    """Return the fingerprints of videos of a store, 0.4 MB each. Raises MediaError for a damaged entry."""
    prints = []
    for done, video in enumerate(videos, start=1):
        frames, rate_hz = store.frames(video), store.entry(video).frame_rate_hz or 1.0
        prints.append(fingerprint(frames, np.arange(len(frames)) / rate_hz))
        if progress is not None:
            progress(done, len(videos))
    return prints


def copies(prints: Sequence[Fingerprint], *, progress: Callable[[int, int], None] | None = None) -> list[Copy]:
    """Return every pair of cines that share frames, in order of position."""
    return [pair for pair in likely_pairs(prints, progress=progress) if pair.strength >= 1]


def likely_pairs(prints: Sequence[Fingerprint], *, progress: Callable[[int, int], None] | None = None) -> list[Copy]:
    """Return the pairs of cines that could be aligned, copies (strength of 1 and more) and others, by position."""
    usable = [index for index, cine in enumerate(prints) if len(cine.thumbs) >= LEAST_COPIED]
    chosen = [prints[index] for index in usable]
    pairs = candidates(chosen)
    best: dict[tuple[int, int], Copy] = {}
    for done, orders in enumerate(pairs, start=1):
        for order in sorted(orders, key=lambda candidate: -candidate.score):
            first, second = usable[order.first], usable[order.second]
            key = (min(first, second), max(first, second))
            known = best[key].strength if key in best else 0.0
            if order.score < LIKELY or known >= 1:
                continue
            found = Copy(first, second, _aligned(chosen[order.first], chosen[order.second], order))
            if found.alignment is NONE:  # the likelier order has nothing: nor has the other
                break
            if found.strength > known:
                best[key] = found
        if progress is not None:
            progress(done, len(pairs))
    return [best[key] for key in sorted(best)]


def _aligned(first: Fingerprint, second: Fingerprint, order: Candidate) -> Alignment:
    """Return the best alignment; where it is doubtful, also that which starts from the window that it found.

    Frames that agree so well, but along no line, are tried backwards.
    """
    found = align(first, second, order.window, mirrored=order.mirrored)
    if found is not NONE and _strength(found) < 1:
        again = align(first, second, found.window, mirrored=order.mirrored)
        found = max(found, again, key=_strength)
    if order.score < CLEAR or _strength(found) >= 1:
        return found
    back = align(first, _backwards(second), order.window, mirrored=order.mirrored)
    return max(found, replace(back, speed=-back.speed), key=_strength)


def _backwards(cine: Fingerprint) -> Fingerprint:
    frames, times_s = cine.total - 1 - cine.frames[::-1], cine.times_s[-1] - cine.times_s[::-1]
    return replace(cine, thumbs=cine.thumbs[::-1], frames=frames, times_s=times_s)


def _strength(alignment: Alignment) -> float:
    """Return 1 or more for a copy."""
    return max(min(alignment.score / score, alignment.change / change) for score, change in SAME)
