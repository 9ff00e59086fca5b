"""What phones, frame grabbers and old scanners write opens frame for frame, or is refused with its reason."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from alnus.errors import MediaError
from alnus.media import open_cine

KINDS = [  # file name, muxer, codec, pixel format, mean absolute error allowed
    ("a.webm", "webm", "libvpx", "yuv420p", 4.0),
    ("a.mkv", "matroska", "libvpx-vp9", "yuv420p", 4.0),
    ("av1.mkv", "matroska", "libsvtav1", "yuv420p", 5.0),
    ("prores.mov", "mov", "prores_ks", "yuv422p10le", 3.0),
    ("mjpeg.mov", "mov", "mjpeg", "yuvj420p", 3.0),
    ("raw.mov", "mov", "rawvideo", "rgb24", 0.5),
    ("raw.avi", "avi", "rawvideo", "bgr24", 0.5),
    ("uyvy.avi", "avi", "rawvideo", "uyvy422", 1.5),
    ("huffyuv.avi", "avi", "huffyuv", "yuv422p", 1.5),
    ("a.wmv", "asf", "wmv2", "yuv420p", 4.0),
    ("a.m4v", "mp4", "mpeg4", "yuv420p", 3.0),
    ("msmpeg4.avi", "avi", "msmpeg4v2", "yuv420p", 4.0),
    ("dv10.mkv", "matroska", "libx264", "yuv420p10le", 3.0),
    ("hevc.mp4", "mp4", "libx265", "yuv420p", 4.0),
    ("mpeg1.mpg", "mpeg", "mpeg1video", "yuv420p", 4.0),
]


def _encoded(path, frames, container, codec, pix_fmt, *, times=None, options=None):
    with av.open(str(path), "w", format=container) as media:
        try:
            stream = media.add_stream(codec, rate=25)
        except (ValueError, av.FFmpegError):
            pytest.skip(f"FFmpeg has no encoder {codec}")
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        stream.bit_rate, stream.options = 4_000_000, options or {}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=pix_fmt)
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            media.mux(stream.encode(frame))
        media.mux(stream.encode())
    return path


@pytest.mark.parametrize(("name", "container", "codec", "pix_fmt", "error"), KINDS, ids=[kind[0] for kind in KINDS])
def test_every_frame_of_a_container_is_read(tmp_path, scene, name, container, codec, pix_fmt, error):
    cine = open_cine(_encoded(tmp_path / name, scene, container, codec, pix_fmt))
    assert cine.frames.shape == scene.shape
    assert np.abs(cine.frames.astype(int) - scene).mean() < error


@pytest.mark.parametrize("width", [61, 62, 63])
@pytest.mark.parametrize(
    ("container", "codec", "pix_fmt"), [("avi", "rawvideo", "bgr24"), ("matroska", "ffv1", "gray")]
)
def test_widths_that_no_codec_likes_shift_no_line(tmp_path, scene, container, codec, pix_fmt, width):
    frames = np.ascontiguousarray(scene[:, :47, :width])
    cine = open_cine(_encoded(tmp_path / "a", frames, container, codec, pix_fmt))
    np.testing.assert_allclose(cine.frames.astype(int), frames, atol=1)


def test_a_quicktime_film_whose_rows_ffmpeg_would_shear_is_refused_and_an_even_one_is_read(tmp_path, scene):
    odd, even = (np.ascontiguousarray(scene[:, :47, :width]) for width in (63, 62))
    with pytest.raises(MediaError, match="rows have an odd number of bytes"):
        open_cine(_encoded(tmp_path / "odd.mov", odd, "mov", "rawvideo", "rgb24"))
    np.testing.assert_array_equal(
        open_cine(_encoded(tmp_path / "even.mov", even, "mov", "rawvideo", "rgb24")).frames, even
    )


def test_a_variable_frame_rate_keeps_each_frames_own_time(tmp_path, scene):
    times = [0, 33, 66, 99, 250, 283, 316, 349, 382, 700, 733, 766]
    path = _encoded(tmp_path / "a.mkv", scene, "matroska", "ffv1", "gray", times=times)
    np.testing.assert_allclose(open_cine(path).frame_times_s * 1000, times, atol=1.1)


def test_interlaced_frames_are_read_whole_and_not_as_fields(tmp_path, scene):
    options = {"flags": "+ilme+ildct", "top": "1"}
    cine = open_cine(_encoded(tmp_path / "a.mpg", scene, "mpeg", "mpeg2video", "yuv420p", options=options))
    assert cine.frames.shape == scene.shape


def test_an_avi_whose_index_is_lost_gives_every_frame(tmp_path, scene):
    path = _encoded(tmp_path / "a.avi", scene, "avi", "mjpeg", "yuvj420p")
    content = path.read_bytes()
    at = content.rfind(b"idx1")
    path.write_bytes(content[:at] + b"JUNK" + content[at + 4 :])
    assert len(open_cine(path).frames) == len(scene)


def test_a_gif_with_transparency_and_an_animated_png_give_every_frame(tmp_path, scene):
    pictures = [Image.fromarray(frame).convert("RGBA") for frame in scene]
    for name in ("a.gif", "a.png"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=40)
        cine = open_cine(tmp_path / name)
        assert len(cine.frames) == len(scene)
        grey = cine.frames[..., 0] if cine.frames.ndim == 4 else cine.frames
        assert np.abs(grey.astype(int) - scene).mean() < 4


def test_a_camcorders_transport_stream_with_times_between_its_packets_is_read(tmp_path, scene):
    options = {"mpegts_m2ts_mode": "1"}
    path = tmp_path / "a.mts"
    with av.open(str(path), "w", format="mpegts", options=options) as media:
        stream = media.add_stream("mpeg2video", rate=25)
        stream.height, stream.width, stream.pix_fmt = *scene.shape[1:3], "yuv420p"
        stream.bit_rate = 4_000_000
        for pixels in scene:
            media.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format="yuv420p")))
        media.mux(stream.encode())
    assert path.read_bytes()[4] == 0x47
    assert len(open_cine(path).frames) == len(scene)


def test_a_digital_video_tape_is_read_with_a_note_on_its_pixels(tmp_path, scene):
    tall = np.zeros((3, 576, 720), np.uint8)
    tall[:, :512, :672] = scene[:3].repeat(8, axis=1).repeat(7, axis=2)
    cine = open_cine(_encoded(tmp_path / "a.dv", tall, "dv", "dvvideo", "yuv420p"))
    assert cine.frames.shape == tall.shape
    assert np.abs(cine.frames.astype(int) - tall).mean() < 4
    assert "pixels are not square" in cine.notes[0]


def _jpegs(frames, **options):
    contents = [BytesIO() for _ in frames]
    for content, pixels in zip(contents, frames, strict=True):
        Image.fromarray(pixels).save(content, "JPEG", quality=90, **options)
    return b"".join(content.getvalue() for content in contents)


def test_jpegs_one_after_another_are_all_read_as_frames_without_times(tmp_path, scene):
    path = tmp_path / "a.mjpeg"
    path.write_bytes(_jpegs(scene))
    cine = open_cine(path)
    assert cine.frames.shape == scene.shape
    assert np.abs(cine.frames.astype(int) - scene).mean() < 3
    assert "no frame times stated: 25 frames/s assumed" in cine.notes


def test_a_photo_with_a_second_picture_for_display_is_one_still(tmp_path, scene):
    first, second = (Image.fromarray(pixels) for pixels in (scene[0], scene[1]))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert len(open_cine(tmp_path / "a.jpg").frames) == 1


def test_a_frame_whose_lines_run_from_the_bottom_up_is_read_upright(tmp_path, scene):
    upright = np.ascontiguousarray(scene[:, :48, :96])
    cine = open_cine(_encoded(tmp_path / "a.avi", upright, "avi", "amv", "yuvj420p", options={"strict": "-1"}))
    assert cine.frames.shape == upright.shape
    assert (
        np.abs(cine.frames.astype(int) - upright).mean()
        < 15
        < np.abs(cine.frames[:, ::-1] - upright.astype(int)).mean()
    )


@pytest.mark.parametrize(
    ("name", "container", "codec"), [("a.flv", "flv", "flv1"), ("a.y4m", "yuv4mpegpipe", "rawvideo")]
)
def test_a_container_that_is_not_read_is_refused_and_told_so(tmp_path, scene, name, container, codec):
    path = _encoded(tmp_path / name, scene, container, "flv" if codec == "flv1" else codec, "yuv420p")
    with pytest.raises(MediaError, match="it is not a DICOM or video file"):
        open_cine(path)
