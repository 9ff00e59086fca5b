"""Masks that a cohort table names lie on the stored frames, or are refused with the file and what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alnus.errors import CohortError
from alnus.study.masks import read_masks


@dataclass
class Entry:
    frames: int = 3
    height: int = 10
    width: int = 12
    key: str = "v"


@dataclass
class Store:
    root: Path

    def entry(self, video):
        return Entry()


@pytest.fixture
def store(tmp_path):
    (tmp_path / "v").mkdir()
    box = {"x": 5, "y": 2, "w": 12, "h": 10}
    (tmp_path / "v" / "meta.json").write_text(json.dumps({"crop": box}))
    return Store(tmp_path)


def write(path, masks):
    pages = [Image.fromarray(mask.astype(np.uint8) * 255) for mask in masks]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def whole(frames=3):
    masks = np.zeros((frames, 20, 30), bool)
    masks[:, 4:7, 8:11] = True
    return masks


def test_masks_of_whole_frames_are_cropped_as_the_frames_were(store, tmp_path):
    found = read_masks(write(tmp_path / "m.tif", whole()), store, "v", keyframe=None)
    assert found.known.all()
    assert found.masks.shape == (3, 10, 12)
    assert np.array_equal(found.masks, whole()[:, 2:12, 5:17])


def test_masks_of_the_stored_size_are_taken_as_they_are(store, tmp_path):
    stored = whole()[:, 2:12, 5:17]
    found = read_masks(write(tmp_path / "m.tif", stored), store, "v", keyframe=1)
    assert np.array_equal(found.masks, stored)


def test_one_page_is_the_keyframes(store, tmp_path):
    found = read_masks(write(tmp_path / "m.png", whole(1)), store, "v", keyframe=1)
    assert found.known.tolist() == [False, True, False]
    assert found.masks.any((1, 2)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("frames", "keyframe", "message"),
    [
        (1, None, r"m\.tif: holds 1 pages of masks; 3 pages, one a frame, or one page and a keyframe"),
        (2, 1, r"m\.tif: holds 2 pages of masks; 3 pages"),
    ],
)
def test_another_number_of_pages_is_refused(store, tmp_path, frames, keyframe, message):
    with pytest.raises(CohortError, match=message):
        read_masks(write(tmp_path / "m.tif", whole(frames)), store, "v", keyframe=keyframe)


def test_masks_too_small_for_the_frames_are_refused(store, tmp_path):
    with pytest.raises(
        CohortError, match=r"m\.tif: is 8 x 8 pixels; masks are as large as the video's frames or 12 x 10"
    ):
        read_masks(write(tmp_path / "m.tif", np.ones((3, 8, 8), bool)), store, "v", keyframe=None)


def test_a_file_that_is_no_picture_is_refused_by_name(store, tmp_path):
    (tmp_path / "m.tif").write_text("no picture")
    with pytest.raises(CohortError, match=r"m\.tif: cannot be read as masks \(UnidentifiedImageError\)"):
        read_masks(tmp_path / "m.tif", store, "v", keyframe=None)
    with pytest.raises(CohortError, match=r"none\.tif: cannot be read as masks \(FileNotFoundError\)"):
        read_masks(tmp_path / "none.tif", store, "v", keyframe=None)
