"""Watch a cine's frames as they pass, at a bounded cost, and keep what the quality gate and the sector need.

Kept: each pixel's darkest and brightest value over all frames, a few whole frames evenly spread over the cine, and of
each pair of neighbouring frames how much of a coarse grid differs. Memory is a fixed number of frames, whatever the
cine's length: a sample every stride-th frame, and when the room is full every other sample goes and the stride doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alnus.media.colour import Pixels

MOST_SAMPLES = 32
FEWEST_SAMPLES = 6
SAMPLE_BYTES = 48 << 20  # room for whole frames: 32 of 1280x1024, 6 of 3840x2160
GRID_SIDE = 80  # cells of the coarse grid along the frame's longer side, one pixel of each is looked at
CHANGE = 4  # grey levels: below it a pixel's change may be the codec's


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
    def steps(self) -> Pixels:
        """How far each pixel changes from one sample to the next, (pairs, H, W); repeated frames left out."""
        before, after = self.samples[:-1], self.samples[1:]
        steps = np.maximum(before, after) - np.minimum(before, after)
        return np.asarray(steps[steps.any(axis=(1, 2))])

    def share_of_steps(self, level: int) -> NDArray[np.float32]:
        """In what share of the steps a pixel changes by `level` or more, (H, W); there is at least one step."""
        counts = np.zeros(self.size, np.uint8)  # there are fewer than 256
        for step in self.steps:
            counts += step >= level
        return counts.astype(np.float32) / np.float32(len(self.steps))

    @cached_property
    def median(self) -> Pixels:
        """Each pixel's median over the samples, (H, W); of an even number of them the lower one."""
        return np.asarray(self.in_order[(len(self.samples) - 1) // 2])

    @cached_property
    def in_order(self) -> Pixels:
        """The samples sorted at each pixel, (K, H, W), the darkest first."""
        return ordered(self.samples)


def ordered(samples: Pixels) -> Pixels:
    """Sort (K, H, W) along the first axis, as np.sort would, in a twentieth of its time: whole pictures are compared.

    Source: K. Batcher, "Sorting networks and their applications", AFIPS 1968, odd-even merge sort.
    """
    found = samples.copy()
    low = np.empty_like(found[0]) if len(found) else found
    for first, second in comparisons(len(found)):
        np.minimum(found[first], found[second], out=low)
        np.maximum(found[first], found[second], out=found[second])
        found[first] = low
    return found


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
        self._grid: NDArray[np.int16] | None = None
        self._frames = 0

    def add(self, luma: Pixels) -> None:
        """See the next frame, (H, W) uint8. Raises ValueError for another size."""
        if luma.shape != self._low.shape:
            raise ValueError(f"a frame of {luma.shape} among frames of {self._low.shape}")
        np.minimum(self._low, luma, out=self._low)
        np.maximum(self._high, luma, out=self._high)
        self._compare(luma)
        if self._frames % self._stride == 0:
            self._keep(luma)
        self._frames += 1

    def _compare(self, luma: Pixels) -> None:
        grid = luma[self._step // 2 :: self._step, self._step // 2 :: self._step].astype(np.int16)
        if self._grid is not None:
            self._changed.append(float((np.abs(grid - self._grid) >= CHANGE).mean()))
        self._grid = grid

    def _keep(self, luma: Pixels) -> None:
        if len(self._samples) == self._most:
            self._samples = self._samples[::2]
            self._stride *= 2
            if self._frames % self._stride:
                return
        self._samples.append(luma.copy())

    def observed(self) -> Observed:
        """Return what was seen so far. Raises ValueError before the first frame."""
        if not self._frames:
            raise ValueError("no frame was observed")
        samples = np.stack(self._samples)
        changed = np.array(self._changed, np.float32)
        return Observed(self._frames, self._low.copy(), self._high.copy(), samples, changed)


def observe(frames: Pixels) -> Observed:
    """Return what there is to see of frames in memory, (T, H, W)."""
    observer = Observer(frames.shape[1], frames.shape[2])
    for frame in frames:
        observer.add(frame)
    return observer.observed()
