"""The quality gate: every fault of one video, with the value measured and the limit."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from alnus.config import QualityConfig
from alnus.media.cine import Box
from alnus.media.quality.findings import Finding
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask


def assess(
    observed: Observed,
    *,
    crop: Box,
    config: QualityConfig,
    frame_rate_hz: float | None = None,
    mask: Mask | None = None,
    marks: Mask | None = None,
    chroma: NDArray[np.uint8] | None = None,
    is_ultrasound: bool | None = None,
    pane_kinds: Collection[str] = (),
) -> list[Finding]:
    """Return a video's findings, the excluding ones first; none for a clean one.

    crop: what is kept of the frame, in its pixels. mask: (crop.h, crop.w), True on tissue, None: all of it.
    marks: as static_marks returned it for the crop. chroma: Opened.chroma, of the whole frame. frame_rate_hz: None
    where the file states none. is_ultrasound: what the file's header says, None where it does not.
    pane_kinds: the kind of each pane that a DICOM header states.
    """
    return []
