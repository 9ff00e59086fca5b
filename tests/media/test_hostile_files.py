"""Files made to crash, stall, fill or mislead: each is refused, within 5 s of a processor and 1 GB, in one line."""

from __future__ import annotations

import importlib.util
import os
import socket
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from alnus.errors import MediaError
from alnus.media import DecodeLimits, open_cine, open_guarded
from alnus.media.pool import Worker

_SPEC = importlib.util.spec_from_file_location("hostile_files", Path(__file__).with_name("hostile_files.py"))
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)

GIBIBYTE = 1 << 30


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout_s=60) as one:
        yield one


def _status_of(worker, name):
    """A figure in kB of the decoding process."""
    lines = Path(f"/proc/{worker._process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _cpu_s(worker):
    """Processor seconds of the decoding process so far."""
    process = worker._running()
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


COSTLY = ("scans.jpg", "frames-20500.gif", "canvas-4000.gif", "pages.tiff")  # refused below


@pytest.mark.parametrize("name", [name for name in hostile.FILES if name not in COSTLY])
def test_a_hostile_file_is_refused_in_one_line_within_5_s_of_a_processor_and_1_gb(tmp_path, worker, name):
    (tmp_path / name).write_bytes(hostile.FILES[name]())
    before_s = _cpu_s(worker)
    with pytest.raises(MediaError, match=name) as caught:
        open_guarded(tmp_path / name, worker=worker)
    reason = str(caught.value).removeprefix(f"{tmp_path / name}: ")
    assert reason
    assert reason.isprintable()
    assert worker._process is not None  # none of these has to be ended
    assert _cpu_s(worker) - before_s < 5
    assert _status_of(worker, "VmHWM") * 1024 < GIBIBYTE


def test_a_picture_whose_every_scan_costs_a_pass_over_64_million_pixels_is_ended_by_its_budget(tmp_path, worker):
    (tmp_path / "scans.jpg").write_bytes(hostile.FILES["scans.jpg"]())
    with pytest.raises(MediaError, match="decoding took longer than its size and its frames allow, and was ended"):
        open_guarded(tmp_path / "scans.jpg", limits=DecodeLimits(start_s=0.5), worker=worker)


# what pretends the most costs the most to look through: a slow machine's budget may end before its frames are counted
TOO_MANY_FRAMES = "20001 frames or more; at most 20000 are read|decoding took longer than its size and its frames allow"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frames-20500.gif", TOO_MANY_FRAMES),
        ("canvas-4000.gif", "at most 10000 a byte are read"),
        ("pages.tiff", TOO_MANY_FRAMES),
        ("fourth.avi", "frame 4 is 64x48 pixels, the first 96x64"),
        ("reference-movie.mov", "it holds no video stream"),
        ("frames-2-31.avi", "2147483647 frames or more"),
    ],
)
def test_the_reason_says_what_the_file_pretends(tmp_path, worker, name, message):
    (tmp_path / name).write_bytes(hostile.FILES[name]())
    before_s = _cpu_s(worker)
    with pytest.raises(MediaError, match=message):
        open_guarded(tmp_path / name, worker=worker)
    assert _cpu_s(worker) - before_s < 5
    assert _status_of(worker, "VmHWM") * 1024 < GIBIBYTE


@pytest.mark.parametrize("name", hostile.HARMLESS)
def test_a_lie_that_does_not_matter_costs_no_frame(tmp_path, name):
    (tmp_path / name).write_bytes(hostile.HARMLESS[name]())
    assert len(open_cine(tmp_path / name).frames) == (2 if name.endswith("tiff") else 8)


def test_a_film_of_a_few_bytes_that_never_changes_is_read_while_it_is_small(tmp_path):
    (tmp_path / "small.gif").write_bytes(hostile.gif(100, 100, 50))
    assert open_cine(tmp_path / "small.gif").frames.shape == (50, 100, 100)


# --- what a file asks to be followed --------------------------------------------------------------------------------


def _trap(folder: Path, name: str) -> Path:
    """A FIFO that nobody writes to: whoever follows a reference to it never returns."""
    os.mkfifo(folder / name)
    return folder / name


def test_a_movie_whose_samples_lie_in_another_file_is_refused_and_the_other_file_not_opened(tmp_path, worker):
    trap = _trap(tmp_path, "samples")
    for reference in (str(trap), f"file:{trap}", "http://127.0.0.1:9/x"):
        (tmp_path / "a.mov").write_bytes(hostile.mov_with_reference(reference))
        started = time.monotonic()
        with pytest.raises(MediaError, match=r"a\.mov: the file is damaged|a\.mov: no frame"):
            open_guarded(tmp_path / "a.mov", worker=worker)
        assert time.monotonic() - started < 30


def test_a_matroska_file_that_names_its_next_segment_is_read_alone(tmp_path, worker):
    content = hostile.video("matroska", "ffv1", "gray")
    at = content.index(b"\x4d\x80")  # MuxingApp; in its place NextFilename, whose id has one byte more
    length = content[at + 2] & 0x7F
    follow = b"\x3e\x83\xbb" + bytes((0x80 | length - 1,)) + b"next.mkv".ljust(length - 1, b"\0")
    (tmp_path / "a.mkv").write_bytes(content[:at] + follow + content[at + 3 + length :])
    _trap(tmp_path, "next.mkv")
    np.testing.assert_array_equal(open_guarded(tmp_path / "a.mkv", worker=worker).frames, hostile.scene())


def test_a_stream_inside_a_dicom_file_may_open_no_file_at_all(tmp_path, make):
    trap = _trap(tmp_path, "samples")
    dataset = make.with_jpeg(make.ultrasound(hostile.scene()), [hostile.mov_with_reference(str(trap))])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    make.saved(tmp_path / "a.dcm", dataset)
    with pytest.raises(MediaError, match=r"a\.dcm: "):
        open_guarded(tmp_path / "a.dcm")


