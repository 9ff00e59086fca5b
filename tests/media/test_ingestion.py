"""Ingestion loses no video without a reason, and ends in the same bytes however it was interrupted."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alnus.errors import MediaError
from alnus.media import Box, CineStore, IngestItem, ingest, pool

SCRIPT = """
import sys, time
from pathlib import Path
from alnus.media import IngestItem, ingest
folder, store = Path(sys.argv[1]), Path(sys.argv[2])
items = [IngestItem(path.name, path) for path in sorted(folder.iterdir())]
ingest(items, store, workers=2, progress=lambda done, total: done < 2 or time.sleep(600))
"""


@pytest.fixture
def folder(tmp_path, scene, make) -> Path:
    """Six readable cines and a text file."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for index in range(5):
        frames = np.roll(scene, index, axis=2)
        make.video(folder / f"{index}.mkv", frames, container="matroska", codec="ffv1", pix_fmt="gray")
    dataset = make.ultrasound(scene)
    dataset.SequenceOfUltrasoundRegions = [make.region(10, 8, 79, 59)]
    make.saved(folder / "5.dcm", dataset)
    (folder / "text.dcm").write_text("no DICOM")
    return folder


def _items(folder: Path) -> list[IngestItem]:
    return [IngestItem(path.name, path) for path in sorted(folder.iterdir())]


def _contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def test_readable_videos_are_stored_and_the_rest_is_listed_with_its_reason(tmp_path, folder, scene):
    calls = []
    report = ingest(
        _items(folder), tmp_path / "store", workers=2, progress=lambda done, total: calls.append((done, total))
    )
    assert report.ingested == ["0.mkv", "1.mkv", "2.mkv", "3.mkv", "4.mkv", "5.dcm"]
    assert [exclusion.video for exclusion in report.excluded] == ["text.dcm"]
    assert (tmp_path / "store" / "excluded.csv").read_text() == (
        "video,reason,code\n"
        'text.dcm,"it is not a DICOM or video file, nor an image; export it again as one, or leave it out",unreadable\n'
    )
    assert calls[-1] == (7, 7)
    assert calls == sorted(calls)
    store = CineStore(tmp_path / "store")
    assert store.videos() == report.ingested
    np.testing.assert_array_equal(store.frames("1.mkv"), np.roll(scene, 1, axis=2))
    np.testing.assert_array_equal(store.frames("5.dcm"), scene[:, 8:60, 10:80])
    assert store.verify() == []


def test_a_second_run_decodes_nothing_and_a_changed_source_is_decoded_again(tmp_path, folder, scene, make):
    store = tmp_path / "store"
    ingest(_items(folder), store, workers=1)
    before = _contents(store)
    report = ingest(_items(folder), store, workers=1)
    assert (len(report.skipped), report.ingested) == (6, [])
    assert _contents(store) == before
    make.video(folder / "2.mkv", scene[:6], container="matroska", codec="ffv1", pix_fmt="gray")
    assert ingest(_items(folder), store, workers=1).ingested == ["2.mkv"]
    assert CineStore(store).entry("2.mkv").frames == 6


