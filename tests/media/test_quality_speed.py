"""What the quality gate computes fast is what NumPy and SciPy compute slowly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from alnus.media.quality.observing import ordered
from alnus.media.quality.outline import closed, opened


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 12, 31, 32])
def test_the_sorting_network_sorts_any_number_of_samples(count):
    samples = np.random.default_rng(count).integers(0, 256, (count, 9, 11), dtype=np.uint8)
    np.testing.assert_array_equal(ordered(samples), np.sort(samples, axis=0))


@pytest.mark.parametrize("side", [5, 8, 9, 24])
def test_opening_and_closing_by_a_square_are_scipys(side):
    region = ndimage.uniform_filter(np.random.default_rng(side).random((60, 81)), 9) > 0.5
    square = np.ones((side, side), bool)
    np.testing.assert_array_equal(opened(region, side), ndimage.binary_opening(region, square))
    np.testing.assert_array_equal(closed(region, side), ndimage.binary_closing(region, square))
