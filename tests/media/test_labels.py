"""Pieces and nearest pixels are those that scipy.ndimage finds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from alnus.media.quality.labels import label, nearest_outside
from alnus.media.quality.outline import _smoothed, opened


def masks():
    generator = np.random.default_rng(0)
    for shape in ((1, 1), (1, 9), (9, 1), (7, 12), (60, 81), (120, 97)):
        for share in (0.0, 0.1, 0.4, 0.6, 0.9, 1.0):
            yield generator.random(shape) < share
    for side in (3, 5, 9):
        yield ndimage.uniform_filter(generator.random((90, 110)), side) > 0.5
    spiral = np.zeros((41, 41), bool)
    for ring in range(0, 20, 2):
        spiral[ring, ring : 41 - ring] = spiral[ring : 41 - ring, 40 - ring] = True
        spiral[40 - ring, ring : 41 - ring] = spiral[ring + 2 : 41 - ring, ring] = True
        spiral[ring + 2, ring : ring + 2] = True
    yield spiral
    yield np.indices((40, 41)).sum(axis=0) % 2 == 0


@pytest.mark.parametrize("corners", [False, True])
def test_pieces_are_numbered_as_scipy_numbers_them(corners):
    for mask in masks():
        wanted, count = ndimage.label(mask, np.ones((3, 3), bool) if corners else None)
        labels, places = label(mask, corners=corners)
        np.testing.assert_array_equal(labels, wanted)
        assert places == ndimage.find_objects(wanted)
        assert len(places) == count


def test_the_nearest_pixel_outside_is_as_far_as_scipy_finds_it():
    for mask in masks():
        if mask.all():
            continue
        distance = ndimage.distance_transform_edt(mask)
        for asked in (np.ones(mask.shape, bool), distance < 4):
            row, column = nearest_outside(mask, asked)
            rows, columns = np.indices(mask.shape)
            assert not mask[row[asked], column[asked]].any()
            np.testing.assert_allclose(np.hypot(row - rows, column - columns)[asked], distance[asked])


def test_openings_by_two_pixels_and_medians_of_five_are_scipys():
    for mask in masks():
        np.testing.assert_array_equal(opened(mask, 2), ndimage.binary_opening(mask, np.ones((2, 2), bool)))
        values = mask.sum(axis=0).astype(np.float64)
        np.testing.assert_array_equal(_smoothed(values), ndimage.median_filter(values, 5, mode="nearest"))


def test_a_decoding_process_does_not_import_scipy():
    script = "import alnus.media.worker, alnus.media.entry, alnus.media.video, sys; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
