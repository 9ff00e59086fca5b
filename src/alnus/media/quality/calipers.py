"""Calipers and arrows among the burned-in marks: what a sonographer sets where something worries them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alnus.media.cine import Box
from alnus.media.quality.observing import Observed
from alnus.media.quality.outline import Mask

ARM_PX = (3, 11)  # a caliper's arms, from its centre
STANDS_OUT = 0.5  # of the mark's own contrast: what an arm has everywhere, and what lies between the arms has not
WORD_PX = 14  # calipers stand alone: a mark with so near a neighbour on its line is a letter

ALONE = 0.7  # of a drawing's pixels that its largest piece has

Real = NDArray[np.float32]


def count_calipers(observed: Observed, crop: Box, marks: Mask) -> int:
    """Return how many of the marks are upright or slanting crosses or arrows that stand alone.

    marks: (crop.h, crop.w), as static_marks returned it.
    """
    rows, columns = slice(crop.y, crop.y + crop.h), slice(crop.x, crop.x + crop.w)
    low = observed.low[rows, columns].astype(np.float32)
    labels, _ = ndimage.label(marks, np.ones((3, 3), bool))
    places = ndimage.find_objects(labels)
    alone = [place for place in places if not any(_on_one_line(place, other) for other in places if other is not place)]
    return sum(is_caliper(_drawing(low, place)) for place in alone)


def _on_one_line(place: tuple[slice, slice], other: tuple[slice, slice]) -> bool:
    shared = min(place[0].stop, other[0].stop) - max(place[0].start, other[0].start)
    gap = max(place[1].start, other[1].start) - min(place[1].stop, other[1].stop)
    return bool(shared > 0 and gap < WORD_PX)


def _drawing(low: Real, place: tuple[slice, slice]) -> Mask:
    """Return the mark's own pixels within its box, without the rim that masking adds."""
    cut = low[place]
    ground, peak = float(np.percentile(cut, 30)), float(cut.max())
    return np.asarray(cut >= ground + STANDS_OUT * (peak - ground))


def is_caliper(drawing: Mask) -> bool:
    """Tell a cross (+ or x) or an arrow by its shape. drawing: (h, w), True on the mark."""
    labels, count = ndimage.label(drawing, np.ones((3, 3), bool))
    if not count:
        return False
    main = labels == int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    if main.sum() < ALONE * drawing.sum():  # one letter of a word
        return False
    rows, columns = np.flatnonzero(main.any(axis=1)), np.flatnonzero(main.any(axis=0))
    body = main[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side, other = sorted(body.shape)
    if side < 2 * ARM_PX[0] or other > 4 * ARM_PX[1]:
        return False
    return _is_cross(body) or _is_arrow(body)


def _is_cross(body: Mask) -> bool:
    """Tell two equal strokes that cross in their middles, upright or slanting."""
    height, width = body.shape
    if max(height, width) > 2 * ARM_PX[1] + 2 or min(height, width) < 0.7 * max(height, width):
        return False
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (2 * x - width + 1) / width, (2 * y - height + 1) / height
    thick = 3 / min(height, width)
    upright = (np.abs(x) <= thick) | (np.abs(y) <= thick)
    slanting = (np.abs(x - y) <= 1.5 * thick) | (np.abs(x + y) <= 1.5 * thick)
    return any(_fits(body, shape) for shape in (upright, slanting))


def _fits(body: Mask, shape: Mask) -> bool:
    """Tell whether nearly all of the mark lies on the shape and covers all four of its arms."""
    height, width = body.shape
    if (body & shape).sum() < 0.9 * body.sum() or body.mean() > 0.6:
        return False
    middle = shape & body
    cuts = (slice(0, height // 3), slice(-(height // 3), None)), (slice(0, width // 3), slice(-(width // 3), None))
    ends = [middle[cuts[0][0]], middle[cuts[0][1]], middle[:, cuts[1][0]], middle[:, cuts[1][1]]]
    return all(end.sum() >= 2 for end in ends)


def _is_arrow(body: Mask) -> bool:
    """Tell a head, wide and filled, with a thin shaft: the mark's width along its length falls to a third."""
    y, x = np.nonzero(body)
    points = np.stack([x - x.mean(), y - y.mean()])
    direction = np.linalg.svd(points, full_matrices=False)[0][:, 0]
    along, across = direction @ points, np.array([-direction[1], direction[0]]) @ points
    length = float(np.ptp(along))
    if length < 4 * ARM_PX[0]:
        return False
    fifths = np.clip(((along - along.min()) / length * 5).astype(int), 0, 4)
    widths = np.array([np.ptp(across[fifths == part]) + 1 if (fifths == part).any() else 0 for part in range(5)])
    widths = widths if widths[:2].max() > widths[3:].max() else widths[::-1]
    head, shaft = widths[:2].max(), widths[2:].max()
    return bool(head >= 5 and 0 < shaft <= 0.55 * head and (widths > 0).all() and np.ptp(across) < 0.7 * length)
