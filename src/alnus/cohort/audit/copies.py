"""Which cines of a store show the same recording: whole, in part, cropped, re-encoded, mirrored or at another speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from alnus.cohort.audit.alignment import NONE, Alignment, align
from alnus.cohort.audit.kept import Prints
from alnus.cohort.audit.search import Candidate, Searcher, candidates
from alnus.media.fingerprint import Fingerprint

Progress = Callable[[str, int, int], None]

SAME: tuple[tuple[float, float], ...] = ((0.8, 0.75), (0.9, 0.3))
"""Least `score` and `change` of a copy: pairs of which one must hold. The second is for a second of a calm cine, where
a codec leaves little of the change. Measured: docs/explanation/leakage.md."""
LIKELY = 0.5
"""Least score of the coarse search that is worth an alignment; copies have 0.6 and more."""
CLEAR = 0.75
"""Score of the coarse search from which a copy that plays backwards is looked for."""
DOUBTFUL = 0.8
"""Strength from which an alignment is sought once more; of those that became a copy's by it the least had 0.89."""
PART = 0.8
"""Share of a cine below which only a part of it is in the other."""
LEAST_COPIED = 4
"""Thumbnails that a cine needs to be compared: fewer are stills."""

TOGETHER = 12
"""Pairs that are aligned in one piece of work, a second or less."""
SEARCHING, COMPARING = "looking for copies", "comparing videos"


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


Unit = tuple[tuple[Candidate, Candidate], ...]
"""What was proposed for two cines: both orders, plain or mirrored or both."""
Aligner = Callable[[Sequence[Sequence[Unit]]], Iterator[tuple[int, list[Copy | None]]]]
"""Yields (index of the block, the copies of its units) in any order."""


def copies(prints: Prints, *, progress: Progress | None = None) -> list[Copy]:
    """Return every pair of cines that share frames, in order of position."""
    return [pair for pair in likely_pairs(prints, progress=progress) if pair.strength >= 1]


def likely_pairs(
    prints: Prints,
    *,
    searcher: Searcher | None = None,
    aligner: Aligner | None = None,
    progress: Progress | None = None,
) -> list[Copy]:
    """Return the pairs of cines that could be aligned, copies (strength of 1 and more) and others, by position.

    searcher, aligner: where the work is done; None: here. progress: called with (what is being done, done, in all).
    """
    tell = progress or (lambda what, done, total: None)
    usable = [index for index in range(len(prints)) if len(prints[index].thumbs) >= LEAST_COPIED]
    chosen = prints if len(usable) == len(prints) else [prints[index] for index in usable]
    pairs = candidates(chosen, searcher=searcher, progress=lambda done, total: tell(SEARCHING, done, total))
    units = _units_of(pairs)
    blocks = [units[start : start + TOGETHER] for start in range(0, len(units), TOGETHER)]
    done, found = 0, []
    for block, those in aligner(blocks) if aligner else _here(chosen, blocks):
        found += [copy for copy in those if copy is not None]
        done += len(blocks[block])
        tell(COMPARING, done, len(units))
    named = [replace(copy, first=usable[copy.first], second=usable[copy.second]) for copy in found]
    return sorted(named, key=lambda copy: sorted((copy.first, copy.second)))


def _here(prints: Prints, blocks: Sequence[Sequence[Unit]]) -> Iterator[tuple[int, list[Copy | None]]]:
    for index, block in enumerate(blocks):
        yield index, [aligned(prints, unit) for unit in block]


def _units_of(pairs: Sequence[tuple[Candidate, Candidate]]) -> list[Unit]:
    """Return what belongs to the same two cines together, by position: one cine is then compared in one go."""
    units: dict[tuple[int, int], Unit] = {}
    for orders in pairs:
        key = (orders[0].first, orders[0].second)
        units[key] = (*units.get(key, ()), orders)
    return [units[key] for key in sorted(units)]


def aligned(prints: Prints, unit: Unit) -> Copy | None:
    """Return the strongest alignment of two cines, None where they cannot be aligned."""
    best: Copy | None = None
    for orders in unit:
        for order in sorted(orders, key=lambda candidate: -candidate.score):
            if order.score < LIKELY or (best is not None and best.strength >= 1):
                continue
            found = Copy(order.first, order.second, _aligned(prints[order.first], prints[order.second], order))
            if found.alignment is NONE:  # the likelier order has nothing: nor has the other
                break
            if best is None or found.strength > best.strength:
                best = found
    return best if best is not None and best.strength > 0 else None


def _aligned(first: Fingerprint, second: Fingerprint, order: Candidate) -> Alignment:
    """Return the best alignment; where it is doubtful, also that which starts from the window that it found.

    Frames that agree so well, but along no line, are tried backwards.
    """
    found = align(first, second, order.window, mirrored=order.mirrored)
    if DOUBTFUL <= _strength(found) < 1:
        again = align(first, second, found.window, mirrored=order.mirrored)
        found = max(found, again, key=_strength)
    if order.score < CLEAR or _strength(found) >= 1:
        return found
    back = align(first, second, order.window, mirrored=order.mirrored, is_backwards=True)
    return max(found, back, key=_strength)


def _strength(alignment: Alignment) -> float:
    """Return 1 or more for a copy."""
    return max(min(alignment.score / score, alignment.change / change) for score, change in SAME)
