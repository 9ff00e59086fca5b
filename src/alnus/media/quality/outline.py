"""The outline of a scanned sector: convex, but for the arc of a curved probe at its top."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from alnus.media.quality.windows import largest, smallest

Mask = NDArray[np.bool_]
Real = NDArray[np.float64]
Circle = tuple[float, float, float]  # centre's x and y, radius

ARC_SHARE, ARC_PX = 0.015, 3.0  # an arc that is flatter than this share of the sector's height is left
ARC_ERROR_SHARE, ARC_ERROR_PX = 0.01, 2.0  # how far the tissue's upper edge may stray from a circle, in the median
ARC_COLUMNS = 12
FEW_POINTS, WORTHWHILE = 12, 0.95  # of a hull's side: so few are not thinned out, nor those of which so many stay


def opened(region: Mask, side_px: int) -> Mask:
    """Return ndimage.binary_opening by a square, black beyond the edges, in a hundredth of its time."""
    return _widened(_narrowed(region.view(np.uint8), side_px), side_px).view(bool)


def closed(region: Mask, side_px: int) -> Mask:
    """Return ndimage.binary_closing by a square in the same way."""
    return _narrowed(_widened(region.view(np.uint8), side_px), side_px).view(bool)


def _narrowed(region: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    return smallest(region, side_px, beyond=0)


def _widened(region: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    return largest(region[::-1, ::-1], side_px, beyond=0)[::-1, ::-1]  # an even square is mirrored, as in scipy


def grown(region: Mask, by_px: int) -> Mask:
    """Return a region with a rim of `by_px` pixels in every direction, corners square; the frame's edge adds none."""
    return largest(region.view(np.uint8), 2 * by_px + 1).view(bool)


def hull_corners(region: Mask) -> Real:
    """Return the corners of the convex hull of a region's pixels, (corners, 2) of x and y."""
    rows = np.flatnonzero(region.any(axis=1))
    first = region[rows].argmax(axis=1)
    last = region.shape[1] - 1 - region[rows, ::-1].argmax(axis=1)
    left, right = (_chain(side, rows, inwards) for side, inwards in ((first, 1), (last, -1)))
    return np.array(left + right[::-1], np.float64)


def _chain(columns: NDArray[np.intp], rows: NDArray[np.intp], inwards: int) -> list[tuple[int, int]]:
    """Return the corners of one side of the hull from above; inwards: 1 for its left side, -1 for its right.

    Source: A. Andrew, Information Processing Letters 9:216, 1979. scipy.spatial would take 0.1 s to import.
    """
    columns, rows = _without_inner(columns, rows, inwards)
    kept: list[tuple[int, int]] = []
    for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if inwards * ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) < 0:
                break
            kept.pop()
        kept.append((x, y))
    return kept


