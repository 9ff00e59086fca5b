"""Whatever happens to an ingestion, the store holds whole entries only, and nothing is written outside it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alnus.errors import MediaError
from alnus.media import CineStore, IngestItem, ingest
from alnus.media.locking import OWNER, locked

SCRIPT = """
import sys
from pathlib import Path
from alnus.media import IngestItem, ingest
folder, store = Path(sys.argv[1]), Path(sys.argv[2])
ingest([IngestItem(path.name, path) for path in sorted(folder.iterdir())], store, workers=2)
"""


@pytest.fixture
def folder(tmp_path, scene, make) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for index in range(4):
        dataset = make.ultrasound(np.roll(scene, index, axis=2))
        dataset.SequenceOfUltrasoundRegions = [make.region(10, 8, 79, 59)]
        make.saved(folder / f"{index}.dcm", dataset)
    return folder


def _items(folder: Path) -> list[IngestItem]:
    return [IngestItem(path.name, path) for path in sorted(folder.iterdir())]


def _contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def _started(folder: Path, store: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(store)])


def test_killed_at_random_moments_it_ends_in_the_same_bytes(tmp_path, folder):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begin = time.monotonic()
    ingest(_items(folder), whole, workers=2)
    taken_s = time.monotonic() - begin
    moments = random.Random(0)
    for _ in range(3):
        process = _started(folder, killed)
        time.sleep(moments.uniform(0.3, 1.2) * taken_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for meta in killed.glob("[0-9a-f]*/meta.json"):
            assert json.loads(meta.read_text())["checksum"]
    ingest(_items(folder), killed, workers=2)
    assert _contents(killed) == _contents(whole)


def test_two_ingestions_at_once_into_one_store_both_end_well_in_the_same_bytes(tmp_path, folder):
    whole, store = tmp_path / "whole", tmp_path / "store"
    processes = [_started(folder, store) for _ in range(2)]
    ingest(_items(folder), whole, workers=1)
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    assert _contents(store) == _contents(whole)


def _without_locks(monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_file_system_without_locks_lets_one_ingestion_in_and_refuses_the_second(tmp_path, monkeypatch):
    _without_locks(monkeypatch)
    with locked(tmp_path):
        assert (tmp_path / OWNER).exists()
        with pytest.raises(MediaError, match="another ingestion holds this store"), locked(tmp_path):
            pass
    assert not (tmp_path / OWNER).exists()


def test_without_locks_what_a_killed_run_left_is_taken_over_and_another_machines_is_not(tmp_path, monkeypatch):
    _without_locks(monkeypatch)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / OWNER).write_text(json.dumps({"host": socket.gethostname(), "pid": gone.pid}))
    with locked(tmp_path):
        pass
    for owner in (json.dumps({"host": "elsewhere", "pid": gone.pid}), "", "[]"):
        (tmp_path / OWNER).write_text(owner)
        with pytest.raises(MediaError, match=r"delete \.lock\.owner there if none runs"), locked(tmp_path):
            pass


def test_no_name_makes_it_write_outside_the_store(tmp_path, folder):
    source = folder / "0.dcm"
    names = ["../../outside", "/etc/alnus", "a\nb", "a\x00b", "C:\\x", "." * 300, "ü", "\udcff", ""]
    before = set(tmp_path.rglob("*"))
    report = ingest([IngestItem(name, source) for name in names], tmp_path / "deep" / "store", workers=1)
    assert [(exclusion.video, exclusion.code) for exclusion in report.excluded] == [("\udcff", "bad_name")]
    new = set(tmp_path.rglob("*")) - before - {tmp_path / "deep"}
    assert all(path.is_relative_to(tmp_path / "deep" / "store") for path in new)
    assert CineStore(tmp_path / "deep" / "store").videos() == report.ingested


def test_a_path_that_is_no_path_is_a_reason_against_its_video_alone(tmp_path, folder):
    paths = [Path("a\x00b"), Path("/proc/self/mem"), Path("/dev/zero"), tmp_path / ("x" * 300), folder / "0.dcm"]
    report = ingest([IngestItem(str(index), path) for index, path in enumerate(paths)], tmp_path / "store", workers=1)
    assert report.ingested == ["4"]
    assert report.excluded_by_code == {"unreadable": 4}


def test_a_store_below_a_file_is_one_error(tmp_path, folder):
    with pytest.raises(MediaError, match=r"the cine store cannot be written .*; free space, or name another directory"):
        ingest(_items(folder), folder / "0.dcm" / "store", workers=1)


def test_a_full_file_system_is_one_error_and_more_room_mends_it(tmp_path, folder):
    small = tmp_path / "small"
    small.mkdir()
    with _mounted(small, kib=200):
        with pytest.raises(MediaError, match="cannot be written"):
            ingest(_items(folder), small / "store", workers=1)
        assert list((small / "store").glob(".*.partial")) == []
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        assert ingest(_items(folder), small / "store", workers=1).kept == 4
        assert CineStore(small / "store").verify() == []


@contextlib.contextmanager
def _mounted(folder: Path, *, kib: int):
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_still_that_changed_in_the_store_is_found_and_made_anew(tmp_path, folder, scene):
    from PIL import Image

    Image.fromarray(scene[0]).save(tmp_path / "still.png")
    item = IngestItem("a", folder / "0.dcm", image=tmp_path / "still.png")
    ingest([item], tmp_path / "store", workers=1)
    store = CineStore(tmp_path / "store")
    path = store.root / store.entry("a").key / "image.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert store.verify() == ["a"]
    assert ingest([item], tmp_path / "store", workers=1).ingested == ["a"]
    assert store.verify() == []
