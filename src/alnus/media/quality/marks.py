"""Burned-in marks inside the tissue: text, calipers, arrows; what never changes while the tissue around it does.

Speckle turns dark in every pixel sooner or later, so the darkest value that a pixel ever had is low in tissue. A mark
keeps its brightness: it stands out of that picture of minima as something thin, with the edges of a drawing.

Source: the white top-hat, Serra, Image Analysis and Mathematical Morphology, 1982, chapter XII.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alnus.media.cine import Box
from alnus.media.colour import Pixels
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask, grown

FILL = 0
"""Black: what lies outside the tissue is black too, and what a network may learn from a hole is at most that a mark
was there, not what it said. A fill from the surroundings would invent tissue."""

FLOOR_PERCENTILE = 12  # of the samples: a codec makes a mark darker in some of them
CONTRAST, EDGE = 45, 22  # grey levels above the floor around: a mark's core, its whole body
STROKE_PX = 11  # a drawing's lines are thinner
STEADY = 10  # grey levels that tissue changes by
STEADIER = 0.75  # how seldom a mark changes, against the tissue around it
ALIVE_AROUND, DARK_AROUND = 0.3, 40
UPRIGHT = 0.4  # a drawing's edges run every way, an echo's across the beam
LEAST_PX, RIM_PX, AROUND_PX = 4, 2, 12
LEAST_MOVING = 0.3  # of the region's pixels must change in most samples, or marks and tissue look alike
LEAST_PAIRS = 5


@dataclass(frozen=True)
class _Picture:
    """What is compared, each (h, w): how a pixel's floor stands out, how often it changes, and the same around it."""

    floor: Pixels
    contrast: Pixels
    around: NDArray[np.float32]
    bright_around: NDArray[np.float32]


def static_marks(observed: Observed, box: Box) -> Mask | None:
    """Return (box.h, box.w), True on burned-in marks and a small rim around them.

    None where there are none, or where the cine moves too little to tell them from tissue.
    """
    if not can_tell_marks(observed, box):
        return None
    rows, columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
    samples = np.sort(observed.samples[:, rows, columns], axis=0)
    floor = samples[len(samples) * FLOOR_PERCENTILE // 100]
    changes = (observed.steps[:, rows, columns] >= STEADY).mean(axis=0, dtype=np.float32)
    around = ndimage.uniform_filter(changes, 2 * AROUND_PX + 1, mode="nearest")
    ceiling = samples[-1 - len(samples) * FLOOR_PERCENTILE // 100].astype(np.float32)
    picture = _Picture(
        floor,
        ndimage.white_tophat(floor, size=STROKE_PX, mode="nearest"),
        around,
        ndimage.uniform_filter(ceiling, 2 * AROUND_PX + 1, mode="nearest"),
    )
    steady = (changes <= STEADIER * around) | (around < ALIVE_AROUND)
    body = (picture.contrast >= EDGE) & steady
    labels, _ = ndimage.label(grown(body, RIM_PX))
    marks = np.zeros(body.shape, bool)
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if _is_mark(picture, body[place] & (labels[place] == number), place):
            marks[place] |= labels[place] == number
    return marks if marks.any() else None


def can_tell_marks(observed: Observed, box: Box) -> bool:
    """Tell whether enough of the region moves, so that what does not can be told from it."""
    steps = observed.steps[:, box.y : box.y + box.h : 2, box.x : box.x + box.w : 2]
    if len(steps) < LEAST_PAIRS:
        return False
    return bool(((steps >= 3).mean(axis=0) >= 0.5).mean() >= LEAST_MOVING)


def _is_mark(picture: _Picture, body: Mask, place: tuple[slice, slice]) -> bool:
    """Tell a drawing from an echo: a hard core, edges every way, and tissue that moves, or none at all, around it."""
    core = body & (picture.contrast[place] >= CONTRAST)
    if core.sum() < LEAST_PX:
        return False
    floor = picture.floor[place].astype(np.float32)
    across, down = (np.abs(np.diff(floor, axis=axis)).sum() for axis in (1, 0))
    if across < UPRIGHT * down:
        return False
    alive = float(np.median(picture.around[place][core])) >= ALIVE_AROUND
    return alive or float(np.median(picture.bright_around[place][core])) <= DARK_AROUND


def masked(frames: Pixels, mask: Mask) -> Pixels:
    """Return (T, h, w) frames with FILL where the mask (h, w) is True; the frames given are not altered."""
    return np.where(mask, np.uint8(FILL), frames)
