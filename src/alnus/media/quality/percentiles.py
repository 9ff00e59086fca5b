"""Percentiles of bytes, from how often each value occurs: np.percentile sorts, and takes ten times as long."""

from __future__ import annotations

import numpy as np
from PIL import Image

from alnus.media.colour import Pixels


def percentile(values: Pixels, percent: float) -> float:
    """Return np.percentile(values, percent) of a picture (H, W) of at least one pixel; percent: 0 to 100."""
    counts = np.cumsum(Image.fromarray(np.ascontiguousarray(values)).histogram())
    place = (int(counts[-1]) - 1) * percent / 100
    low, high = np.searchsorted(counts, (int(place), min(int(place) + 1, int(counts[-1]) - 1)), side="right")
    return float(low + (high - low) * (place - int(place)))
