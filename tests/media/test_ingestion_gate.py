"""What the gate excludes is left out with its code, the numbers add up, and DICOM goes out without the patient."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest

from alnus.config import QualityConfig
from alnus.errors import MediaError
from alnus.media import Box, CineStore, IngestItem, ingest

KEY = bytes(range(32))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _speckle(frames: int = 12, height: int = 120, width: int = 160, seed: int = 0):
    return np.random.default_rng(seed).integers(30, 200, (frames, height, width)).astype(np.uint8)


@pytest.fixture
def cohort(tmp_path, make) -> list[IngestItem]:
    """A good cine, a black one, a text file, and an ROI beyond the frame."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, frames in (("good", _speckle()), ("black", _speckle() // 20)):
        dataset = make.ultrasound(frames)
        dataset.SequenceOfUltrasoundRegions = [make.region(10, 10, 149, 109)]
        make.saved(folder / name, dataset)
    (folder / "text").write_text("no video")
    items = [IngestItem(name, folder / name) for name in ("good", "black", "text")]
    return [*items, IngestItem("roi", folder / "good", roi=Box(0, 0, 500, 20))]


def test_the_numbers_of_the_flow_add_up_to_the_input(tmp_path, cohort):
    report = ingest(cohort, tmp_path / "store", workers=1, gate=True)
    assert (report.videos, report.read, report.kept) == (4, 3, 1)
    assert report.excluded_by_code == {"black": 1, "unreadable": 1, "roi_outside": 1}
    assert report.kept + sum(report.excluded_by_code.values()) == report.videos
    assert report.lines()[:2] == ["videos: 4", "read: 3"]
    excluded = _rows(tmp_path / "store" / "excluded.csv")
    assert {row["video"]: row["code"] for row in excluded} == {
        "black": "black",
        "text": "unreadable",
        "roi": "roi_outside",
    }
    quality = _rows(tmp_path / "store" / "quality.csv")
    for row in excluded:
        assert (row["video"], row["code"], "exclude") in {(q["video"], q["code"], q["severity"]) for q in quality}
    assert CineStore(tmp_path / "store").videos() == ["good"]


def test_without_the_gate_the_same_faults_only_warn_and_asking_for_it_judges_anew(tmp_path, cohort):
    store = tmp_path / "store"
    report = ingest(cohort[:2], store, workers=1)
    assert report.ingested == ["good", "black"]
    assert {(found.video, found.code, found.severity) for found in report.findings} >= {("black", "black", "warn")}
    later = ingest(cohort[:2], store, workers=1, gate=True)
    assert (later.ingested, later.skipped) == (["good"], [])
    lenient = QualityConfig(exclude=())
    assert ingest(cohort[:2], store, workers=1, gate=True, quality=lenient).kept == 2


def test_a_store_of_a_version_that_judged_otherwise_is_made_anew(tmp_path, cohort, monkeypatch):
    ingest(cohort[:1], tmp_path / "store", workers=1, gate=True)
    assert ingest(cohort[:1], tmp_path / "store", workers=1, gate=True).skipped == ["good"]
    monkeypatch.setattr("alnus.media.rules.JUDGEMENT", -1)
    assert ingest(cohort[:1], tmp_path / "store", workers=1, gate=True).ingested == ["good"]


def test_frames_of_a_video_without_a_stated_region_are_cut_to_what_moves_and_its_margin_is_gone(tmp_path, make):
    frames = np.zeros((16, 240, 320), np.uint8)
    frames[:, 40:200, 60:260] = _speckle(16, 160, 200)
    frames[:, 8:16, 8:80:3] = 255  # a name above the picture
    make.video(tmp_path / "a.mkv", frames, container="matroska", codec="ffv1", pix_fmt="gray")
    ingest([IngestItem("a", tmp_path / "a.mkv")], tmp_path / "store", workers=1)
    stored = CineStore(tmp_path / "store").frames("a")
    assert abs(stored.shape[1] - 160) <= 16
    assert abs(stored.shape[2] - 200) <= 16
    assert stored.max() < 255
    assert CineStore(tmp_path / "store").verify() == []


def test_dicom_goes_out_under_the_entrys_key_and_without_the_patient(tmp_path, cohort):
    out = tmp_path / "out"
    ingest(cohort, tmp_path / "store", workers=1, gate=True, dicom_out=out, key=KEY)
    key = CineStore(tmp_path / "store").entry("good").key
    assert [path.name for path in out.iterdir()] == [f"{key}.dcm"]
    content = (out / f"{key}.dcm").read_bytes()
    assert b"Leaked" not in content
    assert pydicom.dcmread(out / f"{key}.dcm").PatientIdentityRemoved == "YES"
    again = ingest(cohort, tmp_path / "store", workers=1, gate=True, dicom_out=out, key=KEY)
    assert again.skipped == ["good"]
    (out / f"{key}.dcm").unlink()
    ingest(cohort, tmp_path / "store", workers=1, gate=True, dicom_out=out, key=KEY)
    assert (out / f"{key}.dcm").read_bytes() == content


def test_dicom_out_without_a_key_is_refused(tmp_path, cohort):
    with pytest.raises(MediaError, match="de-identified DICOM needs a key"):
        ingest(cohort, tmp_path / "store", dicom_out=tmp_path / "out")
