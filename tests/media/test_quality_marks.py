"""Burned-in text and calipers are found and blacked; speckle and clean cines are left alone."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageFont
from scipy import ndimage

from alnus.media import Box, open_cine
from alnus.media.quality import find_sector, masked, observe, static_marks
from screens import drawn, phantom, speckle, through

TISSUE = phantom("A", frames=32, scale=1.0)
ALL = Box(0, 0, TISSUE.shape[2], TISSUE.shape[1])
WORDS = (("text", (20, 20), "SMITH JANE 1961"), ("text", (60, 140), "LT BREAST 3H"), ("arrow", (40, 200), ""))


def burned(frames, *marks, font=None):
    font = font or ImageFont.load_default(14)
    return np.stack([drawn(frame, *marks, font=font) for frame in frames])


def truth(*marks, font=None):
    font = font or ImageFont.load_default(14)
    return drawn(np.zeros(TISSUE.shape[1:], np.uint8), *marks, font=font) > 115


@pytest.mark.parametrize("codec", [None, "libx264", "mjpeg"])
@pytest.mark.parametrize("size_px", [10, 14, 20])
def test_burned_in_text_is_found(tmp_path, codec, size_px):
    font = ImageFont.load_default(size_px)
    frames = burned(TISSUE, *WORDS, font=font)
    if codec:
        frames = through(tmp_path, frames, codec=codec, quality="23" if codec == "libx264" else "5")
    marks = static_marks(observe(frames), ALL)
    assert marks is not None
    text = truth(*WORDS, font=font)
    assert (marks & text).sum() > 0.95 * text.sum()
    assert (marks & ~ndimage.binary_dilation(text, iterations=10)).mean() < 0.005


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_tesseract_reads_the_text_before_and_not_after(tmp_path):
    font = ImageFont.load_default(20)
    frames = burned(TISSUE // 2, WORDS[0], font=font)
    marks = static_marks(observe(frames), ALL)
    assert marks is not None

    one_thread = os.environ | {"OMP_THREAD_LIMIT": "1"}

    def read(picture):
        large = Image.fromarray(picture).resize((3 * ALL.w, 3 * ALL.h))
        large.save(tmp_path / "a.png")
        done = subprocess.run(
            ["tesseract", tmp_path / "a.png", "-", "--psm", "11"], capture_output=True, check=True, env=one_thread
        )
        return done.stdout.decode().upper()

    assert "SMITH" in read(frames[5])
    after = read(masked(frames, marks)[5])
    assert not any(word in after for word in ("SMITH", "JANE", "1961"))


@pytest.mark.parametrize("center", ["A", "B", "C"])
def test_clean_phantoms_hold_no_marks(center):
    frames = phantom(center, frames=32)
    assert static_marks(observe(frames), Box(0, 0, frames.shape[2], frames.shape[1])) is None


def test_a_still_cine_holds_no_marks():
    frames = burned(np.repeat(TISSUE[:1], 12, axis=0), *WORDS)
    assert static_marks(observe(frames), ALL) is None


def test_a_bright_line_that_stays_across_the_beam_is_no_mark():
    frames = speckle(32, 240, 260)
    line = 130 * np.exp(-(((np.arange(240) - 30) / 3.0) ** 2))[:, None] * np.hanning(260)[None, :]
    lined = np.clip(frames + line, 0, 255).astype(np.uint8)
    marks = static_marks(observe(lined), Box(0, 0, 260, 240))
    assert marks is None or marks.mean() < 0.001


@pytest.mark.parametrize(("side", "width"), [(48, 14), (48, 6), (64, 18), (96, 12), (96, 24), (240, 10), (240, 30)])
@pytest.mark.parametrize("flatness", [1.0, 1.6])
def test_a_filled_bright_spot_that_never_changes_is_no_mark(side, width, flatness):
    y, x = np.mgrid[:side, :side] - 0.45 * side
    lesion = np.hypot(flatness * y, x) <= width / 2
    marks = static_marks(observe(np.where(lesion, np.uint8(255), speckle(24, side, side))), Box(0, 0, side, side))
    assert marks is None or not (marks & lesion).any()


@pytest.mark.parametrize("side", [64, 128, 300])
def test_text_is_found_in_small_pictures_too_and_beside_a_bright_spot(side):
    y, x = np.mgrid[:side, :side]
    lesion = np.hypot(y - 0.7 * side, x - 0.5 * side) <= side / 8
    words, font = ("text", (4, side // 4), "SMITH I. 1961."), ImageFont.load_default(10)
    frames = np.where(lesion, np.uint8(255), speckle(24, side, side))
    marks = static_marks(observe(burned(frames, words, font=font)), Box(0, 0, side, side))
    text = drawn(np.zeros((side, side), np.uint8), words, font=font) > 115
    assert marks is not None
    assert (marks & text).sum() > 0.95 * text.sum()
    assert not (marks & lesion).any()


def test_masked_blackens_the_marks_alone():
    mask = np.zeros(TISSUE.shape[1:], bool)
    mask[3:5, 4:9] = True
    shown = masked(TISSUE, mask)
    assert (shown[:, mask] == 0).all()
    np.testing.assert_array_equal(shown[:, ~mask], TISSUE[:, ~mask])


def test_most_real_clips_lose_nothing(sample_data):
    """Three clips without burned-in marks; docs/explanation/quality.md states what is lost in the others."""
    for name in ("Reg_pat1Image_132943.mpeg", "Vir_prospective_file1.mp4", "Pneu_prospective_file3.mp4"):
        observed = observe(open_cine(sample_data / "lung_us" / "videos" / name).frames)
        sector = find_sector(observed)
        assert sector is not None
        assert static_marks(observed, sector.box) is None, name


@pytest.mark.parametrize("at", [(100, 150), (20, 30), (210, 290)])
def test_looking_only_around_what_stands_out_changes_no_mark(monkeypatch, at):
    frames = np.random.default_rng(0).integers(-120, 120, (32, 240, 320)).clip(0).astype(np.uint8)
    y, x = at
    frames[:, y - 8 : y + 9, x - 8 : x + 9] = 50  # what moves, and decides, is 9 pixels away
    frames[:, y - 4 : y + 5, x] = frames[:, y, x - 4 : x + 5] = 230
    observed = observe(frames)
    near = static_marks(observed, Box(0, 0, 320, 240))
    monkeypatch.setattr("alnus.media.quality.marks.AFFECTED_PX", 10_000)
    whole = static_marks(observed, Box(0, 0, 320, 240))
    assert near is not None
    assert whole is not None
    np.testing.assert_array_equal(near, whole)
