"""Frames that are chosen are those of the whole cine, and no others are decoded where frames are coded apart."""

from __future__ import annotations

import av
import numpy as np
import pytest

from alnus.errors import MediaError
from alnus.media import open_cine, read_frames
from alnus.media.dicom import pixels

CHOSEN = [7, 0, 7, 11, 3]
KINDS = [
    ("matroska", "ffv1", "gray"),
    ("avi", "mjpeg", "yuvj420p"),
    ("mp4", "libx264", "yuv420p"),
    ("mpeg", "mpeg2video", "yuv420p"),
    ("avi", "rawvideo", "gray"),
    ("gif", "gif", "gray"),
]


@pytest.mark.parametrize(("container", "codec", "pix_fmt"), KINDS)
def test_chosen_frames_of_a_video_are_those_of_the_whole(tmp_path, scene, make, container, codec, pix_fmt):
    path = make.video(tmp_path / "film", scene, container=container, codec=codec, pix_fmt=pix_fmt)
    np.testing.assert_array_equal(read_frames(path, CHOSEN), open_cine(path).frames[CHOSEN])


def test_chosen_frames_of_dicom_are_those_of_the_whole(tmp_path, dicom, scene, make):
    plain = dicom("plain.dcm")
    coded = make.saved(tmp_path / "coded.dcm", make.with_jpeg(make.ultrasound(scene), [make.jpeg(f) for f in scene]))
    trimmed = dicom("trimmed.dcm", StartTrim=3, StopTrim=10)
    for path, chosen in ((plain, CHOSEN), (coded, CHOSEN), (trimmed, [5, 0, 7])):
        np.testing.assert_array_equal(read_frames(path, chosen), open_cine(path).frames[chosen])


def test_of_frames_that_are_coded_apart_no_others_are_decoded(tmp_path, scene, make, monkeypatch):
    film = make.video(tmp_path / "film.avi", scene, container="avi", codec="mjpeg", pix_fmt="yuvj420p")
    whole, damaged = film.read_bytes(), tmp_path / "damaged.avi"
    with av.open(str(film)) as media:
        packets = [bytes(packet) for packet in media.demux(video=0) if packet.size]
    damaged.write_bytes(whole.replace(packets[5], bytes(len(packets[5]))))
    np.testing.assert_array_equal(read_frames(damaged, CHOSEN), open_cine(film).frames[CHOSEN])
    with pytest.raises(MediaError, match=r"damaged\.avi: (frame 6|it) cannot be decoded"):
        read_frames(damaged, [5])
    coded = make.saved(tmp_path / "coded.dcm", make.with_jpeg(make.ultrasound(scene), [make.jpeg(f) for f in scene]))
    decoded = []
    real = pixels.decoded
    monkeypatch.setattr(pixels, "decoded", lambda *given, **named: decoded.append(1) or real(*given, **named))
    read_frames(coded, CHOSEN)
    assert len(decoded) == len(set(CHOSEN))


def test_a_frame_beyond_the_end_and_a_negative_one_are_refused_by_number(tmp_path, scene, make, dicom):
    film = make.video(tmp_path / "film.avi", scene, container="avi", codec="mjpeg", pix_fmt="yuvj420p")
    coded = make.video(tmp_path / "film.mp4", scene, container="mp4", codec="libx264", pix_fmt="yuv420p")
    for path in (film, coded, dicom()):
        with pytest.raises(MediaError, match=f"{path.name}: has no frame 12"):
            read_frames(path, [3, 12])
    for numbers in ([-1], []):
        with pytest.raises(MediaError, match=r"film\.avi: name frames by numbers from 0"):
            read_frames(film, numbers)


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"RIFF....AVI ")
    with pytest.raises(MediaError, match=r"a\.avi: "):
        read_frames(tmp_path / "a.avi", [0])
