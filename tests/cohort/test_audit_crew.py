"""Copies sought by several processes: the same ones, in the open, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from alnus.cohort.audit import crew
from alnus.cohort.audit.comparing import answer_to
from alnus.errors import MediaError
from alnus.media import CineStore, IngestItem, ingest
from alnus.media.fingerprint import smoothing_matrix
from cohorts import write_avi

SIDE = 96
COUNT = 14  # more than are compared without processes


def speckle(seed: int) -> np.ndarray:
    """(24, 96, 96): speckle that drifts, of one patient."""
    volume = gaussian_filter(np.random.default_rng(seed).normal(size=(24, SIDE, SIDE)), (1.5, 1.5, 2.5)) * 14
    return np.clip(100 * np.exp(0.35 * volume), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> CineStore:
    """14 recordings; the tenth is a part of the third, the twelfth the fifth, mirrored."""
    folder = tmp_path_factory.mktemp("crew")
    cines = [speckle(seed) for seed in range(COUNT)]
    cines[9] = zoom(cines[2][:, 8:88, 8:88], (1, SIDE / 80, SIDE / 80), order=1)
    cines[11] = cines[4][:, :, ::-1]
    for number, cine in enumerate(cines):
        write_avi(folder / f"{number:02d}.avi", cine)
    names = sorted(path.name for path in folder.glob("*.avi"))
    assert not ingest([IngestItem(name, folder / name) for name in names], folder / "store", workers=1).excluded
    return CineStore(folder / "store")


def test_two_processes_find_what_one_finds(store):
    alone = crew.store_copies(store, store.videos(), workers=1)
    told: list[tuple[str, int, int]] = []
    assert crew.store_copies(store, store.videos(), workers=2, progress=lambda *now: told.append(now)) == alone
    assert [(copy.first, copy.second) for copy in alone] == [(2, 9), (4, 11)]
    ends = {what: (done, total) for what, done, total in told}
    assert list(ends) == ["reading frames", "looking for copies", "comparing videos"]
    assert all(done == total for done, total in ends.values())


def test_what_a_lost_process_left_undone_is_done_here(store, monkeypatch):
    alone = crew.store_copies(store, store.videos(), workers=1)
    refused = {"refused": "the decoder crashed over it (exit status -9)"}
    monkeypatch.setattr(crew, "answered", lambda tasks, **_: ((index, refused) for index in range(len(tasks))))
    assert crew.store_copies(store, store.videos(), workers=2) == alone


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_entry_is_named_and_no_file_is_left(store, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    key = store.entry("05.avi").key
    victim = store.root / key / "frames.npy"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:100])
    try:
        with pytest.raises(MediaError, match=rf"{key}.*missing or damaged"):
            crew.store_copies(store, store.videos(), workers=workers)
    finally:
        victim.write_bytes(whole)
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_entry_is_an_answer_and_ends_no_process(store, tmp_path):
    task = {"do": "print", "prints": str(tmp_path), "store": str(store.root), "videos": [[0, "absent.avi"]]}
    assert "absent.avi" in answer_to(task)["unread"]


def test_a_few_videos_are_compared_without_another_process(store, monkeypatch):
    monkeypatch.setattr(crew, "answered", lambda *_, **__: pytest.fail("a process was started"))
    assert [(c.first, c.second) for c in crew.store_copies(store, store.videos()[2:10])] == [(0, 7)]


INTERRUPTED = """
import sys, time
from pathlib import Path
from alnus.cohort.audit.crew import store_copies
from alnus.media import CineStore

def told(what, done, total):
    if what == "comparing videos":
        children = " ".join(p.read_text() for p in Path("/proc/self/task").glob("*/children"))
        print(children, flush=True)
        for _ in range(6000):  # a signal that comes just before a sleep is seen after it
            time.sleep(0.01)

store = CineStore(Path(sys.argv[1]))
store_copies(store, store.videos(), workers=2, progress=told)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_ctrl_c_ends_every_process_and_leaves_no_file(store, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(store.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    children = process.stdout.readline().split()
    assert children
    assert list(tmp_path.iterdir())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode in (-signal.SIGINT, 130)
    assert list(tmp_path.iterdir()) == []
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_no_smoothing_weight_is_so_small_that_products_become_slow():
    matrix = smoothing_matrix(32, 1.0)
    assert ((matrix == 0) | (matrix > np.finfo(np.float32).tiny * 1e6)).all()
    assert matrix.sum(axis=1) == pytest.approx(np.ones(32), abs=1e-6)
