"""Watch a cine's frames as they pass, at a bounded cost, and keep what the quality gate and the sector need.

Kept: each pixel's darkest and brightest value over all frames, a few whole frames evenly spread over the cine, and of
each pair of neighbouring frames how much of a coarse grid differs. Memory is a fixed number of frames, whatever the
cine's length: a sample every stride-th frame, and when the room is full every other sample goes and the stride doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from alnus.media.colour import Pixels
from alnus.media.quality.windows import summed

MOST_SAMPLES = 32
FEWEST_SAMPLES = 6
SAMPLE_BYTES = 48 << 20  # room for whole frames: 32 of 1280x1024, 6 of 3840x2160
GRID_SIDE = 80  # cells of the coarse grid along the frame's longer side, one pixel of each is looked at
CACHE_BYTES = 1 << 20  # of the samples are sorted at a time
GRIDS = 64  # of them are compared at a time
CHANGE = 4  # grey levels: below it a pixel's change may be the codec's
COARSE_PX = 400  # of the frame's shorter side, from which on every second row and column tells where tissue is


@dataclass(frozen=True)
class Observed:
    """What was seen of a cine of `frames` frames.

    low, high: (H, W), each pixel's extremes over all frames. samples: (K, H, W), whole frames in order, evenly spaced,
    the first frame first. changed: (frames - 1,), the share of a coarse grid that differs from the frame before.
    """

    frames: int
    low: Pixels
    high: Pixels
    samples: Pixels
    changed: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frame."""
        return self.low.shape[0], self.low.shape[1]

    @cached_property
    def coarse(self) -> Observed:
        """Every second row and column of a large frame, a small one itself: `spacing` pixels of the frame apart.

        On 23 clips of lungs and 6 of phantoms the sector found so covers the same but for 1% of its area, its rim.
        """
        if self.spacing == 1:
            return self
        low, high, samples = (every_second(seen) for seen in (self.low, self.high, self.samples))
        return Observed(self.frames, low, high, samples, self.changed)

    def within(self, cut: tuple[slice, slice]) -> Observed:
        """Return what was seen in these rows and columns."""
        low, high, samples = (seen[..., cut[0], cut[1]] for seen in (self.low, self.high, self.samples))
        return Observed(self.frames, low, high, samples, self.changed)

    @property
    def spacing(self) -> int:
        """How many pixels lie from one row or column of `coarse` to the next."""
        return 2 if min(self.size) >= COARSE_PX else 1

    @cached_property
    def steps(self) -> Pixels:
        """How far each pixel changes from one sample to the next, (pairs, H, W); repeated frames left out."""
        steps, count = np.empty((len(self.samples) - 1, *self.size), np.uint8), 0
        lower = np.empty(self.size, np.uint8)
        for before, after in pairwise(self.samples):
            np.maximum(before, after, out=steps[count])
            np.subtract(steps[count], np.minimum(before, after, out=lower), out=steps[count])
            count += bool(steps[count].any())
        return steps[:count]

    def summed_steps(self, level: int, side: int) -> NDArray[np.uint16]:
        """Sum `counted_steps` over a window of so many pixels a side, at most 45, (H, W); made once."""
        if (level, side) not in self._summed:
            self._summed[level, side] = summed(self.counted_steps(level).astype(np.uint16), side)
        return self._summed[level, side]

    @cached_property
    def _summed(self) -> dict[tuple[int, int], NDArray[np.uint16]]:
        return {}

    def counted_steps(self, level: int) -> NDArray[np.uint8]:
        """In how many of the steps a pixel changes by `level` or more, (H, W); made once, not to be written to."""
        if level not in self._counted:
            self._counted[level] = self._count_steps(level)
        return self._counted[level]

    @cached_property
    def _counted(self) -> dict[int, NDArray[np.uint8]]:
        return {}

    def _count_steps(self, level: int) -> NDArray[np.uint8]:
        counts = np.zeros(self.size, np.uint8)  # there are fewer than MOST_SAMPLES
        for step in self.steps:
            counts += (step >= level).view(np.uint8)
        return counts

    @cached_property
    def median(self) -> Pixels:
        """Each pixel's median over the samples, (H, W); of an even number of them the lower one."""
        return ranked(self.samples, (len(self.samples) - 1) // 2)


def every_second(pictures: Pixels) -> Pixels:
    """Return every second row and column of pictures (..., H, W); pairs of bytes are halved faster than left out."""
    rows = pictures[..., ::2, :]
    if rows.shape[-1] % 2 or rows.strides[-1] != 1:
        return np.ascontiguousarray(rows[..., ::2])
    return rows.view("<u2").astype(np.uint8)  # the lower byte is the first


def ranked(samples: Pixels, place: int) -> Pixels:
    """Return what np.sort would put at that place along the first axis of (K, H, W), in a fortieth of its time.

    Whole pictures are compared, a few rows at a time that stay in the processor's cache, and only those that matter.
    Source: K. Batcher, "Sorting networks and their applications", AFIPS 1968, odd-even merge sort.
    """
    network = needed(list(comparisons(len(samples))), place)
    rows = max(1, CACHE_BYTES // max(1, samples[:, 0].size))
    found = np.empty(samples.shape[1:], np.uint8)
    for top in range(0, len(found), rows):
        found[top : top + rows] = _ranked(samples[:, top : top + rows].copy(), network, place)
    return found


def _ranked(samples: Pixels, network: list[tuple[int, int]], place: int) -> Pixels:
    pictures: list[Pixels]
    pictures, spare = list(samples), np.empty_like(samples[0])
    for first, second in network:
        low, spare = np.minimum(pictures[first], pictures[second], out=spare), pictures[first]
        np.maximum(spare, pictures[second], out=pictures[second])
        pictures[first] = low
    return pictures[place]


def needed(network: list[tuple[int, int]], place: int) -> list[tuple[int, int]]:
    """Return those comparisons of a network on which the element at one place depends."""
    asked, found = {place}, []
    for pair in reversed(network):
        if not asked.isdisjoint(pair):
            asked.update(pair)
            found.append(pair)
    return found[::-1]


def comparisons(count: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs that the network for so many elements compares and puts in order, one after another."""
    part = 1
    while part < count:
        step = part
        while step:
            for start in range(step % part, count - step, 2 * step):
                for first in range(start, start + min(step, count - start - step)):
                    if first // (2 * part) == (first + step) // (2 * part):
                        yield first, first + step
            step //= 2
        part *= 2


class Observer:
    """Sees each whole frame once, in order; `observed` may be asked at any time after the first."""

    def __init__(self, height: int, width: int) -> None:
        room = SAMPLE_BYTES // max(1, height * width)
        self._most = int(np.clip(room, FEWEST_SAMPLES, MOST_SAMPLES))
        self._step = max(1, max(height, width) // GRID_SIDE)
        self._low = np.full((height, width), 255, np.uint8)
        self._high = np.zeros((height, width), np.uint8)
        self._samples: list[Pixels] = []
        self._stride = 1
        self._changed: list[float] = []
        self._grids: list[Pixels] = []
        self._frames = 0

    def add(self, luma: Pixels, *, lasts: bool = False) -> None:
        """See the next frame, (H, W) uint8. lasts: its memory will not be written to, so none of it is copied.

        Raises ValueError for another size.
        """
        if luma.shape != self._low.shape:
            raise ValueError(f"a frame of {luma.shape} among frames of {self._low.shape}")
        np.minimum(self._low, luma, out=self._low)
        np.maximum(self._high, luma, out=self._high)
        self._grids.append(luma[self._step // 2 :: self._step, self._step // 2 :: self._step].copy())
        if len(self._grids) > GRIDS:
            self._compare()
        if self._frames % self._stride == 0:
            self._keep(luma if lasts else luma.copy())
        self._frames += 1

    def _compare(self) -> None:
        """Compare the grids at hand; the last of them stays for the next frame's."""
        grids = np.stack(self._grids)
        change = np.maximum(grids[1:], grids[:-1]) - np.minimum(grids[1:], grids[:-1])
        self._changed += (np.count_nonzero(change >= CHANGE, axis=(1, 2)) / grids[0].size).tolist()
        self._grids = self._grids[-1:]

    def _keep(self, luma: Pixels) -> None:
        if len(self._samples) == self._most:
            self._samples = self._samples[::2]
            self._stride *= 2
            if self._frames % self._stride:
                return
        self._samples.append(luma)

    def observed(self, frames: Pixels | None = None) -> Observed:
        """Return what was seen so far. Raises ValueError before the first frame.

        frames: (T, H, W), all of them, where they are at hand: the samples are then these, not copies of them.
        """
        if not self._frames:
            raise ValueError("no frame was observed")
        self._compare()
        samples = np.stack(self._samples) if frames is None else frames[:: self._stride]
        changed = np.array(self._changed, np.float32)
        return Observed(self._frames, self._low.copy(), self._high.copy(), samples, changed)


def observe(frames: Pixels) -> Observed:
    """Return what there is to see of frames in memory, (T, H, W)."""
    observer = Observer(frames.shape[1], frames.shape[2])
    for frame in frames:
        observer.add(frame)
    return observer.observed()
