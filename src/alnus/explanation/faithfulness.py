"""Does a heatmap tell the truth? Pure measures of maps against lesion masks, and of what the score does without them.

Source: pointing game: Zhang et al., "Top-down neural attention by excitation backprop", IJCV 126:1084 (2018);
energy: Wang et al., "Score-CAM", CVPR workshops 2020; deletion and insertion: Petsiuk et al., "RISE", BMVC 2018;
randomised weights: Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
Departures: no tolerance around the lesion in the pointing game; the largest pixels share the point where they tie, so
that a uniform map gets the lesion's share of the picture. Random orders are as coarse as the map they compete with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Maps = NDArray[np.float32]  # (frames, height, width), not negative
Masks = NDArray[np.bool_]  # (frames, height, width)


def pointing(maps: Maps, masks: Masks) -> float | None:
    """Return the share of frames whose largest pixel lies in the lesion; ties count by their share.

    Of the frames in which a lesion is seen. None where none is, or where the maps say nothing in any of them; a frame
    without evidence counts as a uniform map.
    """
    seen = masks.any((1, 2))
    if not seen.any() or not maps[seen].any():
        return None
    largest = maps == maps.max((1, 2), keepdims=True)
    hits = (largest & masks).sum((1, 2)) / largest.sum((1, 2))
    return float(hits[seen].mean())


def energy(maps: Maps, masks: Masks) -> float | None:
    """Return the share of all evidence, over every frame, that lies in the lesion; None without evidence."""
    total = float(maps.sum(dtype=np.float64))
    return float(maps[masks].sum(dtype=np.float64)) / total if total > 0 and masks.any() else None


def uniform_maps(shape: tuple[int, int, int]) -> Maps:
    """Return the map that knows nothing."""
    return np.ones(shape, np.float32)


def centre_maps(shape: tuple[int, int, int]) -> Maps:
    """Return the map that always points to the middle: 1 there, falling evenly to 0 at the corners."""
    frames, height, width = shape
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    cone = (1 - away / max(away.max(), 1e-9)).astype(np.float32)
    return np.repeat(cone[None], frames, 0)


def lesion_in_view(masks: Masks) -> NDArray[np.float64]:
    """Return the lesion's area in each frame as a share of its largest, (frames,); masks with a lesion somewhere."""
    areas = masks.sum((1, 2)).astype(np.float64)
    shares: NDArray[np.float64] = areas / areas.max()
    return shares


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return Spearman's correlation of two arrays of one shape; 0 where either is constant: it has nothing in common.

    Two arrays that are equal correlate at 1, also constant ones.
    """
    first, second = a.ravel(), b.ravel()
    if np.array_equal(first, second):
        return 1.0
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(stats.spearmanr(first, second).statistic)


def ranks(maps: Maps, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return each pixel's place among all pixels of all frames, 0 the largest; ties fall by chance."""
    order = np.lexsort((generator.random(maps.size), -maps.ravel()))
    places = np.empty(maps.size, np.int64)
    places[order] = np.arange(maps.size)
    return places.reshape(maps.shape)


def area_below(shares: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the area below a curve of scores over shares from 0 to 1: the mean score on the way."""
    return float(np.trapezoid(scores, shares))
