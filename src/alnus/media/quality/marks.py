"""Burned-in marks inside the tissue: text, calipers, arrows; what never changes while the tissue around it does.

Speckle turns dark in every pixel sooner or later, so the darkest value that a pixel ever had is low in tissue. A mark
keeps its brightness: it stands out of that picture of minima as something thin, with the edges of a drawing.

Source: the white top-hat, Serra, Image Analysis and Mathematical Morphology, 1982, chapter XII.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from scipy import ndimage

from alnus.media.cine import Box
from alnus.media.colour import Pixels
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask, grown, opened
from alnus.media.quality.percentiles import percentile
from alnus.media.quality.windows import largest, smallest, summed

FILL = 0
"""Black: what lies outside the tissue is black too, and what a network may learn from a hole is at most that a mark
was there, not what it said. A fill from the surroundings would invent tissue."""

COMMON_PERCENTILE = 97  # of the region's contrasts: what tissue itself reaches, as few pixels are marks
CORE, BODY = 1.2, 0.75  # a mark's contrast over that: somewhere in it, all over it
LEAST_CONTRAST = 30.0  # grey levels; MPEG ripples stay below
STROKE_PX = 11  # a drawing's lines are thinner
THICK_PX, SLIM, FILLED = 7, 2.5, 0.65  # a compact spot: a filled square so wide, few times as long, in most of its box
USUAL_PX = 240  # of a region's shorter side, from which on these hold; smaller regions are reduced, their lines too
STEADY = 10  # grey levels that tissue changes by
STEADIER = 0.75  # how seldom a mark changes, against the tissue around it
ALIVE_AROUND, DARK_AROUND = 0.3, 40
STEEPEST_PERCENTILE, STEEP = 95, 0.5  # a drawn line turns to tissue within 2 pixels
UPRIGHT = 0.7  # a drawing's edges run every way, an echo's across the beam
LEAST_PX, RIM_PX, BESIDE_PX, AROUND_PX = 4, 3, 5, 12
AFFECTED_PX = 2 * STROKE_PX  # how far from what stands out anything is looked at
LEAST_MOVING = 0.3  # of the region's pixels must change in most samples, or marks and tissue look alike
LEAST_PAIRS = 5


def static_marks(observed: Observed, box: Box) -> Mask | None:
    """Return (box.h, box.w), True on burned-in marks and a small rim around them.

    None where there are none, or where the cine moves too little to tell them from tissue.
    """
    rows, columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
    low = observed.low[rows, columns]
    stroke = _reduced(STROKE_PX, box)
    contrast = low - largest(smallest(low, stroke), stroke)
    common = max(LEAST_CONTRAST, percentile(contrast, COMMON_PERCENTILE))
    cut = _around(contrast >= np.uint8(ceil(BODY * common)), margin=AFFECTED_PX)
    if cut is None or not can_tell_marks(observed, box):
        return None
    pairs = len(observed.coarse.steps)
    near = observed.within((rows, columns))
    marks = _standing_out(near.within(cut), contrast[cut], common, pairs, thick_px=_reduced(THICK_PX, box))
    if not marks.any():
        return None
    found = np.zeros(low.shape, bool)
    found[cut] = grown(marks, RIM_PX)
    return found


def _around(pixels: Mask, *, margin: int) -> tuple[slice, slice] | None:
    """Return the rows and columns around what is True, with a margin; None where nothing is."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return None
    first, last = (slice(max(0, int(where[0]) - margin), int(where[-1]) + 1 + margin) for where in (rows, columns))
    return first, last


def _standing_out(seen: Observed, contrast: Pixels, common: float, pairs: int, *, thick_px: int) -> Mask:
    """Return the marks among what stands out, in the part of the region that is seen. pairs: of samples that differ."""
    changes = seen.counted_steps(STEADY)
    around = summed(changes.astype(np.uint16), 2 * AROUND_PX + 1) / np.float32((2 * AROUND_PX + 1) ** 2)
    is_alive_around = around >= ALIVE_AROUND * pairs
    drawn = is_alive_around | _is_dark_around(seen.high)
    body = (contrast >= BODY * common) & ((changes <= STEADIER * around) | ~is_alive_around) & drawn
    core = body & (contrast >= CORE * common)
    return _drawings(seen.low, body, core, thick_px=thick_px)


