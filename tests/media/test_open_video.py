"""Video files of every container open as what was put into them."""

from __future__ import annotations

import numpy as np
import pytest

from alnus.errors import MediaError
from alnus.media import DEFAULT_LIMITS, open_cine
from alnus.media.colour import expanded
from alnus.media.opening import open_frames
from alnus.media.video import damage_note

CONTAINERS = [  # file name, FFmpeg's muxer, codec, pixel format, mean absolute error that the codec may leave
    ("cine.mp4", "mp4", "libx264", "yuv420p", 3.0),
    ("cine.mov", "mov", "libx264", "yuv420p", 3.0),
    ("mpeg4.avi", "avi", "mpeg4", "yuv420p", 3.0),
    ("mjpeg.avi", "avi", "mjpeg", "yuvj420p", 3.0),
    ("raw.avi", "avi", "rawvideo", "bgr24", 0.5),
    ("cine.mpeg", "mpeg", "mpeg2video", "yuv420p", 3.0),
    ("cine.mkv", "matroska", "ffv1", "gray", 0.0),
    ("deep.mkv", "matroska", "ffv1", "yuv420p10le", 1.0),
    ("cine.webm", "webm", "libvpx-vp9", "yuv420p", 3.0),
    ("cine.ts", "mpegts", "libx264", "yuv420p", 3.0),
    ("cine.gif", "gif", "gif", "gray", 0.0),
]


@pytest.mark.parametrize(("name", "container", "codec", "pix_fmt", "tolerance"), CONTAINERS)
def test_a_grey_video_opens_as_its_grey_frames(tmp_path, scene, make, name, container, codec, pix_fmt, tolerance):
    path = make.video(tmp_path / name, scene, container=container, codec=codec, pix_fmt=pix_fmt)
    cine = open_cine(path)
    assert cine.kind == "video"
    assert cine.frames.shape == scene.shape
    assert np.abs(cine.frames.astype(int) - scene).mean() <= tolerance
    assert cine.frame_times_s == pytest.approx(np.arange(12) / 25, abs=1e-3)
    assert cine.notes == ()


def test_the_content_decides_and_not_the_suffix(tmp_path, scene, make):
    path = make.video(tmp_path / "really_mkv.dcm", scene, container="matroska", codec="ffv1", pix_fmt="gray")
    np.testing.assert_array_equal(open_cine(path).frames, scene)


def test_video_range_black_and_white_become_0_and_255(tmp_path, make):
    frames = np.zeros((4, 64, 64), np.uint8)
    frames[:, :, 32:] = 255
    cine = open_cine(make.video(tmp_path / "a.mkv", frames, container="matroska", codec="ffv1", pix_fmt="yuv420p"))
    assert set(np.unique(cine.frames)) == {0, 255}


def test_a_coloured_mark_in_a_late_frame_keeps_the_whole_cine_rgb(tmp_path, scene, make):
    frames = np.repeat(scene[..., None], 3, axis=-1)
    frames[7, 20:30, 20:30] = (255, 200, 0)
    cine = open_cine(make.video(tmp_path / "a.mkv", frames, container="matroska", codec="ffv1", pix_fmt="bgr0"))
    np.testing.assert_array_equal(cine.frames, frames)


def test_a_coloured_yuv_video_opens_in_its_colours(tmp_path, make):
    frames = np.full((4, 64, 64, 3), (200, 30, 30), np.uint8)
    cine = open_cine(make.video(tmp_path / "a.mp4", frames, container="mp4", codec="libx264", pix_fmt="yuv420p"))
    assert cine.frames.shape == frames.shape
    assert np.abs(cine.frames.astype(int) - frames).max() < 12


def test_a_comment_in_the_container_marks_a_phantom(tmp_path, scene, make):
    for name, container in (("a.mp4", "mp4"), ("a.avi", "avi"), ("a.mkv", "matroska")):
        path = make.video(
            tmp_path / name,
            scene,
            container=container,
            codec="mpeg4",
            pix_fmt="yuv420p",
            comment="Alnus phantom, seed 1",
        )
        assert open_cine(path).phantom
    real = make.video(tmp_path / "b.mp4", scene, container="mp4", codec="mpeg4", pix_fmt="yuv420p", comment="none")
    assert not open_cine(real).phantom


