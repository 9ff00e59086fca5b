"""A folder of hostile files with three good videos: one ingestion keeps the three and says why not the others."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from alnus.media import CineStore

_SPEC = importlib.util.spec_from_file_location("hostile_files", Path(__file__).with_name("hostile_files.py"))
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)

GOOD = ("good.avi", "good.mkv", "good.dcm")
SECRETS = ("Leaked", "LEAKED", "19610203")
GIBIBYTE = 1 << 30

# In a process of its own, so that the children whose memory and time the system adds up are the workers alone.
INGESTION = """
import json, os, resource, sys, time
from pathlib import Path
from alnus.media import DecodeLimits, IngestItem, ingest
folder, store = Path(os.fsdecode(sys.argv[1])), Path(sys.argv[2])
items = [IngestItem(name, folder / name) for name in sorted(os.listdir(folder))]
last, longest = time.monotonic(), 0.0
def progress(done, total):
    global last, longest
    last, longest = time.monotonic(), max(longest, time.monotonic() - last)
report = ingest(items, store, workers=2, progress=progress, limits=DecodeLimits(start_s=2))
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "ingested": sorted(report.ingested),
    "excluded": {exclusion.video: exclusion.reason for exclusion in report.excluded},
    "items": len(items),
    "cpu_s": used.ru_utime + used.ru_stime,
    "peak_bytes": used.ru_maxrss * 1024,
    "longest_s": longest,
    "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(),
}))
"""


def _dicom_files(folder, make):
    """DICOM bombs and lies, each with a planted patient."""

    def with_pixels(name, pixels, syntax, **changes):
        dataset = make.ultrasound(hostile.scene(1))
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = encapsulate([pixels])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        make.saved(folder / name, dataset)

    large = {"Rows": 65_000, "Columns": 65_000}
    rle = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x81\x00" * 4_000
    with_pixels("rle.dcm", rle, uid.RLELossless, **large)
    with_pixels("rle-8000.dcm", rle, uid.RLELossless, Rows=8_000, Columns=8_000)
    with_pixels("jpeg.dcm", hostile.jpeg_of(65_000, 65_000), uid.JPEGBaseline8Bit, **large)
    with_pixels("jpeg-scans.dcm", hostile.jpeg_of_many_scans(), uid.JPEGBaseline8Bit, Rows=8_000, Columns=8_000)
    with_pixels("frames.dcm", make.jpeg(hostile.scene(1)[0]), uid.JPEGBaseline8Bit, NumberOfFrames=2_000_000_000)
    with_pixels("jp2.dcm", b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(64), uid.JPEG2000Lossless)
    with_pixels("playlist.dcm", hostile.PLAYLISTS["hls.avi"], uid.MPEG4HP41)
    with_pixels("movie.dcm", hostile.mov_with_reference("/dev/zero"), uid.MPEG4HP41)

    dataset = make.ultrasound(hostile.scene(1))
    for _ in range(150):  # deep enough to be absurd; pydicom cannot write deeper
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([dataset.get("ReferencedImageSequence", [Dataset()])[0]])
        dataset.ReferencedImageSequence = Sequence([outer])
    plain = make.saved(folder / "nested.dcm", dataset).read_bytes()
    at = plain.index(b"\x08\x00\x40\x11SQ")  # the sequence, opened 20,000 times over and never closed
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    (folder / "nested.dcm").write_bytes(plain[:at] + opening * 20_000)

    make.saved(folder / "time.dcm", _with(make.ultrasound(hostile.scene()), FrameTime="0"))
    deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflated.compress(bytes(1 << 20)) for _ in range(1_100)) + deflated.flush()
    syntax = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + len(syntax).to_bytes(4, "little")
    (folder / "deflate.dcm").write_bytes(bytes(128) + b"DICM" + group_length + syntax + bomb)


def _with(dataset, **changes):
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def _special_files(folder):
    os.mkfifo(folder / "fifo.avi")
    (folder / "zero.avi").symlink_to("/dev/zero")
    (folder / "memory.avi").symlink_to("/proc/self/mem")
    (folder / "loop.avi").symlink_to("loop.avi")
    (folder / "round").symlink_to(folder)
    (folder / "gone.avi").symlink_to("gone")
    (folder / "two\nlines.avi").write_bytes(b"text")
    (folder / os.fsdecode(b"\xff.avi")).write_bytes(b"text")
    (folder / "%d.avi").write_bytes(b"text")
    (folder / "-i").write_bytes(b"text")


@pytest.fixture(scope="module")
def archive(tmp_path_factory, make):
    """Ingest the archive once; what came of it, its folder and its store."""
    top = tmp_path_factory.mktemp("hostile")
    folder, store = top / "archive", top / "store"
    folder.mkdir()
    hostile.written(folder)
    _dicom_files(folder, make)
    _special_files(folder)
    make.saved(folder / "good.dcm", make.ultrasound(hostile.scene()))
    make.video(folder / "good.avi", hostile.scene(), container="avi", codec="ffv1", pix_fmt="gray")
    (folder / "good.mkv").write_bytes(hostile.video("matroska", "ffv1", "gray"))
    before = _listing(top)
    done = subprocess.run(
        [sys.executable, "-c", INGESTION, str(folder), str(store)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"folder": folder, "store": store, "before": before, "errors": done.stderr}


def _listing(top):
    return {path: path.lstat().st_mtime_ns for path in top.rglob("*") if "store" not in path.parts and path != top}


def test_the_good_videos_are_kept_and_whole(archive):
    assert archive["ingested"] == sorted(GOOD)
    store = CineStore(archive["store"])
    assert store.verify() == []
    for name in GOOD:
        np.testing.assert_array_equal(store.frames(name), hostile.scene())


def test_every_other_file_is_excluded_with_a_reason_of_one_line(archive):
    assert len(archive["excluded"]) == archive["items"] - len(GOOD) > 60
    with (archive["store"] / "excluded.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["video"]: row["reason"] for row in csv.DictReader(stream)}
    assert len(rows) == len(archive["excluded"])
    for reason in rows.values():
        assert reason
        assert reason.isprintable()


def test_no_reason_holds_text_of_a_patient_or_a_path(archive):
    written = (archive["store"] / "excluded.csv").read_text(encoding="utf-8") + archive["errors"]
    for secret in (*SECRETS, str(archive["folder"])):
        assert secret not in written


def test_no_decoding_process_took_a_gigabyte_and_all_of_them_took_seconds(archive):
    assert 0 < archive["peak_bytes"] < GIBIBYTE
    assert archive["cpu_s"] < 60


def test_nothing_but_the_store_was_written_and_no_process_is_left(archive):
    assert _listing(archive["folder"].parent) == archive["before"]
    assert archive["children"] == []
    assert not list(archive["store"].glob(".*partial"))
