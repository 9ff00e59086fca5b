"""Fingerprints in a folder, a file each: more cines than memory holds, which every process of an audit can read."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np

from alnus.media.fingerprint import Fingerprint
from alnus.provenance import atomic_path

HELD = 48
"""Fingerprints that a process keeps in memory, up to 1 MB each."""


class Prints(Protocol):
    """Fingerprints by position: a list of them, or `KeptPrints`."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, index: int, /) -> Fingerprint:
        """Return one."""


class KeptPrints:
    """The fingerprints of a folder, read when they are asked for; one is the same object while it is held."""

    def __init__(self, folder: Path, count: int) -> None:
        """Read nothing yet. count: how many `keep` has written, or will."""
        self.folder, self._count = folder, count
        self._read = lru_cache(maxsize=HELD)(partial(_read, folder))

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    def __getitem__(self, index: int, /) -> Fingerprint:
        """Return one. Raises FileNotFoundError where it was not written."""
        return self._read(index)


def keep(folder: Path, index: int, print_: Fingerprint) -> None:
    """Write one."""
    with atomic_path(_path(folder, index)) as path, path.open("wb") as stream:
        np.savez(
            stream,
            thumbs=print_.thumbs,
            frames=print_.frames,
            times_s=print_.times_s,
            moving=print_.moving,
            total=np.array(print_.total),
        )


def _read(folder: Path, index: int) -> Fingerprint:
    with np.load(_path(folder, index), allow_pickle=False) as held:
        return Fingerprint(held["thumbs"], held["frames"], held["times_s"], held["moving"], int(held["total"]))


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index}.npz"
