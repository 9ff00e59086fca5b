"""The fingerprint of a cine: what it keeps, whatever happened to the file."""

from __future__ import annotations

import numpy as np
import pytest

from alnus.media.fingerprint import MOST_FRAMES, SIDE, area_matrix, bands, fingerprint, window_matrix


@pytest.fixture
def speckle():
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 40, (20, 24, 32)).repeat(5, axis=1).repeat(5, axis=2)
    return np.clip(100 + coarse, 0, 255).astype(np.uint8)


def test_a_fingerprint_is_small_whatever_the_cine(speckle):
    long = np.concatenate([speckle] * 15)
    found = fingerprint(long, np.arange(len(long)) / 25)
    assert found.thumbs.shape == (MOST_FRAMES, SIDE, SIDE)
    assert found.total == 300
    assert found.frames[[0, -1]].tolist() == [0, 299]


def test_area_means_keep_the_mean(speckle):
    matrix = area_matrix(120, 64)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose((matrix @ np.arange(120)).mean(), 59.5, rtol=1e-4)


def test_what_stands_still_has_no_weight(speckle):
    marked = speckle.copy()
    marked[:, :40, :50] = 255
    found = fingerprint(marked, np.arange(20.0))
    assert not found.moving[:18, :18].any()
    assert found.moving[30:, 30:].mean() > 0.9
    shown, weight = bands(found.thumbs, found.moving, side=32, fine=1, coarse=3.5)
    assert not shown[:, :8, :8].any()
    assert not weight[:8, :8].any()


def test_gain_and_offset_hardly_change_the_bands(speckle):
    darker = (speckle * 0.6 + 30).astype(np.uint8)
    one, other = (fingerprint(frames, np.arange(20.0)) for frames in (speckle, darker))
    a, b = (bands(f.thumbs, f.moving, side=32, fine=1, coarse=3.5)[0].ravel() for f in (one, other))
    assert np.corrcoef(a, b)[0, 1] > 0.98


def test_a_window_of_the_whole_shows_the_whole():
    matrix = window_matrix(0, 1, SIDE)
    np.testing.assert_allclose(matrix @ np.arange(SIDE), np.arange(SIDE), atol=0.25)
