"""A video of the study as the networks know it, and what they need of the place where its frames are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

GreyFrames = NDArray[np.uint8]  # (frames, height, width)
FrameIndices = NDArray[np.int64]  # (frames of the clip,)


@dataclass(frozen=True)
class Sample:
    """One video of one patient.

    label: 1 = metastasis by pathology, 0 = none, None where it is not known.
    keyframe: index of the frame that the sonographer chose, None where none was named.
    """

    patient_id: str
    video: str
    label: int | None = None
    keyframe: int | None = None


class CineSource(Protocol):
    """Where the frames are; `alnus.media.CineStore` is one."""

    def frames(self, video: str) -> GreyFrames:
        """Return all frames (T, H, W), uint8 grey; cheap to index (a memory map)."""
        ...

    def read(self, video: str, indices: FrameIndices) -> GreyFrames:
        """Return the frames at `indices` (n, H, W) as a new array, quicker than by indexing all of them."""
        ...

    def image(self, video: str) -> NDArray[np.uint8] | None:
        """Return the still (H, W) that the sonographer chose, None where there is none."""
        ...
