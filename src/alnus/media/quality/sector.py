"""Where the scanned tissue lies in a frame, told from what moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alnus.media.cine import Box
from alnus.media.quality.observing import Observed

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sector:
    """The scanned tissue. box: around it, in pixels of the whole frame.

    mask: (box.h, box.w), True where there is tissue, solid; None where it fills the box.
    confidence: 0 to 1. note: one line for the reader.
    """

    box: Box
    mask: Mask | None
    confidence: float
    note: str


def find_sector(observed: Observed) -> Sector | None:
    """Return the scanned sector, or None where what moves gives no confident answer: then keep the whole frame."""
    return None
