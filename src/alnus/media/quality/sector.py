"""Where the scanned tissue lies in a frame, told from what moves.

Speckle changes in nearly every pixel between frames some time apart, be the tissue bright or dark; text, bars, rulers
and windows do not, and clocks, pointers and traces do so in few pixels at a time. What is alive in most frames,
cleared of thin pieces and made solid, is the sector: its sides and its depth are convex, its top may be a convex
probe's arc.

Source: the masking of EchoNet-Dynamic (Ouyang et al., Nature 580:252, 2020, methods) keeps a fan so that text and ECG
are gone; here the fan is found in any layout. Departures: no template of a scanner's screen, no brightness threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alnus.media.cine import Box
from alnus.media.colour import Pixels
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask, closed, grown, hull, hull_area, opened, without_probe_arc
from alnus.media.quality.windows import framed, largest, summed

LEVELS = (1, 3, 6)  # grey levels that count as a change: any; above a camera's or a grabber's noise
ALIVE = 0.35  # of the pairs of samples in which a pixel of tissue changes; a running clock's digits reach 0.4, but thin
STIRRING = 0.1  # the same of tissue in deep shadow, which counts only inside the outline
WINDOW_PX = 5
THIN_SHARE, THIN_PX = 1 / 20, 9  # what is thinner than this share of the frame's shorter side is no tissue
CLEAR_RATIO = 3.0  # how much more the inner rim of a sector changes than the outer, where everything is noisy
STRONG = 10  # grey levels that a codec's ripples seldom reach
PASSING, BRIGHT_SWING, RARE = 6, 60, 0.2
BLEEDING_PX, BLEEDING_RATIO, BLEEDING_LEVELS = 12, 0.5, 16
FULL = 0.97  # a mask that fills so much of its box is left out
LEAST_SHARE, LEAST_PX = 0.03, 32
LEAST_CONFIDENCE = 0.5
TEXTURED, PICTURE_SHARE, RIM_PX = 6.0, 0.4, 12  # speckle has a standard deviation of 15 to 40; text covers little

Real = NDArray[np.float32]


@dataclass(frozen=True)
class Sector:
    """The scanned tissue. box: around it, in pixels of the whole frame.

    mask: (box.h, box.w), True where there is tissue, solid; None where it fills the box.
    confidence: the share of the sector that changes, 0 to 1. note: one line for the reader.
    """

    box: Box
    mask: Mask | None
    confidence: float
    note: str


def find_sector(observed: Observed) -> Sector | None:
    """Return the scanned sector, or None where what moves gives no confident answer: then keep the whole frame."""
    found = _found(observed.coarse)
    if found is None:
        return None
    box, mask = spread(found.box, observed), None
    if found.mask is not None:
        whole = found.mask.repeat(observed.spacing, axis=0).repeat(observed.spacing, axis=1)
        mask = whole[: box.h, : box.w]
    return None if min(box.w, box.h) < LEAST_PX else Sector(box, mask, found.confidence, _note(box, mask))


def spread(box: Box, observed: Observed) -> Box:
    """Return a box of `observed.coarse` in pixels of the frame."""
    height, width = observed.size
    x, y = box.x * observed.spacing, box.y * observed.spacing
    return Box(x, y, min(box.w * observed.spacing, width - x), min(box.h * observed.spacing, height - y))


@dataclass(frozen=True)
class _Found:
    """A sector without its note."""

    box: Box
    mask: Mask | None
    confidence: float


def _found(observed: Observed) -> _Found | None:
    strong = liveliness(observed, STRONG)
    if strong is None:
        return None
    passing = _passing(observed)
    for level in LEVELS:
        shares = liveliness(observed, level)
        if shares is None:
            return None
        region = _region((shares >= ALIVE) & ~passing, strong, observed.median)
        if region is None:
            return None
        fills = share(region) > FULL
        if (level > 1 and not fills and not _is_clear(shares, region)) or (fills and level < LEVELS[-1]):
            continue
        return _sector(region, shares, observed.median)
    return _sector(np.ones(observed.size, bool), shares, observed.median)


def liveliness(observed: Observed, level: int) -> Real | None:
    """Return, smoothed, in what share of the pairs of samples a pixel changes by `level` or more, (H, W).

    Pairs of repeated frames do not count. None where nothing ever changes.
    """
    if not len(observed.steps):
        return None
    pixels = np.float32(len(observed.steps) * WINDOW_PX**2)
    return np.asarray(observed.summed_steps(level, WINDOW_PX) / pixels, np.float32)


def share(mask: Mask) -> float:
    """Return the share of the pixels that are True."""
    return np.count_nonzero(mask) / mask.size


def pieces(alive: Mask) -> list[Mask]:
    """Return the pieces of what is alive that are thick enough to be tissue, the largest first."""
    side = max(THIN_PX, round(min(alive.shape) * THIN_SHARE))
    thick = opened(closed(framed(alive, side, side, None), WINDOW_PX), side)[side:-side, side:-side]
    labels, count = ndimage.label(thick)
    found = [thick] if count == 1 else [labels == number for number in range(1, count + 1)]
    return sorted(found, key=np.count_nonzero, reverse=True)  # of one size the first stays first


def _passing(observed: Observed) -> Mask:
    """Return where something bright passes now and then, as an ECG trace or a pointer, among pixels that hardly change.

    The codec's ripples around it would pass for tissue.
    """
    swing = observed.samples.max(axis=0) - observed.samples.min(axis=0)
    bright = largest(swing, 2 * WINDOW_PX - 1) >= BRIGHT_SWING
    changes = liveliness(observed, PASSING)
    return bright if changes is None else np.asarray(bright & (changes < RARE))


def _region(alive: Mask, strong: Real, median: Pixels) -> Mask | None:
    """Return the solid region of the tissue, (H, W), None where nothing is alive and thick."""
    found = pieces(alive)
    if not found:
        return None
    region = found[0]
    for other in found[1:]:
        if _belongs(region, other):
            region = region | other
    near = grown(region, THIN_PX // 2)  # corners that a square cannot reach
    region = _without_bleeding(region | (near & alive), strong, median)
    return without_probe_arc(hull(region), region) if region.any() else None


def _without_bleeding(region: Mask, strong: Real, median: Pixels) -> Mask:
    """Return the region without the rim into which a codec's blocks carry the tissue's changes, faintly.

    A block of 8 or 16 pixels across the sector's edge changes on its far side too, by a fraction of the near side, but
    it stays as bright as the screen beside it: a near field that hardly moves does not.
    """
    if region.all():
        return region
    every_second = region[::2, ::2]  # the screen does not change from one pixel to the next
    if every_second.all():
        return region
    row, column = ndimage.distance_transform_edt(every_second, return_distances=False, return_indices=True)
    beside = median[2 * row, 2 * column].astype(np.int16).repeat(2, axis=0).repeat(2, axis=1)
    beside = beside[: median.shape[0], : median.shape[1]]
    like_screen = summed(np.abs(median - beside), 3) < 9 * (BLEEDING_LEVELS + 1)
    nearby = largest(strong, 2 * BLEEDING_PX + 1)
    rim = grown(~region, BLEEDING_PX)
    kept = region & ~(rim & like_screen & (nearby >= RARE) & (strong < BLEEDING_RATIO * nearby))
    padded = framed(kept, WINDOW_PX, WINDOW_PX, None)
    return opened(closed(padded, WINDOW_PX), WINDOW_PX)[WINDOW_PX:-WINDOW_PX, WINDOW_PX:-WINDOW_PX]


def _belongs(region: Mask, other: Mask) -> bool:
    """Tell a piece of the same tissue behind a shadow, or a second pane, from a clock, a strip of M-mode or Doppler.

    It lies beside the region, not below it, and the outline around both holds little else.
    """
    rows, others = region.any(axis=1), other.any(axis=1)
    if (rows & others).sum() < 0.5 * min(rows.sum(), others.sum()) or other.sum() < 0.02 * region.sum():
        return False
    return hull_area(region | other) <= 1.3 * (hull_area(region) + hull_area(other))


def _is_clear(shares: Real, region: Mask) -> bool:
    """Tell a sector from a brighter part of a picture that moves throughout: its rim is sharp."""
    inner = region & grown(~region, 12)
    outer = grown(region, 14) & ~grown(region, 4)
    if not inner.any() or not outer.any():
        return False
    return bool(np.median(shares[inner]) > CLEAR_RATIO * max(0.02, float(np.percentile(shares[outer], 75))))


def _is_amid_a_picture(region: Mask, median: Pixels) -> bool:
    """Tell whether what lies around the region is textured throughout, as tissue that is held still is: no screen."""
    outside = ~grown(region, RIM_PX)
    if share(outside) < LEAST_SHARE:
        return False
    level, pixels = median.astype(np.uint32), WINDOW_PX**2
    total = summed(median.astype(np.uint16), WINDOW_PX).astype(np.uint32)
    textured = pixels * summed(level * level, WINDOW_PX) >= total * total + int((pixels * TEXTURED) ** 2)
    return bool(np.count_nonzero(textured & outside) > PICTURE_SHARE * np.count_nonzero(outside))


def _sector(region: Mask, shares: Real | None, median: Pixels) -> _Found | None:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    box = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    mask = region[box.y : box.y + box.h, box.x : box.x + box.w]
    if shares is None or np.count_nonzero(mask) < LEAST_SHARE * region.size:
        return None
    confidence = round(np.count_nonzero((shares >= STIRRING) & region) / np.count_nonzero(mask), 2)
    if confidence < LEAST_CONFIDENCE or _is_amid_a_picture(region, median):
        return None
    return _Found(box, None if share(mask) > FULL else np.ascontiguousarray(mask), confidence)


def _note(box: Box, mask: Mask | None) -> str:
    shape = "a rectangle" if mask is None else f"{share(mask):.0%} of a rectangle"
    return f"the scanned region was found from what moves: ({box.x}, {box.y}, {box.w}x{box.h}), {shape}"
