"""Still images, and folders of them in natural order."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alnus.errors import MediaError
from alnus.media import open_cine


def test_a_folder_of_frames_opens_in_natural_order(tmp_path, scene):
    for index, frame in enumerate(scene, start=1):  # frame_2 comes before frame_10
        Image.fromarray(frame).save(tmp_path / f"frame_{index}.png")
    (tmp_path / "notes.txt").write_text("left out")
    (tmp_path / ".hidden.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    cine = open_cine(tmp_path)
    assert cine.kind == "frames"
    np.testing.assert_array_equal(cine.frames, scene)
    assert np.diff(cine.frame_times_s) == pytest.approx(0.04)
    assert any("1 files of the folder are no images" in note for note in cine.notes)
    assert any("25 frames/s assumed" in note for note in cine.notes)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_a_still_is_a_cine_of_one_frame(tmp_path, scene, suffix):
    Image.fromarray(scene[0]).save(tmp_path / f"still.{suffix}")
    cine = open_cine(tmp_path / f"still.{suffix}")
    assert cine.kind == "image"
    np.testing.assert_array_equal(cine.frames, scene[:1])


def test_a_coloured_still_stays_rgb(tmp_path):
    pixels = np.full((20, 30, 3), (10, 200, 10), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_cine(tmp_path / "a.png").frames[0], pixels)


def test_a_sixteen_bit_png_keeps_its_upper_byte(tmp_path, scene):
    Image.fromarray(scene[0].astype(np.uint16) * 257).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_cine(tmp_path / "a.png").frames[0], scene[0])


def test_the_pages_of_a_tiff_are_frames(tmp_path, scene):
    pages = [Image.fromarray(frame) for frame in scene]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(open_cine(tmp_path / "a.tif").frames, scene)


def test_frames_of_different_sizes_are_refused(tmp_path, scene):
    Image.fromarray(scene[0]).save(tmp_path / "1.png")
    Image.fromarray(scene[0][:50]).save(tmp_path / "2.png")
    with pytest.raises(MediaError, match="frame 2 of the folder is 96x50 pixels, the first 96x64"):
        open_cine(tmp_path)


def test_a_cut_png_is_refused(tmp_path, scene):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MediaError, match="damaged or cut"):
        open_cine(path)
