"""MP4 files that Alnus writes open again as what was written."""

from __future__ import annotations

import av
import numpy as np
import pytest

from alnus.errors import MediaError
from alnus.media import open_cine, write_mp4


def test_grey_frames_come_back(tmp_path, scene):
    write_mp4(tmp_path / "a.mp4", scene, frame_rate_hz=30)
    cine = open_cine(tmp_path / "a.mp4")
    assert np.abs(cine.frames.astype(int) - scene).mean() < 2
    assert np.diff(cine.frame_times_s) == pytest.approx(1 / 30, abs=1e-4)


def test_colours_come_back(tmp_path):
    frames = np.full((3, 32, 32, 3), (200, 40, 40), np.uint8)
    write_mp4(tmp_path / "a.mp4", frames, frame_rate_hz=24.5)
    assert np.abs(open_cine(tmp_path / "a.mp4").frames.astype(int) - frames).max() < 8


def test_an_odd_size_is_padded_by_its_edge(tmp_path, scene):
    write_mp4(tmp_path / "a.mp4", scene[:, :63, :95], frame_rate_hz=25)
    cine = open_cine(tmp_path / "a.mp4")
    assert cine.frames.shape == (12, 64, 96)
    assert np.abs(cine.frames[:, 62].astype(int) - cine.frames[:, 63]).max() < 12


def test_browsers_can_play_it(tmp_path, scene):
    write_mp4(tmp_path / "a.mp4", scene, frame_rate_hz=25)
    with av.open(str(tmp_path / "a.mp4")) as media:
        context = media.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_frames_give_the_same_bytes(tmp_path, scene):
    for name in ("a.mp4", "b.mp4"):
        write_mp4(tmp_path / name, scene, frame_rate_hz=25, comment="Alnus phantom")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert open_cine(tmp_path / "a.mp4").phantom


@pytest.mark.parametrize(("count", "rate"), [(0, 25.0), (2, 0.0), (2, float("nan"))])
def test_no_frames_or_no_rate_is_refused_and_leaves_no_file(tmp_path, scene, count, rate):
    with pytest.raises(MediaError, match=r"a\.mp4: needs (at least one frame|a positive frame rate)"):
        write_mp4(tmp_path / "a.mp4", scene[:count], frame_rate_hz=rate)
    assert list(tmp_path.iterdir()) == []


def test_frames_may_be_drawn_one_at_a_time(tmp_path, scene):
    write_mp4(tmp_path / "a.mp4", (frame for frame in scene), frame_rate_hz=25)
    assert len(open_cine(tmp_path / "a.mp4").frames) == len(scene)