def can_tell_marks(observed: Observed, box: Box) -> bool:
    """Tell whether enough of the region moves, so that what does not can be told from it."""
    seen, apart = observed.coarse, observed.spacing
    steps = len(seen.steps)
    if steps < LEAST_PAIRS:
        return False
    rows, columns = (slice(-(-at // apart), -(-(at + side) // apart)) for at, side in ((box.y, box.h), (box.x, box.w)))
    changes = seen.counted_steps(3)[rows, columns]
    return bool(np.count_nonzero(2 * changes >= steps) >= LEAST_MOVING * changes.size)


def _is_dark_around(high: Pixels) -> Mask:
    """Tell where the mean around a pixel is dark."""
    side = 2 * AROUND_PX + 1
    return summed(high.astype(np.uint32), side) <= DARK_AROUND * side**2


def _reduced(length_px: int, box: Box) -> int:
    """Return a length for a region of this size, odd and at least 3."""
    scale = min(1.0, min(box.w, box.h) / USUAL_PX)
    return max(3, round((length_px * scale - 1) / 2) * 2 + 1)


def _drawings(low: Pixels, body: Mask, core: Mask, *, thick_px: int) -> Mask:
    """Return the pieces of `body` that are drawn: enough of a core in each, edges that run every way, no filled spot.

    What else stands out right beside one belongs to it: the other letters of its word.
    """
    labels, count = ndimage.label(body, np.ones((3, 3), bool))
    marks = np.zeros(body.shape, bool)
    cores = np.bincount(labels[core], minlength=count + 1)
    places = ndimage.find_objects(labels)
    for number in np.flatnonzero(cores >= LEAST_PX):
        place = places[number - 1]
        if _runs_every_way(low, place) and not _is_spot(low, place, thick_px):
            marks[place] |= labels[place] == number
    beside = np.zeros(count + 1, bool)
    beside[labels[grown(marks, BESIDE_PX)]] = True
    beside[0] = False
    return np.asarray(beside[labels])


def _runs_every_way(low: Pixels, place: tuple[slice, slice]) -> bool:
    """Tell a drawing from an echo, which is long across the beam and soft along it."""
    around = low[tuple(slice(max(0, side.start - 2), side.stop + 2) for side in place)]
    if _apart(around[:, 1:], around[:, :-1]).sum() < UPRIGHT * _apart(around[1:], around[:-1]).sum():
        return False
    steps = _apart(around[:, 2:], around[:, :-2])
    return percentile(steps, STEEPEST_PERCENTILE) >= STEEP * float(np.ptp(around))


def _apart(one: Pixels, other: Pixels) -> Pixels:
    return np.maximum(one, other) - np.minimum(one, other)


def _is_spot(low: Pixels, place: tuple[slice, slice], thick_px: int) -> bool:
    """Tell a bright thing that is compact and filled, as a lesion or a clip is, from the strokes of a drawing.

    It is looked at as a whole: of a large one only the corners are thin enough to stand out.
    """
    window = tuple(slice(max(0, side.start - AFFECTED_PX), side.stop + AFFECTED_PX) for side in place)
    inside = tuple(
        slice(side.start - around.start, side.stop - around.start) for side, around in zip(place, window, strict=True)
    )
    around = low[window]
    bright = 2 * around.astype(np.uint16) >= int(around[inside].max()) + int(around.min())
    if not opened(bright, thick_px).any():  # nor is then anything of it thick
        return False
    labels, _ = ndimage.label(bright)
    spot = labels == int(np.bincount(labels[inside].ravel())[1:].argmax()) + 1
    rows, columns = (np.ptp(np.flatnonzero(spot.any(axis=axis))) + 1 for axis in (1, 0))
    widest = max(thick_px, int(max(rows, columns) / SLIM))
    return bool(spot.sum() >= FILLED * rows * columns and opened(spot, widest).any())


def masked(frames: Pixels, mask: Mask) -> Pixels:
    """Return (T, h, w) frames with FILL where the mask (h, w) is True; the frames given are not altered."""
    return np.where(mask, np.uint8(FILL), frames)
