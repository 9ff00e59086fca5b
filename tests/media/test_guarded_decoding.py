"""Decoding happens where it may fail: in a process with its own memory and time, which is replaced when it is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alnus.errors import MediaError
from alnus.media import Cine, CineStore, DecodeLimits, IngestItem, ingest, open_cine, open_guarded, pool
from alnus.media.budget import Budget
from alnus.media.pool import Worker

CRASHES = "os.kill(os.getpid(), signal.SIGSEGV)"
LINUX_ONLY = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's limits differ elsewhere")


@pytest.fixture(scope="module")
def worker():
    with Worker(timeout_s=60) as one:
        yield one


def _worker_whose_answer(monkeypatch, code: str) -> Worker:
    """A worker whose process runs `code` where the task's path holds 'bad'; n counts its tasks from 1."""
    script = (
        "import ctypes, os, signal, sys, time, alnus.media.worker as w\n"
        "true, n = w._done, 0\n"
        "def done(task, limits):\n"
        "    global n\n"
        "    n += 1\n"
        f"    if 'bad' in task['path']:\n        {code}\n"
        "    return true(task, limits)\n"
        "w._done = done\nw.main()"
    )
    real = subprocess.Popen
    monkeypatch.setattr(
        pool.subprocess, "Popen", lambda command, **options: real([sys.executable, "-c", script], **options)
    )
    return Worker(timeout_s=60)


def _scene_file(folder: Path, scene, make, name: str = "a.mkv") -> Path:
    return make.video(folder / name, scene, container="matroska", codec="ffv1", pix_fmt="gray")


def _large_png(folder: Path) -> Path:
    content = BytesIO()
    Image.fromarray(np.zeros((6_000, 6_000), np.uint8)).save(content, "PNG")
    (folder / "large.png").write_bytes(content.getvalue())
    return folder / "large.png"


# --- open_guarded ---------------------------------------------------------------------------------------------------


