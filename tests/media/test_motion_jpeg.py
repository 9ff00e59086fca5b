"""The luma of Motion JPEG is libjpeg's, in every frame, and FFmpeg has looked over its shoulder."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from alnus.media import Box, CineStore, IngestItem, ingest, jpeg, open_cine
from alnus.media.dicom.codestream import Parser, parsed
from alnus.media.jpeg import CHECK_EVERY, MOST_APART
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opening import open_frames


def luma_frames(path):
    opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
    times, frames = zip(*((time_s, frame.copy()) for time_s, frame in opened.frames), strict=True)
    return opened, np.array(times), np.stack(frames)


def packets_of(path):
    with av.open(str(path)) as media:
        return [bytes(packet) for packet in media.demux(video=0) if packet.size]


def by_pillow(stream):
    image = Image.open(BytesIO(stream))
    image.draft("L", image.size)
    return np.asarray(image)


@pytest.fixture(params=["yuvj420p", "yuvj422p", "yuvj444p"])
def film(request, make, tmp_path, scene):
    frames = np.concatenate([scene + np.uint8(step) for step in range(3)])
    assert len(frames) > 2 * CHECK_EVERY
    return make.video(tmp_path / "a.avi", frames, container="avi", codec="mjpeg", pix_fmt=request.param)


def test_every_frame_is_libjpegs_and_close_to_ffmpegs(film):
    opened, times, frames = luma_frames(film)
    np.testing.assert_array_equal(frames, [by_pillow(packet) for packet in packets_of(film)])
    assert np.abs(frames.astype(int) - open_cine(film).frames).max() <= MOST_APART
    np.testing.assert_allclose(times - times[0], open_cine(film).frame_times_s)
    assert not opened.notes


def test_a_film_in_the_store_is_as_it_is_read(film, tmp_path):
    assert ingest([IngestItem("a", film, roi=Box(0, 0, 96, 64))], tmp_path / "store", workers=1).kept == 1
    kept = CineStore(tmp_path / "store").frames("a")
    np.testing.assert_array_equal(kept, luma_frames(film)[2])
    assert np.abs(kept.astype(int) - open_cine(film).frames).max() <= MOST_APART


@pytest.mark.parametrize("wrong", [lambda luma: luma ^ 4, lambda luma: luma[::-1], lambda luma: luma[:, :-8]])
def test_where_the_decoders_disagree_ffmpegs_frames_are_taken(film, monkeypatch, wrong):
    right = jpeg.jpeg_luma
    monkeypatch.setattr(jpeg, "jpeg_luma", lambda data, out: wrong(right(data, out)))
    np.testing.assert_array_equal(luma_frames(film)[2], open_cine(film).frames)


def test_what_libjpeg_does_not_decode_ffmpeg_does(film, monkeypatch):
    def failing(data, out):
        raise ValueError("broken data stream")

    monkeypatch.setattr(jpeg, "jpeg_luma", failing)
    np.testing.assert_array_equal(luma_frames(film)[2], open_cine(film).frames)


def test_where_libjpeg_does_not_decode_the_first_frame_ffmpeg_decodes_all(film, monkeypatch):
    right, calls = jpeg.jpeg_luma, []

    def failing_at_first(data, out):
        calls.append(data)
        if len(calls) == 1:
            raise ValueError("broken data stream")
        return right(data, out)

    monkeypatch.setattr(jpeg, "jpeg_luma", failing_at_first)
    np.testing.assert_array_equal(luma_frames(film)[2], open_cine(film).frames)


def test_a_stream_whose_header_readers_take_differently_is_left_to_ffmpeg(film, monkeypatch):
    monkeypatch.setattr(Parser, "__call__", lambda self, frame: replace(parsed(frame), is_plain=False))
    np.testing.assert_array_equal(luma_frames(film)[2], open_cine(film).frames)


def test_colours_are_those_that_ffmpeg_shows(make, tmp_path, scene, monkeypatch):
    frames = np.repeat(np.tile(scene, (4, 1, 1))[..., None], 3, axis=-1)
    frames[9:, 16:48, 32:64] = (200, 40, 20)  # not in the first frame
    path = make.video(tmp_path / "a.avi", frames, container="avi", codec="mjpeg", pix_fmt="yuvj420p")
    seen = luma_frames(path)[0]
    monkeypatch.setattr(jpeg, "has_luma", lambda stream: False)
    wanted = luma_frames(path)[0]
    assert wanted.chroma.max() > 60
    np.testing.assert_array_equal(seen.chroma, wanted.chroma)
    assert abs(seen.hue_sum) / seen.hue_count == pytest.approx(abs(wanted.hue_sum) / wanted.hue_count, abs=0.01)


def test_headers_are_read_again_only_where_a_frame_begins_otherwise(make, scene):
    streams = [
        make.jpeg(scene[0]),
        make.jpeg(scene[1]),
        make.jpeg(scene[0][:32]),
        make.jpeg(scene[0]),
        b"\xff\xd8",
        b"",
    ]
    parser = Parser()
    assert [parser(stream) for stream in streams] == [parsed(stream) for stream in streams]
    assert parser(streams[0]) is parser(streams[1])