# --- names ----------------------------------------------------------------------------------------------------------

NAMES = [
    "concat:a.mkv|b.mkv",
    "http:a.mkv",
    "pipe:0",
    "file:a.mkv",
    "subfile,,start,0,end,9,,:a.mkv",
    "%03d.mkv",
    "*.mkv",
    "-i.mkv",
    "--help",
    "two\nlines.mkv",
    "quote\"'$(id)`.mkv",
    " ",
    os.fsdecode(b"\xff\xfe.mkv"),
    "x" * 251 + ".mkv",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_never_read_as_anything_but_a_name(tmp_path, monkeypatch, worker, name):
    (tmp_path / name).write_bytes(hostile.video("matroska", "ffv1", "gray"))
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(open_cine(name).frames, hostile.scene())
    np.testing.assert_array_equal(open_guarded(name, worker=worker).frames, hostile.scene())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\0.avi", r"a\\x00\.avi: it cannot be opened \(not a valid path\)"),
        ("x" * 5_000, r"x: it cannot be opened \(File name too long\)"),
        ("/".join(["d"] * 2_500), r"d: it cannot be opened \(File name too long\)"),
        ("http://127.0.0.1:9/a.avi", "there is no such file"),
        ("pipe:0", "there is no such file"),
        ("-", "there is no such file"),
        ("", "the directory holds no"),
    ],
    ids=["NUL", "5000 characters", "2500 folders", "URL", "pipe", "dash", "empty"],
)
def test_what_is_no_file_is_refused_by_name(tmp_path, monkeypatch, worker, name, message):
    monkeypatch.chdir(tmp_path)
    for opener in (open_cine, lambda path: open_guarded(path, worker=worker)):
        with pytest.raises(MediaError, match=message) as caught:
            opener(name)
        assert str(caught.value).isprintable()


# --- what is no regular file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/dev/zero", "neither a file nor a directory"),
        ("/dev/null", "neither a file nor a directory"),
        ("/dev/random", "neither a file nor a directory"),
        ("/dev/tty", "neither a file nor a directory|cannot be opened"),
        ("/proc/self/mem", "the file is empty|cannot be opened"),
        ("/proc/kmsg", "the file is empty|cannot be opened|no such file"),
        ("link.avi", "Too many levels of symbolic links"),
        ("gone", "there is no such file"),
    ],
)
def test_a_link_to_what_is_no_file_is_refused_at_once(tmp_path, target, message):
    (tmp_path / "link.avi").symlink_to(target)
    _refused_at_once(tmp_path / "link.avi", message)


def test_a_fifo_a_socket_and_standard_input_are_refused_at_once(tmp_path, monkeypatch, worker):
    os.mkfifo(tmp_path / "fifo.avi")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.avi")
        for name in ("fifo.avi", "socket.avi"):
            _refused_at_once(tmp_path / name, "neither a file nor a directory")
    with pytest.raises(MediaError, match="neither a file nor a directory"):
        open_guarded("/dev/stdin", worker=worker)  # a pipe there


def test_a_file_that_becomes_a_fifo_after_it_was_looked_at_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "a.avi"
    path.write_bytes(b"text")
    true = Path.stat

    def stat_and_swap(self, **options):
        result = true(self, **options)
        if self == path:
            path.unlink()
            os.mkfifo(path)
        return result

    monkeypatch.setattr(Path, "stat", stat_and_swap)
    started = time.monotonic()
    with pytest.raises(MediaError, match="neither a file nor a directory"):
        open_cine(path)
    assert time.monotonic() - started < 10


def _refused_at_once(path, message):
    started = time.monotonic()
    with pytest.raises(MediaError, match=message):
        open_cine(path)
    assert time.monotonic() - started < 10


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_folder_of_frames_is_read_past_fifos_devices_and_loops_in_it(tmp_path):
    for number, frame in enumerate(hostile.scene(3)):
        content = hostile.png(96, 64, data=zlib.compress(b"".join(b"\0" + row.tobytes() for row in frame)))
        (tmp_path / f"{number}.png").write_bytes(content)
    os.mkfifo(tmp_path / "00.png")
    (tmp_path / "01.png").symlink_to("/dev/zero")
    (tmp_path / "02.png").symlink_to("02.png")
    (tmp_path / "03.png").symlink_to(tmp_path)
    (tmp_path / "04.png").symlink_to("/proc/self/mem")
    np.testing.assert_array_equal(open_cine(tmp_path).frames, hostile.scene(3))


def test_a_folder_of_very_many_files_is_refused_before_each_is_looked_at(tmp_path):
    for number in range(2_001):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(MediaError, match="the directory holds more than 2000 files; give one of a cine's frames"):
        open_cine(tmp_path, limits=DecodeLimits(max_frames=1_000))


# --- what the fuzzer found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1 << 31])
def test_a_jp2_wrapper_whose_boxes_do_not_advance_is_refused(tmp_path, make, worker, length):
    """pydicom 3.0.2 walks the boxes of a JP2 wrapper (get_j2k_parameters) for ever where one has the length 0."""
    jp2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + struct.pack(">I4s", length, b"free") + bytes(64)
    dataset = make.with_jpeg(make.ultrasound(hostile.scene(1)), [jp2])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    make.saved(tmp_path / "a.dcm", dataset)
    with pytest.raises(MediaError, match=r"a\.dcm: .*(damaged|cut|decoded|coded)"):
        open_guarded(tmp_path / "a.dcm", limits=DecodeLimits(start_s=1), worker=worker)
