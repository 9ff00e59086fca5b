"""`read_frames`: some frames of a file, without decoding those that they do not need.

Where a codec keeps frames apart (Motion JPEG, uncompressed, most DICOM) only the chosen ones are decoded; elsewhere
decoding ends behind the last of them, and what is between is not converted. What lies behind is not looked at: a file
that is cut there, and its notes, are `open_cine`'s to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alnus.errors import MediaError
from alnus.media.colour import Pixels
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.opening import foreign_faults, open_frames
from alnus.media.refusal import Refused, quiet, shown


def read_frames(
    path: Path | str, indices: Sequence[int] | NDArray[np.integer], *, limits: DecodeLimits = DEFAULT_LIMITS
) -> Pixels:
    """Return the luma of the frames at `indices` (from 0, any order, repeats allowed): (len(indices), H, W) uint8.

    Files as of `open_cine`; levels span 0-255. Raises MediaError where the file cannot be read or has fewer frames,
    or an index is negative.
    """
    path = Path(path)
    numbers = [int(index) for index in indices]
    if not numbers or min(numbers) < 0:
        raise MediaError(f"{shown(path)}: name frames by numbers from 0; got {numbers[:5]}")
    try:
        with foreign_faults(), quiet():
            found = dict(_chosen(path, sorted(set(numbers)), limits))
    except Refused as refused:
        raise MediaError(f"{shown(path)}: {refused}") from None
    missing = next((number for number in numbers if number not in found), None)
    if missing is not None:
        raise MediaError(f"{shown(path)}: has no frame {missing}")
    return np.stack([found[number] for number in numbers])


def _chosen(path: Path, numbers: list[int], limits: DecodeLimits) -> Iterator[tuple[int, Pixels]]:
    """Yield the chosen frames with their numbers, in order; those beyond the end are not there."""
    opened = open_frames(path, limits=limits, colours="luma", threads=0, only=frozenset(numbers))
    if opened.is_chosen:
        yield from zip(numbers, (np.array(frame) for _, frame in opened.frames), strict=False)
        return
    for number, (_, frame) in enumerate(opened.frames):
        if number in numbers:
            yield number, np.array(frame)
        if number == numbers[-1]:
            return
