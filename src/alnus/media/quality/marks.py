"""Burned-in marks inside the tissue: text, calipers, arrows; what never changes while the tissue around it does."""

from __future__ import annotations

import numpy as np

from alnus.media.cine import Box
from alnus.media.colour import Pixels
from alnus.media.quality.observing import Observed
from alnus.media.quality.sector import Mask

FILL = 0


def static_marks(observed: Observed, box: Box) -> Mask | None:
    """Return (box.h, box.w), True on burned-in marks and a small rim around them; None where there are none."""
    return None


def masked(frames: Pixels, mask: Mask) -> Pixels:
    """Return (T, h, w) frames with FILL where the mask (h, w) is True; the frames given are not altered."""
    return np.where(mask, np.uint8(FILL), frames)
