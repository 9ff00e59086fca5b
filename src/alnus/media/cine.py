"""A cine in memory: frames, their times and the size of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]  # (frames, height, width) grey or (frames, height, width, 3) RGB
Times = NDArray[np.float64]  # (frames,), seconds, first 0, strictly increasing
CineKind = Literal["dicom", "video", "image", "frames"]


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; x to the right, y down, the right and lower edges excluded."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Cine:
    """An ultrasound video, or a still of one frame.

    frames: (T, H, W) or (T, H, W, 3) uint8. frame_times_s: (T,), seconds from the first frame.
    spacing_mm: (row, column) size of a pixel in mm, None where the file does not say.
    region: the scanned tissue within the frame as the file states it (clamped to the image), None where it does not.
    phantom: the file says that it was simulated.
    notes: what a reader of the result should know (a clamped region, an assumed frame rate), free of patient data.
    """

    frames: Frames
    frame_times_s: Times
    spacing_mm: tuple[float, float] | None
    kind: CineKind
    region: Box | None = None
    phantom: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be a cine: a programming error, not a user's."""
        shape = self.frames.shape
        if self.frames.dtype != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 3):
            raise ValueError(f"frames must be uint8 (T, H, W) or (T, H, W, 3), not {self.frames.dtype} {shape}")
        if self.frame_times_s.shape != (shape[0],) or shape[0] == 0:
            raise ValueError(f"{shape[0]} frames with {self.frame_times_s.shape} frame times")
