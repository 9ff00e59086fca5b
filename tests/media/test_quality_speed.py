"""What the quality gate computes fast is what NumPy and SciPy compute slowly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull

from alnus.media.quality.observing import every_second, ranked
from alnus.media.quality.outline import closed, hull_corners, opened
from alnus.media.quality.percentiles import percentile
from alnus.media.quality.windows import framed, largest, smallest, summed


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 12, 31, 32])
def test_the_pruned_network_finds_the_sample_of_any_rank(count):
    samples = np.random.default_rng(count).integers(0, 256, (count, 9, 11), dtype=np.uint8)
    for place in {0, (count - 1) // 2, count - 1}:
        np.testing.assert_array_equal(ranked(samples, place), np.sort(samples, axis=0)[place])


def test_ranking_a_few_rows_at_a_time_leaves_no_row_out(monkeypatch):
    monkeypatch.setattr("alnus.media.quality.observing.CACHE_BYTES", 7 * 11 * 4)
    samples = np.random.default_rng(0).integers(0, 256, (7, 13, 11), dtype=np.uint8)
    np.testing.assert_array_equal(ranked(samples, 3), np.sort(samples, axis=0)[3])


@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[1:, 1:], np.s_[3:, 2:-1], np.s_[:, ::-1], np.s_[:-1, ::3]])
def test_every_second_row_and_column_are_those_of_a_slice(cut):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 22, 30), dtype=np.uint8)[:, *cut]
    np.testing.assert_array_equal(every_second(pictures), pictures[:, ::2, ::2])


@pytest.mark.parametrize("side", [5, 8, 9, 24])
def test_opening_and_closing_by_a_square_are_scipys(side):
    region = ndimage.uniform_filter(np.random.default_rng(side).random((60, 81)), 9) > 0.5
    square = np.ones((side, side), bool)
    np.testing.assert_array_equal(opened(region, side), ndimage.binary_opening(region, square))
    np.testing.assert_array_equal(closed(region, side), ndimage.binary_closing(region, square))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 11, 24, 25])
def test_windows_are_those_of_scipys_filters(side):
    values = np.random.default_rng(side).integers(0, 256, (61, 77), dtype=np.uint8)
    for mode, beyond in (("nearest", None), ("constant", 0), ("constant", 255)):
        filled = {"mode": mode, "cval": beyond or 0}
        np.testing.assert_array_equal(
            largest(values, side, beyond=beyond), ndimage.maximum_filter(values, side, **filled)
        )
        np.testing.assert_array_equal(
            smallest(values, side, beyond=beyond), ndimage.minimum_filter(values, side, **filled)
        )
    mean = ndimage.uniform_filter(values.astype(np.float64), side, mode="nearest")
    np.testing.assert_array_equal(summed(values.astype(np.uint32), side), np.round(mean * side**2))


@pytest.mark.parametrize("percent", [0, 50, 95, 97, 99, 100])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (7, 9), (60, 81)])
def test_percentiles_of_bytes_are_numpys(percent, shape):
    for most in (2, 17, 256):
        values = np.random.default_rng(most).integers(0, most, shape, dtype=np.uint8)
        assert percentile(values, percent) == pytest.approx(np.percentile(values, percent), abs=1e-9)


@pytest.mark.parametrize("sides", [(0, 0), (3, 3), (4, 2), (90, 1)])
def test_a_picture_is_framed_as_numpy_pads_it(sides):
    values = np.random.default_rng(0).integers(0, 256, (31, 44), dtype=np.uint8)
    np.testing.assert_array_equal(framed(values, *sides, None), np.pad(values, sides, mode="edge"))
    np.testing.assert_array_equal(framed(values, *sides, 255), np.pad(values, sides, constant_values=255))


@pytest.mark.parametrize("seed", range(20))
def test_the_corners_of_a_hull_are_qhulls(seed):
    generator = np.random.default_rng(seed)
    region = generator.random((60, 80)) < 10 ** generator.uniform(-3, -0.5)
    region[[5, 50, 40], [7, 9, 70]] = True
    points = np.argwhere(region)[:, ::-1]
    corners = hull_corners(region)
    assert {tuple(corner) for corner in corners} == {tuple(point) for point in points[ConvexHull(points).vertices]}
    (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, axis=0).T
    assert abs((x * next_y - next_x * y).sum()) / 2 == pytest.approx(ConvexHull(points).volume)  # they go around
