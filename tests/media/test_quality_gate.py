"""Every fault is found where it is planted, and a clean cine has none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alnus.config import QualityConfig, checked
from alnus.errors import ConfigError
from alnus.media import Box, open_cine
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opening import open_frames
from alnus.media.quality import (
    Finding,
    Observer,
    assess,
    exclusion,
    find_sector,
    observe,
    only_warnings,
    static_marks,
)
from alnus.media.refusal import quiet
from alnus.media.view import judged as judged_whole
from alnus.media.view import look
from screens import drawn, overlays, phantom, placed, probe_mask, speckle

CONFIG = QualityConfig()
CLEAN = speckle(24, 160, 200)


def judged(frames, *, crop=None, config=CONFIG, **facts):
    """Findings by code, with the sector and the marks found as ingestion does."""
    observed = observe(frames)
    sector = None if crop else find_sector(observed)
    box = crop or (sector.box if sector else Box(0, 0, frames.shape[2], frames.shape[1]))
    mask = sector.mask if sector else None
    found = assess(observed, crop=box, mask=mask, marks=static_marks(observed, box), config=config, **facts)
    return {each.code: each for each in found}


def chroma_of(frames, *, level=0):
    return np.full((-(-frames.shape[1] // 8), -(-frames.shape[2] // 8)), level, np.uint8)


def test_clean_cines_have_no_findings():
    for center in ("A", "B", "C"):
        assert judged(phantom(center), frame_rate_hz=24.0, is_ultrasound=True) == {}
    screen = overlays(np.zeros((300, 400), np.uint8), 100, 50, 200, 160)
    for kind in ("linear", "convex", "phased"):
        frames, _ = placed(CLEAN, probe_mask(kind, 160, 200), screen, 100, 50)
        assert judged(frames, frame_rate_hz=24.0, chroma=chroma_of(frames)) == {}


def test_real_clips_are_not_excluded(sample_data):
    clips = sorted((sample_data / "lung_us" / "videos").iterdir(), key=lambda path: path.stat().st_size)[:8]
    for path in clips:
        found = judged(open_cine(path).frames, frame_rate_hz=25.0)
        assert exclusion(list(found.values())) is None, path.name


PLANTED = {
    "frozen": (np.repeat(CLEAN[:1], 24, axis=0), {}, "frozen: 0 of 24 frames differ from the one before (limit 2%)"),
    "black": (CLEAN // 40, {}, "black: 100.0% of the region never exceeds 12 of 255 (limit 99%)"),
    "saturated": (
        np.maximum(CLEAN, np.where(np.arange(200) < 140, 255, 0).astype(np.uint8)),
        {"crop": Box(0, 0, 200, 160)},
        "saturated: 7",
    ),
    "too_few_frames": (CLEAN[:5], {}, "too few frames: 5 (limit 8)"),
    "low_frame_rate": (CLEAN, {"frame_rate_hz": 2.0}, "low frame rate: 2 frames/s (limit 5)"),
    "small_region": (CLEAN, {"crop": Box(20, 30, 30, 90)}, "small region: 30x90 pixels (limit 32)"),
    "not_ultrasound": (CLEAN, {"is_ultrasound": False}, "not ultrasound: the file's header states another modality"),
    "colour_doppler": (CLEAN, {"pane_kinds": ["tissue", "colour"]}, "colour doppler: the file's header states"),
    "dual_pane": (CLEAN, {"pane_kinds": ["tissue", "tissue"]}, "dual pane: the file's header states 2"),
}


@pytest.mark.parametrize("code", list(PLANTED))
def test_a_planted_fault_is_found_with_its_value(code):
    frames, facts, text = PLANTED[code]
    found = judged(frames, **facts)
    assert code in found
    assert found[code].text.startswith(text)
    assert "\n" not in found[code].text
    assert found[code].severity == ("exclude" if code in CONFIG.exclude else "warn")


def test_frozen_frames_with_codec_noise_are_frozen_and_a_slow_cine_is_not():
    noise = np.random.default_rng(0).integers(-1, 2, CLEAN.shape)
    shimmering = np.clip(CLEAN[:1].astype(int) + noise, 0, 255).astype(np.uint8)
    assert "frozen" in judged(shimmering)
    repeated = np.repeat(CLEAN[:6], 10, axis=0)  # a 25 Hz recording of 2.5 pictures a second
    assert "frozen" not in judged(repeated)


def test_colour_within_the_tissue_counts_and_outside_it_does_not():
    screen = overlays(np.zeros((300, 400), np.uint8), 100, 50, 200, 160)
    frames, _ = placed(CLEAN, probe_mask("linear", 160, 200), screen, 100, 50)
    chroma = chroma_of(frames)
    chroma[4:20, 2:9] = 255  # a colour bar and a logo
    assert "colour_doppler" not in judged(frames, chroma=chroma)
    chroma[12:18, 18:26] = 180
    assert "colour_doppler" in judged(frames, chroma=chroma)


def test_two_panes_are_found_by_the_gap_between_them():
    screen = np.zeros((260, 460), np.uint8)
    frames, _ = placed(CLEAN, probe_mask("linear", 160, 200), screen, 20, 40)
    frames[:, 40:200, 235:435] = speckle(24, 160, 200, seed=5)
    assert "dual_pane" in judged(frames)


def test_a_shadow_through_one_picture_is_no_second_pane():
    frames = CLEAN.copy()
    frames[:, 40:, 90:110] //= 30
    assert "dual_pane" not in judged(frames)


@pytest.mark.parametrize("kind", ["cross", "x", "arrow"])
def test_calipers_and_arrows_are_warned_of_and_words_are_not(kind):
    tissue = phantom("B", frames=24)
    marked = np.stack([drawn(frame, (kind, (60, 80), ""), (kind, (130, 110), "")) for frame in tissue])
    found = judged(marked)
    assert found["calipers"].severity == "warn"
    assert found["calipers"].text.startswith("calipers: 2 ")
    words = np.stack(
        [drawn(frame, ("text", (30, 40), "X + X + X"), ("text", (60, 130), "X   +   X")) for frame in tissue]
    )
    assert "calipers" not in judged(words)


def test_a_coloured_scene_without_speckle_is_excluded_and_a_grey_one_is_only_warned_of():
    x = np.arange(240)[None, :] + 4 * np.arange(20)[:, None]
    row = 128 + 60 * np.sin(x / 120)
    scene = np.repeat(row[:, None, :], 200, axis=1).astype(np.uint8)
    crop = Box(0, 0, 240, 200)
    assert judged(scene, crop=crop)["not_ultrasound"].severity == "warn"
    coloured = judged(scene, crop=crop, chroma=chroma_of(scene, level=120))
    assert coloured["not_ultrasound"].severity == "exclude"
    assert "not_ultrasound" not in judged(CLEAN, chroma=chroma_of(CLEAN, level=120))  # tinted, but speckle


def judged_file(path):
    with quiet():
        opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
        observed = observe(np.stack([frame for _, frame in opened.frames]))
    seen = look(opened, observed, None, Box(0, 0, observed.size[1], observed.size[0]))
    found = judged_whole(opened, observed, seen, frame_rate_hz=25.0, config=CONFIG)
    return {each.code: each for each in found}


def street(frames):
    """A film in many hues whose every surface has texture, as a camera's has."""
    generator = np.random.default_rng(0)
    patches = generator.integers(30, 220, (12, 22, 3)).repeat(20, axis=0).repeat(20, axis=1)
    grain = generator.normal(scale=9, size=(frames, 200, 280, 1))
    return np.stack(
        [np.clip(patches[20:220, 9 * k : 9 * k + 280] + grain[k], 0, 255).astype(np.uint8) for k in range(frames)]
    )


