"""A file whose header is read and checked, and whose frames are still to be decoded: what every reader returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from alnus.media.cine import Box, CineKind, Times

if TYPE_CHECKING:
    from alnus.media.dicom.facts import DicomFacts

Colours = Literal["luma", "grey", "rgb"]
"""luma: brightness alone, of any file. grey: the same, but Coloured is raised at the first frame that has colours.
rgb: (height, width, 3)."""

DEFAULT_FRAME_RATE_HZ = 25.0
"""Where a file states no time at all: PAL video, which most recorders of ultrasound machines wrote. Always noted."""


class Coloured(Exception):  # noqa: N818  a finding, not an error: the file is opened again in colour
    """A frame has colours, and the reader was asked for grey."""


@dataclass
class Opened:
    """A checked header and the frames to come.

    frames: yields (time in seconds or NaN, (H, W) or (H, W, 3) uint8), one at a time.
    frame_count: how many frames are to come; None where the header does not say, or not reliably.
    frame_rate_hz: for frames without a time; None where the file states none.
    notes: complete when the frames are exhausted. The rest as in Cine.
    chroma: the strongest departure from grey, 0-255 (`alnus.media.colour.departure`), in cells of 8x8 pixels, over the
    frames looked at (the first and every 8th); filled while frames are taken as luma, None where coded without colours.
    hue_sum, hue_count: of the coloured ones among the cells looked at, the sum of their hues as unit vectors, and their
    number: a tinted grey map has one hue, a film has many.
    facts: what else a DICOM header states, None for other files.
    is_chosen: only the frames that were asked for are to come, in order; else all are.
    room: given (height, width), the memory where who takes the frames wants the next one, None for no wish. A frame is
    put there if its luma is asked for and that saves a copy; it may as well lie elsewhere.
    """

    kind: CineKind
    frames: Iterator[tuple[float, NDArray[np.uint8]]]
    frame_rate_hz: float | None = None
    spacing_mm: tuple[float, float] | None = None
    region: Box | None = None
    phantom: bool = False
    notes: list[str] = field(default_factory=list)
    chroma: NDArray[np.uint8] | None = None
    hue_sum: complex = 0j
    hue_count: int = 0
    facts: DicomFacts | None = None
    frame_count: int | None = None
    is_chosen: bool = False
    room: Callable[[int, int], NDArray[np.uint8] | None] = lambda height, width: None

    def place(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return memory for the next frame, (height, width), one row after another: in `room` where there is some."""
        room = self.room(height, width)
        return np.empty((height, width), np.uint8) if room is None else room


def settled_times(times_s: list[float], opened: Opened) -> Times:
    """Return frame times from 0, strictly increasing; evenly spaced where the file's own are not, with a note."""
    times: Times = np.asarray(times_s, np.float64)
    if np.isfinite(times).all() and (np.diff(times) > 0).all() and np.isfinite(times[-1] - times[0]):
        times -= times[0]
        return times
    rate_hz = opened.frame_rate_hz
    if rate_hz is None:
        rate_hz = DEFAULT_FRAME_RATE_HZ
        if len(times) > 1:
            opened.notes.append(f"no frame times stated: {rate_hz:g} frames/s assumed")
    elif not np.isnan(times).all():
        opened.notes.append(f"frame times do not increase: {rate_hz:.6g} frames/s used throughout")
    return np.arange(len(times), dtype=np.float64) / rate_hz