def test_a_killed_run_resumes_and_ends_in_the_same_bytes(tmp_path, folder):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ingest(_items(folder), whole, workers=1)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(killed)])
    deadline = time.monotonic() + 120
    while not list(killed.glob("*/meta.json")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    half = killed / ".0123456789.99999.partial"  # as a worker that was killed while writing leaves it
    half.mkdir()
    (half / "frames.npy").write_bytes(b"half")
    assert not (killed / "index.csv").exists()
    report = ingest(_items(folder), killed, workers=1)
    assert len(report.skipped) >= 1
    assert _contents(killed) == _contents(whole)


def test_a_video_that_kills_its_decoder_costs_only_itself(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(pool, "start_process", _process_with_a_trap)
    report = ingest(_items(folder), tmp_path / "store", workers=2)
    assert len(report.ingested) == 5
    reasons = {exclusion.video: exclusion.reason for exclusion in report.excluded}
    assert reasons["3.mkv"] == "the decoder crashed over it (exit status -9)"
    assert CineStore(tmp_path / "store").verify() == []


def _process_with_a_trap(_module):
    """Start a decoding process that kills itself over 3.mkv."""
    return _process(
        "import os, alnus.media.worker as w\n"
        "w.main(lambda task: os.kill(os.getpid(), 9) if task['video'] == '3.mkv' else w.answer_to(task))"
    )


def _process(script: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == pool.READY
    return process


def test_a_decoder_that_hangs_is_ended_with_its_reason(monkeypatch):
    monkeypatch.setattr(
        pool, "start_process", lambda _module: _process("import time; print('ready', flush=True); time.sleep(60)")
    )
    assert pool.Worker(timeout_s=0.3).ask({}) == {"refused": "decoding took longer than 0.3 s and was ended"}


def test_a_decoding_process_that_cannot_start_is_one_error_and_not_a_reason_against_each_file(
    tmp_path, folder, monkeypatch
):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(MediaError, match="the decoding process does not start"):
        ingest(_items(folder), tmp_path / "store", workers=2)


def test_a_decoding_process_ends_when_its_parent_does():
    script = "import os; from alnus.media import pool; print(pool.start_process().pid, flush=True); os._exit(0)"
    child = int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    deadline = time.monotonic() + 60
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_full_disk_is_an_error_that_leaves_a_valid_store(tmp_path, folder, scene, make):
    store = tmp_path / "store"
    small = [item for item in _items(folder) if item.video == "5.dcm"]
    ingest(small, store, workers=1)
    make.video(folder / "6.mkv", np.tile(scene, (4, 1, 1)), container="matroska", codec="ffv1", pix_fmt="gray")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # stands in for the disk's end; workers inherit it
    try:
        with pytest.raises(MediaError, match=r"the cine store cannot be written .*; free space and run again"):
            ingest(_items(folder), store, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert CineStore(store).verify() == []
    assert list(store.glob(".*.partial")) == []
    assert len(ingest(_items(folder), store, workers=1).skipped) == 6
    assert len(CineStore(store).videos()) == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_may_not_be_written_is_an_error(tmp_path, folder):
    (tmp_path / "store").mkdir(mode=0o500)
    with pytest.raises(MediaError, match="cannot be written"):
        ingest(_items(folder), tmp_path / "store", workers=1)


def test_roi_keyframe_and_still_outside_the_cine_exclude_it_with_the_reason(tmp_path, folder):
    (tmp_path / "still.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    path = folder / "0.mkv"
    items = [
        IngestItem("roi", path, roi=Box(50, 0, 60, 20)),
        IngestItem("region", folder / "5.dcm", roi=Box(0, 0, 8, 8)),
        IngestItem("keyframe", path, keyframe=12),
        IngestItem("still", path, image=tmp_path / "still.png"),
        IngestItem("no still", path, image=tmp_path / "gone.png"),
        IngestItem("gone", folder / "gone.mkv"),
        IngestItem("fine", path, keyframe=11),
    ]
    report = ingest(items, tmp_path / "store", workers=1)
    assert report.ingested == ["fine"]
    reasons = {exclusion.video: exclusion.reason for exclusion in report.excluded}
    gone = "there is no such file, or it cannot be opened; correct its path or permissions"
    assert reasons == {
        "roi": "the ROI (50, 0, 60x20) is outside the 96x64 frame; correct it in the table",
        "region": "the ROI (0, 0, 8x8) lies outside the file's scanned region; correct it in the table",
        "keyframe": "keyframe 12 is outside the cine, whose 12 frames count from 0; correct it in the table",
        "still": "the still image cannot be used: its image header cannot be read; copy it again from its source",
        "no still": f"the still image cannot be used: {gone}",
        "gone": gone,
    }
    later = ingest([IngestItem("fine", path, keyframe=12)], tmp_path / "store", workers=1)
    assert [exclusion.video for exclusion in later.excluded] == ["fine"]


def test_the_roi_counts_in_pixels_of_the_whole_frame_and_is_cut_to_the_region(tmp_path, folder, scene):
    items = [
        IngestItem("inside", folder / "0.mkv", roi=Box(5, 6, 40, 30)),
        IngestItem("across", folder / "5.dcm", roi=Box(0, 0, 40, 30)),
    ]
    ingest(items, tmp_path / "store", workers=1)
    store = CineStore(tmp_path / "store")
    np.testing.assert_array_equal(store.frames("inside"), scene[:, 6:36, 5:45])
    np.testing.assert_array_equal(store.frames("across"), scene[:, 8:30, 10:40])
    assert "reaches beyond the scanned region" in store.entry("across").notes


def test_a_still_of_the_cines_size_is_cropped_as_the_cine_and_another_is_kept_whole(tmp_path, folder, scene):
    Image.fromarray(scene[3]).save(tmp_path / "same.png")
    Image.fromarray(scene[3][:40]).save(tmp_path / "other.png")
    items = [
        IngestItem("same", folder / "5.dcm", image=tmp_path / "same.png"),
        IngestItem("other", folder / "0.mkv", image=tmp_path / "other.png"),
        IngestItem("none", folder / "1.mkv"),
    ]
    ingest(items, tmp_path / "store", workers=1)
    store = CineStore(tmp_path / "store")
    np.testing.assert_array_equal(store.image("same"), scene[3][8:60, 10:80])
    np.testing.assert_array_equal(store.image("other"), scene[3][:40])
    assert store.image("none") is None


def test_a_changed_roi_replaces_the_entry(tmp_path, folder):
    store = tmp_path / "store"
    ingest([IngestItem("a", folder / "0.mkv"), IngestItem("b", folder / "1.mkv")], store, workers=1)
    ingest([IngestItem("a", folder / "0.mkv", roi=Box(0, 0, 32, 32))], store, workers=1)
    assert CineStore(store).videos() == ["a", "b"]  # a second table adds to a store
    assert CineStore(store).frames("a").shape == (12, 32, 32)
    assert len(list(store.glob("*/meta.json"))) == 2


def test_a_video_named_twice_is_refused(tmp_path, folder):
    item = IngestItem("a", folder / "0.mkv")
    with pytest.raises(MediaError, match="a: is named twice"):
        ingest([item, item], tmp_path / "store")


def test_a_negative_number_of_workers_is_refused(tmp_path, folder):
    with pytest.raises(MediaError, match="workers is -1; give how many"):
        ingest(_items(folder), tmp_path / "store", workers=-1)
    assert not (tmp_path / "store").exists()


def test_no_patient_data_reach_the_store(tmp_path, folder):
    store = tmp_path / "store"
    ingest(_items(folder), store, workers=1)
    shutil.rmtree(folder)
    everything = b" ".join([*_contents(store).values(), *(name.encode() for name in _contents(store))])
    assert b"leaked" not in everything.lower()
    assert b"19610203" not in everything
    with (store / "index.csv").open(newline="") as stream:
        keys = [row["key"] for row in csv.DictReader(stream)]
    assert all(len(key) == 20 and set(key) <= set("0123456789abcdef") for key in keys)
    assert json.loads((store / keys[-1] / "meta.json").read_text())["source"]["video"]["size"] > 0
