"""What is no cine is refused in one line that names the file, soon, whatever it pretends to be."""

from __future__ import annotations

import os
import re
import time

import numpy as np
import pytest
from PIL import Image

from alnus.errors import MediaError
from alnus.media import DecodeLimits, open_cine

HEADS = [
    b"RIFF\x00\x10\x00\x00AVI ",
    b"\x00\x00\x00\x18ftypisom",
    b"\x1a\x45\xdf\xa3",
    b"GIF89a",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
    bytes(128) + b"DICM",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\x00",
    b"BM" + bytes(8),
    b"\x08\x00\x05\x00CS\x0a\x00",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    b"",
]


@pytest.mark.parametrize("head", HEADS, ids=repr)
def test_random_bytes_behind_any_magic_are_refused_within_5_s(tmp_path, head):
    for seed in range(3):
        path = tmp_path / f"{seed}.avi"
        path.write_bytes(head + np.random.default_rng(seed).bytes(20_000))
        started = time.monotonic()
        with pytest.raises(MediaError, match=rf"{seed}\.avi: ") as caught:
            open_cine(path)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.dcm", b"this is a text file\n", "is not a DICOM or video file"),
        ("list.avi", b"ffconcat version 1.0\nfile /etc/hostname\n", "is not a DICOM or video file"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "is not a DICOM or video file"),
        ("empty.avi", b"", "the file is empty"),
    ],
)
def test_a_file_that_is_no_medium_is_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=f"{name}: .*{message}"):
        open_cine(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "action"),
    [
        ("empty.avi", b"", "the file is empty; copy it again from its source"),
        ("text.mp4", b"a note, no video\n", "nor an image; export it again as one, or leave it out"),
        ("cut.avi", b"RIFF\x00\x10\x00\x00AVI LIST", "it is cut or was never finished; copy it again from its source"),
        ("cut.mp4", b"\0\0\0\x18ftypisom", "it is cut or was never finished; copy it again from its source"),
        ("cut.mkv", b"\x1a\x45\xdf\xa3\x80", "copy it again from its source, or convert it to MP4"),
        ("cut.png", b"\x89PNG\r\n\x1a\n", "its image header cannot be read; copy it again from its source"),
        ("silent.avi", b"RIFF\0\0\0\0AVI and no video at all", "export it again with its pictures, or leave it out"),
        ("report.dcm", bytes(128) + b"DICM\x08\x00\x60\x00CS\x02\x00SR", "without pixels; leave it out"),
    ],
)
def test_a_refusal_says_what_to_do_next(tmp_path, name, content, action):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=rf"^[^\n]*{re.escape(name)}: [^\n]*; [^\n]*$") as caught:
        open_cine(tmp_path / name)
    assert action in str(caught.value)
    assert len(str(caught.value).removeprefix(str(tmp_path))) < 140


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.avi: there is no such file; correct its path"):
        open_cine(tmp_path / "gone.avi")


def test_a_fifo_and_a_link_to_a_device_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo.avi")
    (tmp_path / "device.avi").symlink_to("/dev/zero")
    for name in ("fifo.avi", "device.avi"):
        with pytest.raises(MediaError, match=r"neither a file nor a directory .*; name a video"):
            open_cine(tmp_path / name)


def test_a_directory_without_frames_is_refused(tmp_path):
    (tmp_path / "readme.txt").write_text("no frames here")
    with pytest.raises(MediaError, match="holds no PNG, JPEG, BMP or TIFF frames; name a video"):
        open_cine(tmp_path)


def test_a_name_with_a_newline_stays_one_line(tmp_path):
    path = tmp_path / "two\nlines.avi"
    path.write_bytes(b"text")
    with pytest.raises(MediaError) as caught:
        open_cine(path)
    assert "\n" not in str(caught.value)


def test_a_name_that_reads_as_a_protocol_is_a_file_like_any_other(tmp_path, monkeypatch, scene, make):
    make.video(tmp_path / "a.mkv", scene, container="matroska", codec="ffv1", pix_fmt="gray")
    (tmp_path / "a.mkv").rename(tmp_path / "concat:a.mkv|b")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(open_cine("concat:a.mkv|b").frames, scene)


def test_a_jpeg_header_of_65500_squared_is_refused(tmp_path, make):
    bomb = bytearray(make.jpeg(np.zeros((64, 64), np.uint8)))
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = (65500).to_bytes(2, "big") * 2
    (tmp_path / "bomb.jpg").write_bytes(bytes(bomb))
    with pytest.raises(MediaError, match=r"bomb\.jpg: its picture is larger than 8192 pixels a side"):
        open_cine(tmp_path / "bomb.jpg")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (DecodeLimits(max_frames=11), "12 frames or more; at most 11"),
        (DecodeLimits(max_side_px=80), "96x64 pixels; at most 80 a side"),
        (DecodeLimits(max_pixels=12 * 64 * 96 - 1), "12 frames of 96x64 are more than"),
    ],
)
@pytest.mark.parametrize("kind", ["dicom", "counted video", "uncounted video", "folder"])
def test_each_limit_holds_for_each_kind_of_file(tmp_path, scene, make, dicom, limits, message, kind):
    path = tmp_path / "cine"
    if kind == "dicom":
        path = dicom()
    elif kind == "counted video":
        make.video(path, scene, container="avi", codec="mjpeg", pix_fmt="yuvj420p")
    elif kind == "uncounted video":
        make.video(path, scene, container="mpeg", codec="mpeg2video", pix_fmt="yuv420p")
    else:
        path.mkdir()
        for index, frame in enumerate(scene):
            Image.fromarray(frame).save(path / f"{index}.png")
    with pytest.raises(MediaError, match=message):
        open_cine(path, limits=limits)