def test_a_guarded_cine_is_what_open_cine_returns_in_every_field(tmp_path, worker, scene, make):
    colour = np.stack([scene, scene // 2, scene], axis=-1)
    region = make.region(10, 5, 80, 60)
    dataset = make.ultrasound(scene)
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.Modality = "OT"
    paths = [
        make.saved(tmp_path / "a.dcm", dataset),
        make.video(tmp_path / "colour.avi", colour, container="avi", codec="ffv1", pix_fmt="bgr0"),
        make.video(tmp_path / "a.mp4", scene, container="mp4", codec="h264", pix_fmt="yuv420p"),
    ]
    for path in paths:
        direct, guarded = open_cine(path), open_guarded(path, worker=worker)
        for name in (field.name for field in fields(Cine)):
            np.testing.assert_array_equal(getattr(direct, name), getattr(guarded, name), err_msg=f"{path.name} {name}")
    assert guarded.frames.flags.writeable


def test_a_guarded_cine_leaves_no_file_and_no_process(tmp_path, scene, make, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    before = _children_of(os.getpid())
    cine = open_guarded(_scene_file(tmp_path, scene, make))
    assert not list((tmp_path / "scratch").iterdir())
    assert _children_of(os.getpid()) == before
    np.testing.assert_array_equal(cine.frames, scene)


def test_a_guarded_refusal_names_the_file_and_nothing_of_its_header(tmp_path, worker, dicom):
    path = dicom(PhotometricInterpretation="LEAKEDTEXT")
    with pytest.raises(MediaError, match=r"cine\.dcm: ") as caught:
        open_guarded(path, worker=worker)
    assert "LEAKED" not in str(caught.value)


def test_a_full_temporary_folder_is_a_reason_and_not_a_crash(tmp_path, scene, make):
    path = _scene_file(tmp_path, scene, make)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # stands in for the disk's end; the process inherits it
    try:
        with pytest.raises(MediaError, match=r"a\.mkv: its frames cannot be written to the temporary folder"):
            open_guarded(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- memory ---------------------------------------------------------------------------------------------------------


@LINUX_ONLY
def test_a_picture_that_needs_more_memory_than_allowed_is_refused_with_the_number(tmp_path):
    with pytest.raises(MediaError, match=r"large\.png: decoding needed more than 20 MB of memory"):
        open_guarded(_large_png(tmp_path), limits=DecodeLimits(memory_mb=20))


@LINUX_ONLY
def test_a_video_that_needs_more_memory_than_allowed_is_refused_with_the_number(tmp_path, make):
    frames = np.zeros((2, 3_000, 3_000), np.uint8)
    path = make.video(tmp_path / "large.mkv", frames, container="matroska", codec="ffv1", pix_fmt="gray")
    with pytest.raises(MediaError, match=r"large\.mkv: decoding needed more than 6 MB of memory"):
        open_guarded(path, limits=DecodeLimits(memory_mb=6))


LIMITED = """
import numpy as np
from alnus.media.budget import Budget, writable_bytes
from alnus.media.limits import DecodeLimits
assert writable_bytes() is not None
try:
    with Budget(DecodeLimits(memory_mb=50), 0):
        np.ones(100 << 20, np.uint8)
except MemoryError:
    print("refused")
print(len(np.ones(100 << 20, np.uint8)))
"""


@LINUX_ONLY
def test_the_limit_on_memory_ends_with_the_file():
    """In a process of its own: a limit holds for every thread, and what other tests have loaded may not bear it."""
    done = subprocess.run([sys.executable, "-c", LIMITED], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["refused", str(100 << 20)]


def test_the_memory_allowed_grows_with_the_file():
    small, large = Budget(DecodeLimits(), 0), Budget(DecodeLimits(), 1 << 30)
    assert small.memory_bytes == 800 << 20
    assert large.memory_bytes - small.memory_bytes == 4 << 30


# --- time -----------------------------------------------------------------------------------------------------------


def test_a_decoder_that_never_returns_is_ended_with_its_reason_and_the_next_file_is_read(
    tmp_path, scene, make, monkeypatch
):
    with _worker_whose_answer(monkeypatch, "while True: pass") as worker:
        _scene_file(tmp_path, scene, make, "bad.mkv")
        with pytest.raises(MediaError, match=r"bad\.mkv: decoding took longer than its size and its frames allow"):
            open_guarded(tmp_path / "bad.mkv", limits=DecodeLimits(start_s=0.3), worker=worker)
        assert len(open_guarded(_scene_file(tmp_path, scene, make), worker=worker).frames) == 12


def test_a_read_that_waits_for_ever_is_ended_although_it_uses_no_processor(tmp_path, scene, make, monkeypatch):
    with _worker_whose_answer(monkeypatch, "time.sleep(60)") as worker:
        _scene_file(tmp_path, scene, make, "bad.mkv")
        started = time.monotonic()
        with pytest.raises(MediaError, match="decoding took longer than its size and its frames allow"):
            open_guarded(tmp_path / "bad.mkv", limits=DecodeLimits(max_s=1), worker=worker)
        assert time.monotonic() - started < 50


def test_each_decoded_frame_earns_time_so_that_a_long_cine_may_take_its_own():
    """At 100,000 pixels a second it ends; at 10,000,000, the pace of JPEG 2000 here, it goes on past the first 4 s."""
    ends = {pace: _budget_ends_s(pixels_a_second=pace) for pace in (100_000, 10_000_000)}
    assert ends[100_000] < 5
    assert ends[10_000_000] > 50


def _budget_ends_s(*, pixels_a_second: int) -> float:
    """Return when a decoder of that pace would be ended in its first minute, simulated in a process of its own."""
    script = (
        "import resource, time\nfrom alnus.media.budget import Budget\nfrom alnus.media.limits import DecodeLimits\n"
        "now = 0.0\ntime.process_time = lambda: now\n"
        "with Budget(DecodeLimits(), 0) as budget:\n"
        "    while now < 60 and resource.getrlimit(resource.RLIMIT_CPU)[0] > now:\n"
        f"        now += 0.6\n        budget.decoded(int(0.6 * {pixels_a_second}))\n"
        "print(now)"
    )
    return float(_run(script).stdout)


# --- crashes --------------------------------------------------------------------------------------------------------


def test_a_native_crash_costs_only_its_file(tmp_path, scene, make, monkeypatch):
    with _worker_whose_answer(monkeypatch, "ctypes.string_at(0)") as worker:
        for name in ("a.mkv", "bad.mkv", "b.mkv"):
            path = _scene_file(tmp_path, scene, make, name)
            if name != "bad.mkv":
                assert len(open_guarded(path, worker=worker).frames) == 12
                continue
            with pytest.raises(MediaError, match=rf"the decoder crashed over it \(exit status -{signal.SIGSEGV:d}\)"):
                open_guarded(path, worker=worker)


def test_a_file_that_only_finds_a_damaged_process_is_tried_once_more_in_a_fresh_one(tmp_path, scene, make, monkeypatch):
    with _worker_whose_answer(monkeypatch, f"n > 1 and {CRASHES}") as worker:
        for name in ("a.mkv", "bad.mkv"):
            assert len(open_guarded(_scene_file(tmp_path, scene, make, name), worker=worker).frames) == 12


def test_an_answer_that_is_none_counts_as_a_crash(tmp_path, scene, make, monkeypatch):
    monkeypatch.setattr(
        pool,
        "start_process",
        lambda _module: _process("print('ready', flush=True); input(); print('[nonsense', flush=True)"),
    )
    assert "crashed over it" in pool.Worker(timeout_s=20).ask({})["refused"]


def test_a_reason_of_several_lines_becomes_one(monkeypatch):
    answer = json.dumps({"refused": "two\nlines\x1b[2J"})
    monkeypatch.setattr(
        pool,
        "start_process",
        lambda _module: _process(f"print('ready', flush=True); input(); print({answer!r}, flush=True)"),
    )
    with pool.Worker(timeout_s=20) as worker:
        assert worker.ask({})["refused"] == r"two\nlines\x1b[2J"


def _process(script: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == pool.READY
    return process


def test_a_decoding_process_leaves_no_core_dump_and_is_the_first_that_a_lack_of_memory_ends(worker):
    pid = worker._running().pid
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "core file" in line).split()[4] == "0"
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"


# --- start and end --------------------------------------------------------------------------------------------------


def test_an_interpreter_that_is_not_there_is_a_media_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(MediaError, match=r"the decoding process does not start \(No such file or directory\)"):
        open_guarded(tmp_path / "a.mkv")


def test_a_decoding_process_that_does_not_get_ready_is_given_up(tmp_path, monkeypatch):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(silent))
    monkeypatch.setattr(pool, "START_TIMEOUT_S", 0.5)
    with pytest.raises(MediaError, match="the decoding process does not start: try"):
        open_guarded(tmp_path / "a.mkv")


def test_a_python_file_that_lies_in_the_archive_is_never_run(tmp_path, scene, make):
    """Without -P an interpreter looks for modules in the working directory first."""
    for name in ("numpy", "json", "av", "alnus"):
        (tmp_path / f"{name}.py").write_text("open('was-run', 'w')")
    path = _scene_file(tmp_path, scene, make)
    script = f"from alnus.media import open_guarded; print(open_guarded({str(path)!r}).frames.shape)"
    done = _run(script, "-P", cwd=tmp_path)
    assert done.stdout.strip() == "(12, 64, 96)"
    assert not (tmp_path / "was-run").exists()


WITH_STALLING_WORKERS = """
import sys, time, threading
from pathlib import Path
from alnus.media import IngestItem, ingest, pool
real = pool.subprocess.Popen
script = "import time, alnus.media.worker as w; true = w._done\\n" \\
    "w._done = lambda task, limits: time.sleep(99) if 'bad' in task['path'] else true(task, limits)\\nw.main()"
pool.subprocess.Popen = lambda command, **options: real([sys.executable, "-c", script], **options)
"""
STALLED = f"""{WITH_STALLING_WORKERS}
folder, store = Path(sys.argv[1]), Path(sys.argv[2])
items = [IngestItem(path.name, path) for path in sorted(folder.iterdir())]
ingest(items, store, workers=2, progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_ingestion_ends_at_once_with_its_workers_and_leaves_a_valid_store(
    tmp_path, scene, make, number, status
):
    folder, store = tmp_path / "videos", tmp_path / "store"
    folder.mkdir()
    for name in ("a.mkv", "bad.mkv"):
        _scene_file(folder, scene, make, name)
    process = subprocess.Popen(
        [sys.executable, "-c", STALLED, str(folder), str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "1" not in (process.stdout.readline()):
        assert process.poll() is None
    workers = _children_of(process.pid)
    assert workers
    process.send_signal(number)
    _, errors = process.communicate(timeout=80)
    if number == signal.SIGINT:  # Python's own end; the command line makes it 130 in one line
        assert process.returncode in (-signal.SIGINT, status)
    else:
        assert process.returncode == status
        assert errors == ""
    assert not [pid for pid in workers if _runs(pid)]
    report = ingest([IngestItem("a.mkv", folder / "a.mkv")], store, workers=1)
    assert report.skipped == ["a.mkv"]
    assert CineStore(store).verify() == []
    assert not list(store.glob(".*partial"))


def _children_of(pid: int) -> list[str]:
    return [
        child for thread in Path(f"/proc/{pid}/task").iterdir() for child in (thread / "children").read_text().split()
    ]


def test_the_command_line_ends_with_130_and_one_line_on_ctrl_c(tmp_path, scene, make):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mkv", "bad.mkv"):
        _scene_file(folder, scene, make, name)
    table = tmp_path / "cohort.csv"
    table.write_text("patient_id,video\nP0,videos/a.mkv\nP1,videos/bad.mkv\n")
    command = f"{WITH_STALLING_WORKERS}\nfrom alnus.cli import main; sys.argv[0] = 'alnus'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "ingest", str(table), "--out", str(tmp_path / "store")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "store").glob("*/meta.json")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=80)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_decoding_process_ends_with_its_parent_also_while_it_decodes(tmp_path, scene, make):
    _scene_file(tmp_path, scene, make, "bad.mkv")
    script = STALLED.rsplit("\n", 2)[0] + (
        "\nfrom alnus.media import open_guarded\nworker = pool.Worker(timeout_s=99)\n"
        "print(worker._running().pid, flush=True)\nopen_guarded(folder / 'bad.mkv', worker=worker)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    child = process.stdout.readline().strip()
    time.sleep(0.3)  # until it sleeps over the file; too short a wait proves less, but fails nothing
    assert _runs(child)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _run(script: str, *options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", script], capture_output=True, text=True, check=True, cwd=cwd, timeout=200
    )
