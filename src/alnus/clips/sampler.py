"""The order in which samples are seen: a function of (seed, epoch), shared out among processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Yield (epoch, index) for one process's share of an epoch, in whole batches.

    Process `rank` of `world` takes every `world`-th place of the epoch's permutation, so `world` processes with
    `batch_size` each see, step by step, the same samples as one process with `world * batch_size`. What does not
    fill a global batch waits for another epoch's permutation; fewer samples than one global batch are all seen.
    """

    def __init__(self, length: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if length < 1:
            raise ValueError("no samples")
        self._length = length
        self._seed = seed
        self._rank = rank
        self._world = world
        whole_batches = length // (batch_size * world) * (batch_size * world)
        self._places = whole_batches or -(-length // world) * world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration goes through (Lightning calls this)."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._places // self._world

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._length)
        shared = np.resize(order, self._places)  # shorter: cut; longer: begun again, so that all shares are equal
        return iter([(self._epoch, int(index)) for index in shared[self._rank :: self._world]])


class EvaluationSampler(Sampler[int]):
    """Yield one process's share of 0..length-1 in order; shares are equal, so a few places may be seen twice."""

    def __init__(self, length: int, *, rank: int = 0, world: int = 1) -> None:
        self._share = np.resize(np.arange(length), -(-length // world) * world)[rank::world]

    def __len__(self) -> int:
        return len(self._share)

    def __iter__(self) -> Iterator[int]:
        return iter(self._share.tolist())