def test_a_film_and_a_photo_with_texture_are_no_ultrasound(tmp_path, make):
    film = make.video(tmp_path / "a.mp4", street(16), container="mp4", codec="libx264", pix_fmt="yuv420p")
    Image.fromarray(street(1)[0]).save(tmp_path / "a.jpg")
    for path in (film, tmp_path / "a.jpg"):
        found = judged_file(path)["not_ultrasound"]
        assert found.severity == "exclude"
        assert "coloured in many hues (limit 60%)" in found.text


@pytest.mark.parametrize("tint", [(1, 0.8, 0.5), (1, 0.55, 0.25), (0.5, 0.75, 1)])
def test_a_tinted_grey_map_is_an_ultrasound(tmp_path, make, tint):
    frames = np.clip(CLEAN[..., None] * np.array(tint), 0, 255).astype(np.uint8)
    path = make.video(tmp_path / "a.mp4", frames, container="mp4", codec="libx264", pix_fmt="yuv420p")
    assert "not_ultrasound" not in judged_file(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "mjpeg", "mpeg4"])
def test_a_frozen_picture_under_noise_is_frozen_whatever_the_codec(tmp_path, make, codec):
    noise = np.random.default_rng(0).integers(-2, 3, CLEAN.shape)
    frames = np.clip(CLEAN[:1] + noise, 0, 255).astype(np.uint8)
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    still = make.video(tmp_path / "a.mkv", frames, container="matroska", codec=codec, pix_fmt=pix_fmt)
    moving = make.video(tmp_path / "b.mkv", CLEAN // 3, container="matroska", codec=codec, pix_fmt=pix_fmt)
    assert judged_file(still)["frozen"].severity == "exclude"
    assert "frozen" not in judged_file(moving)


def test_the_configuration_decides_what_excludes():
    config = QualityConfig(exclude=("low_frame_rate",))
    found = judged(np.repeat(CLEAN[:1], 24, axis=0), config=config, frame_rate_hz=1.0)
    assert found["frozen"].severity == "warn"
    assert exclusion(list(found.values())) == found["low_frame_rate"].text
    assert exclusion(only_warnings(list(found.values()))) is None
    with pytest.raises(ConfigError, match="exclude"):
        checked(QualityConfig, {"exclude": ["ugly"]}, origin="a.yaml")


def test_exclusions_come_first_and_are_joined():
    frames = np.zeros((4, 50, 50), np.uint8)
    found = assess(observe(frames), crop=Box(0, 0, 50, 50), config=CONFIG, frame_rate_hz=1.0)
    severities = [each.severity for each in found]
    assert severities == sorted(severities)  # "exclude" before "warn"
    assert exclusion(found) == "; ".join(each.text for each in found if each.severity == "exclude")
    assert isinstance(found[0], Finding)


def test_watching_keeps_extremes_of_every_frame_and_a_bounded_number_of_samples():
    observer = Observer(40, 60)
    for index in range(300):
        frame = np.full((40, 60), 100, np.uint8)
        frame[index % 40, index % 60] = 200 if index % 2 else 50
        observer.add(frame)
    seen = observer.observed()
    assert seen.frames == 300
    assert (seen.low.min(), seen.high.max()) == (50, 200)
    assert 16 <= len(seen.samples) <= 32
    assert len(seen.changed) == 299


def test_watching_refuses_a_frame_of_another_size_and_an_empty_cine():
    observer = Observer(40, 60)
    with pytest.raises(ValueError, match="no frame was observed"):
        observer.observed()
    with pytest.raises(ValueError, match="among frames of"):
        observer.add(np.zeros((60, 40), np.uint8))


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 64, 65, 66, 150])
def test_frames_at_hand_are_seen_as_those_that_pass(count):
    frames = np.random.default_rng(count).integers(0, 256, (count, 40, 60), dtype=np.uint8)
    passing, lasting = Observer(40, 60), Observer(40, 60)
    for frame in frames:
        passing.add(frame.copy())
        lasting.add(frame, lasts=True)
    seen, wanted = lasting.observed(frames), passing.observed()
    assert np.shares_memory(seen.samples, frames)
    for one, other in ((seen.samples, wanted.samples), (seen.low, wanted.low), (seen.changed, wanted.changed)):
        np.testing.assert_array_equal(one, other)
    apart = np.abs(np.diff(frames.astype(int), axis=0))
    np.testing.assert_allclose(seen.changed, (apart >= 4).mean(axis=(1, 2)), rtol=1e-6)