def _without_inner(
    columns: NDArray[np.intp], rows: NDArray[np.intp], inwards: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the points less most of those that are no corners: what lies within the line between its neighbours.

    They are dropped all at once, again and again, which is faster than one after another; the chain drops the rest.
    """
    while len(columns) > FEW_POINTS:
        x, y = np.diff(columns), np.diff(rows)
        is_outer = inwards * (x[:-1] * (y[:-1] + y[1:]) - (x[:-1] + x[1:]) * y[:-1]) < 0
        if np.count_nonzero(is_outer) > WORTHWHILE * len(is_outer):
            break
        kept = np.concatenate(([True], is_outer, [True]))
        columns, rows = columns[kept], rows[kept]
    return columns, rows


def hull(region: Mask) -> Mask:
    """Return the filled convex hull of a region, which has at least one pixel."""
    image = Image.new("1", (region.shape[1], region.shape[0]))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in hull_corners(region)], fill=1, outline=1)
    return np.asarray(image) | region


def hull_area(region: Mask) -> int:
    """Return the number of pixels of the filled hull."""
    return int(hull(region).sum())


def without_probe_arc(solid: Mask, alive: Mask) -> Mask:
    """Cut from a convex region what lies above the arc of a curved probe, where there is one.

    The tissue's upper edge, column by column, follows a circle that is lowest in its middle: the probe's own surface.
    Source of the circle: Kåsa, IEEE Trans. Instrum. Meas. IM-25:8 (1976), a linear least-squares fit.
    """
    x, top, depth = _upper_edge(solid, alive)
    height = int(np.ptp(np.flatnonzero(solid.any(axis=1)))) + 1
    sagitta = max(ARC_PX, ARC_SHARE * height)
    if len(x) < ARC_COLUMNS or np.percentile(depth, 90) < sagitta:
        return solid
    circle = _robust_circle(x, top)
    if circle is None or np.median(np.abs(top - _lower_arc(circle, x))) > max(ARC_ERROR_PX, ARC_ERROR_SHARE * height):
        return solid
    return _cut(solid, circle, float(x[0]), float(x[-1]))


def _robust_circle(x: Real, top: Real) -> Circle | None:
    """Return the circle through most of the points: twice fitted again without those that stray."""
    kept = np.ones(len(x), bool)
    for _ in range(3):
        circle = _circle(x[kept], top[kept]) if kept.sum() >= ARC_COLUMNS else None
        if circle is None:
            return None
        error = np.abs(top - _lower_arc(circle, x))
        kept = error <= max(1.5, 3 * float(np.median(error)))
    return circle


def _upper_edge(solid: Mask, alive: Mask) -> tuple[Real, Real, Real]:
    """Return columns, the first row alive in each, and how far that is below the hull's top edge.

    The columns are those below the hull's longest upper side: from one end of the probe's arc to the other.
    """
    corners = hull_corners(solid)
    sides = np.stack([corners, np.roll(corners, -1, axis=0)], 1)  # (sides, 2 ends, x and y)
    middle = corners[:, 1].min() + 0.5 * np.ptp(corners[:, 1])
    upper = sides[sides[:, :, 1].mean(axis=1) < middle]
    widths = np.abs(upper[:, 0, 0] - upper[:, 1, 0]) - np.abs(upper[:, 0, 1] - upper[:, 1, 1])
    left, right = sorted(upper[int(widths.argmax())][:, 0]) if len(upper) else (0.0, -1.0)
    columns = np.arange(int(left) + 1, int(right))
    both = solid[:, columns] & alive[:, columns]
    columns, both = columns[both.any(axis=0)], both[:, both.any(axis=0)]
    top = ndimage.median_filter(both.argmax(axis=0).astype(np.float64), 5, mode="nearest")
    return columns.astype(np.float64), top, top - solid[:, columns].argmax(axis=0)


def _circle(x: Real, y: Real) -> Circle | None:
    """Return a circle's centre and radius; None where the points bend the other way or hardly at all."""
    middle = x.mean()
    unknowns = np.stack([x - middle, y, np.ones_like(x)], axis=1)
    (a, b, c), *_ = np.linalg.lstsq(unknowns, (x - middle) ** 2 + y**2, rcond=None)
    square = c + (a**2 + b**2) / 4
    if square <= 0 or b / 2 > y.min():
        return None
    return float(a / 2 + middle), float(b / 2), float(np.sqrt(square))


def _lower_arc(circle: Circle, x: Real) -> Real:
    centre_x, centre_y, radius = circle
    return np.asarray(centre_y + np.sqrt(np.maximum(radius**2 - (x - centre_x) ** 2, 0)))


def _cut(solid: Mask, circle: Circle, left: float, right: float) -> Mask:
    columns = np.arange(solid.shape[1], dtype=np.float64)
    arc = np.where((columns >= left) & (columns <= right), _lower_arc(circle, columns), -1)
    return np.asarray(solid & (np.arange(solid.shape[0])[:, None] >= arc[None, :] - 0.5))