CUT = [case for case in CONTAINERS if case[1] in ("avi", "mp4", "mov", "matroska", "webm", "gif")]


@pytest.mark.parametrize(("name", "container", "codec", "pix_fmt", "_"), CUT)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_video_is_refused_by_name(tmp_path, scene, make, name, container, codec, pix_fmt, _, share):
    path = make.video(tmp_path / name, np.tile(scene, (3, 1, 1)), container=container, codec=codec, pix_fmt=pix_fmt)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(MediaError, match=rf"{name}: .*(is cut|cannot be read|no frame)") as caught:
        open_cine(path)
    assert "\n" not in str(caught.value)


def test_an_avi_whose_size_field_is_off_by_its_own_header_is_kept_with_a_note(tmp_path, scene, make):
    path = make.video(tmp_path / "a.avi", scene, container="avi", codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    content[4:8] = (len(content) + 8).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    cine = open_cine(path)
    assert len(cine.frames) == len(scene)
    assert any("shorter than its container states" in note for note in cine.notes)


def test_a_video_with_most_packets_overwritten_is_refused(tmp_path, scene, make):
    path = make.video(tmp_path / "a.avi", scene, container="avi", codec="mjpeg", pix_fmt="yuvj420p")
    first, *others = path.read_bytes().split(b"\xff\xd8\xff")
    path.write_bytes(
        b"\xff\xd8\xff".join([first, others[0], *(bytes(len(other) - 300) + other[-300:] for other in others[1:])])
    )
    with pytest.raises(MediaError, match=r"a\.avi: the file is damaged"):
        open_cine(path)


def test_every_real_clip_opens_grey(sample_data):
    clips = sorted((sample_data / "lung_us" / "videos").iterdir())
    assert len(clips) == 23
    shortest = sorted(clips, key=lambda path: path.stat().st_size)[:9]
    for path in shortest:
        cine = open_cine(path)
        assert cine.frames.ndim == 3, path.name
        assert len(cine.frames) > 90, path.name
        assert cine.frames.max() > 100, path.name
        assert cine.notes == (), path.name


@pytest.mark.parametrize(
    ("packets", "frames", "note"),
    [
        (0, 1, "1 frame is damaged"),
        (2, 0, "2 packets cannot be decoded"),
        (1, 3, "1 packet cannot be decoded and 3 frames are damaged"),
    ],
)
def test_a_note_on_damage_names_only_what_there_is(packets, frames, note):
    assert damage_note(packets, frames) == note


def _chroma(path):
    opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
    for _ in opened.frames:
        pass
    return opened.chroma


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv422p", "yuvj420p", "bgr0", "yuv420p10le", "nv12"])
def test_colour_is_noticed_where_it_is_whatever_the_coding(tmp_path, scene, make, pix_fmt):
    frames = np.repeat(scene[..., None], 3, axis=-1)
    frames[:, 16:24, 40:48] = (200, 20, 20)
    codec = {"bgr0": "ffv1", "nv12": "rawvideo", "yuvj420p": "mjpeg"}.get(pix_fmt, "ffv1")
    path = make.video(tmp_path / "a.mkv", frames, container="matroska", codec=codec, pix_fmt=pix_fmt)
    chroma = _chroma(path)
    assert chroma.shape == (8, 12)
    assert np.unravel_index(chroma.argmax(), chroma.shape) == (2, 5)
    assert chroma.max() > 80
    chroma[1:4, 4:7] = 0
    assert chroma.max() < 16


def test_a_grey_coding_has_no_colours_to_notice(tmp_path, scene, make):
    path = make.video(tmp_path / "a.mkv", scene, container="matroska", codec="ffv1", pix_fmt="gray")
    assert _chroma(path) is None


def test_a_mark_in_any_of_the_frames_that_are_looked_at_is_kept(tmp_path, scene, make):
    frames = np.repeat(scene[..., None], 3, axis=-1)
    frames[8, 56:64, 0:8] = (0, 0, 255)
    path = make.video(tmp_path / "a.mkv", frames, container="matroska", codec="ffv1", pix_fmt="bgr0")
    assert _chroma(path)[7, 0] == 255


def test_video_range_luma_is_stretched_and_rounded_at_every_level():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wanted = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).reshape(16, 16)
    np.testing.assert_array_equal(expanded(levels), wanted)
