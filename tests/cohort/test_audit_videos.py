"""The audit of videos: planted copies and shortcuts are found, and a clean cohort gives no alarm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter, zoom

from alnus.cohort import load_cohort
from alnus.cohort.audit import audit_cohort
from alnus.cohort.audit.copies import copies
from alnus.media import Box, CineStore, IngestItem, ingest
from alnus.media.fingerprint import fingerprint
from cohorts import write_avi

SIDE = 128


def speckle(seed: int, frames: int = 40) -> np.ndarray:
    """(frames, 128, 128): layers and speckle that drift and change as tissue does under a moving probe."""
    rng = np.random.default_rng(seed)
    volume = gaussian_filter(rng.normal(size=(frames, SIDE, SIDE)), (1.5, 1.5, 2.5)) * 14
    depth = 90 + 30 * np.sin(np.linspace(0, 6, SIDE))[:, None]
    return np.clip(depth * np.exp(0.35 * volume), 0, 255).astype(np.uint8)


def found(*cines: np.ndarray):
    return copies([fingerprint(cine, np.arange(len(cine)) / 25) for cine in cines])


def cropped(cine: np.ndarray) -> np.ndarray:
    return zoom(cine[:, 13:115, 6:122], (1, 0.8, 0.8), order=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda cine: cine[10:26], "frames in common"),
        (cropped, "cropped"),
        (lambda cine: np.repeat(cine, 2, axis=0), "frames for one"),
        (lambda cine: cine[::2], "frames for one"),
        (lambda cine: cine[:, :, ::-1], "mirrored"),
        (lambda cine: cine[::-1], "backwards"),
        (lambda cine: (255 * (cine / 255.0) ** 0.6).astype(np.uint8), "the whole video"),
        (lambda cine: zoom(cine, (1, 0.5, 0.6), order=1), "the whole video"),
    ],
    ids=["trimmed", "cropped", "doubled", "halved", "mirrored", "backwards", "gamma", "resized"],
)
def test_a_changed_copy_among_others_is_found_and_named(change, words):
    cines = [speckle(seed) for seed in range(4)]
    (copy,) = found(*cines, change(cines[2]))
    assert (copy.first, copy.second) == (2, 4)
    assert words in copy.words()


def test_a_recording_cut_in_two_is_no_copy():
    cine = speckle(0, 80)
    assert found(cine[:40], cine[40:], speckle(1)) == []


def test_what_two_probes_share_that_never_changes_is_no_copy():
    near_field = 60 * np.sin(np.arange(SIDE) / 2)[None, :, None] * np.exp(-np.arange(SIDE) / 40)[None, :, None]
    cines = [np.clip(speckle(seed) * 0.5 + near_field + 60, 0, 255).astype(np.uint8) for seed in range(4)]
    assert found(*cines) == []


def test_real_clips_of_different_recordings_are_no_copies(sample_data):
    from alnus.media import open_cine
    from alnus.media.colour import luma_of

    clips = [open_cine(path) for path in sorted((sample_data / "lung_us" / "videos").glob("*"))[::3]]
    grey = [c.frames if c.frames.ndim == 3 else np.stack([luma_of(f) for f in c.frames]) for c in clips]
    assert found(*grey) == []


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """24 patients with one AVI each, 160x144, the tissue at (16, 16)."""
    folder = tmp_path_factory.mktemp("audit")
    rng = np.random.default_rng(5)
    rows = []
    for number in range(24):
        screen = np.zeros((24, 144, 160), np.uint8)
        screen[:, 2:8, 10:150] = rng.integers(0, 2, (6, 140)) * 200
        screen[:, 16:, 16:144] = speckle(100 + number, 24)
        write_avi(folder / f"videos/{number:02d}.avi", screen)
        rows.append({"patient_id": f"S{number:02d}", "video": f"videos/{number:02d}.avi", "label": number % 2})
    frame = pd.DataFrame(rows).assign(roi_x=16, roi_y=16, roi_w=128, roi_h=128)
    frame["split"] = ["train"] * 12 + ["val"] * 6 + ["test_a"] * 6
    frame.to_csv(folder / "cohort.csv", index=False)
    return folder


def audited(folder: Path, *, with_store: bool = True):
    cohort = load_cohort(folder / "cohort.csv")
    store = None
    if with_store:
        items = [IngestItem(v, cohort.path(v), roi=Box(16, 16, 128, 128)) for v in cohort.table["video"]]
        assert not ingest(items, folder / "store", workers=1).excluded
        store = CineStore(folder / "store")
    return audit_cohort(cohort, store=store)


def planted(clean: Path, tmp_path: Path) -> pd.DataFrame:
    shutil.copytree(clean / "videos", tmp_path / "videos")
    return pd.read_csv(clean / "cohort.csv")


def test_a_clean_cohort_gives_no_error_and_no_warning(clean):
    report = audited(clean)
    assert [finding.text for finding in report.findings if finding.severity != "note"] == []
    assert not report.has_errors


def test_a_copy_in_another_split_is_an_error_by_link_by_bytes_and_by_content(clean, tmp_path):
    table = planted(clean, tmp_path)
    videos = tmp_path / "videos"
    (videos / "12.avi").unlink()
    os.link(videos / "00.avi", videos / "12.avi")
    shutil.copy(videos / "02.avi", videos / "14.avi")
    screen = np.zeros((24, 144, 160), np.uint8)
    screen[:, 16:, 16:144] = zoom(speckle(104, 24)[:, 13:115, 13:115], (1, SIDE / 102, SIDE / 102), order=1)
    write_avi(videos / "16.avi", screen)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    report = audited(tmp_path)
    errors = {f.videos: f.text for f in report.findings if f.severity == "error"}
    assert "are one file" in errors["videos/00.avi", "videos/12.avi"]
    assert "hold the same bytes" in errors["videos/02.avi", "videos/14.avi"]
    assert "show the same recording" in errors["videos/04.avi", "videos/16.avi"]
    assert all("train and val: the test knows" in text for text in errors.values())
    assert len(errors) == 3
    assert report.has_errors


def test_a_copy_within_a_patient_is_a_warning_and_needs_no_store(clean, tmp_path):
    table = planted(clean, tmp_path)
    shutil.copy(tmp_path / "videos/00.avi", tmp_path / "videos/again.avi")
    extra = table.iloc[[0]].assign(video="videos/again.avi")
    pd.concat([table, extra]).to_csv(tmp_path / "cohort.csv", index=False)
    report = audited(tmp_path, with_store=False)
    assert [f.text for f in report.findings if f.code == "same_file"] == [
        "patient 'S00': videos 'videos/00.avi', 'videos/again.avi' hold the same bytes; keep one"
    ]
    assert not report.has_errors
    assert any("name the cine store" in line for line in report.lines())


@pytest.mark.parametrize("where", ["outside the tissue", "that never move inside"])
def test_a_mark_on_the_videos_of_one_label_is_a_shortcut(clean, tmp_path, where):
    table = planted(clean, tmp_path)
    for number in range(1, 24, 2):
        screen = np.zeros((24, 144, 160), np.uint8)
        screen[:, 16:, 16:144] = speckle(100 + number, 24)
        if where == "outside the tissue":
            screen[:, 40:60, 2:12] = 220
        else:
            screen[:, 70:76, 60:100] = 250
        write_avi(tmp_path / f"videos/{number:02d}.avi", screen)
    for number in range(0, 24, 2):
        screen = np.zeros((24, 144, 160), np.uint8)
        screen[:, 16:, 16:144] = speckle(100 + number, 24)
        write_avi(tmp_path / f"videos/{number:02d}.avi", screen)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    shortcuts = [f.text for f in audited(tmp_path).findings if f.code == "shortcut"]
    assert any(where in text for text in shortcuts), shortcuts


def test_recordings_of_like_shape_but_other_speckle_are_no_copies(tmp_path):
    """The tests' own small cohort: one growing or shrinking spot each, in noise of its own (asked for by the lead).

    `alnus check` on that cohort must find no error: tests/documentation runs it as a reader would.
    """
    from alnus.cohort import load_cohort
    from alnus.cohort.audit import audit_cohort
    from alnus.media import CineStore, ingest
    from alnus.study.partition import ingest_items
    from cohorts import write_cohort

    cohort = load_cohort(write_cohort(tmp_path, patients=12))
    ingest(ingest_items(cohort), tmp_path / "store")
    report = audit_cohort(cohort, store=CineStore(tmp_path / "store"))
    assert not [found for found in report.findings if found.code.startswith("same_recording")]


def dicom_cohort(folder: Path, header_ids: list[str], **columns: list[str]):
    """One DICOM file a row, of the patients P0, P1, ... or those given; the pixels are never read here."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

    for number, name in enumerate(header_ids):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(str(folder), {}, file_meta=meta, preamble=bytes(128))
        dataset.PatientID, dataset.PatientName, dataset.StudyID = name, "Mueller^Anna", str(number)
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    count = len(header_ids)
    base = {"patient_id": [f"P{n}" for n in range(count)], "video": [f"{n}.dcm" for n in range(count)]}
    base |= {"label": [0] * count, "split": ["train"] * count}
    pd.DataFrame(base | columns).to_csv(folder / "cohort.csv", index=False)
    report = audit_cohort(load_cohort(folder / "cohort.csv"))
    assert not any(name and name in line for name in (*header_ids, "Mueller") for line in report.lines())
    return {
        (f.code, f.severity, f.patients) for f in report.findings if f.code.startswith(("one_p", "two_p", "header"))
    }


def test_one_header_id_under_two_patients_is_told_and_across_splits_is_an_error(tmp_path):
    ids = ["4711", "4711", "4712", "4712", "4713"]
    found = dicom_cohort(tmp_path, ids, split=["train", "train", "train", "test_a", "val"])
    assert found == {
        ("one_person", "warning", ("P0", "P1")),
        ("one_person_across_splits", "error", ("P2", "P3")),
    }


def test_a_video_swapped_between_two_patients_is_told_by_its_header(tmp_path):
    patients = ["A", "A", "B", "B"]
    found = dicom_cohort(tmp_path, ["4711", "4712", "4712", "4711"], patient_id=patients)
    assert {code for code, _, _ in found} == {"two_persons", "one_person"}
    assert ("two_persons", "warning", ("A",)) in found


def test_header_ids_that_a_de_identification_made_one_or_two_centres_gave_twice_are_no_alarm(tmp_path):
    (tmp_path / "one").mkdir()
    assert dicom_cohort(tmp_path / "one", ["ANONYM-1"] * 5) == {("header_id_of_all", "note", ())}
    assert dicom_cohort(tmp_path, ["0001", "0002", "0001", "0002", ""], center=["N", "N", "S", "S", "S"]) == set()


def test_each_way_in_which_the_videos_of_one_label_were_made_is_named(tmp_path):
    rows = []
    for number in range(24):
        label, side = number % 2, 64 + 16 * (number % 2)
        screen = np.zeros((16, side + 8, side), np.uint8)
        screen[:, 8:] = speckle(300 + number, 16)[:, :side, :side]
        write_avi(tmp_path / f"videos/{number}.avi", screen, rate_hz=20 + 10 * label)
        rows.append({"patient_id": f"S{number}", "video": f"videos/{number}.avi", "label": label})
    table = pd.DataFrame(rows)
    table["center"], table["scanner"] = (
        table["label"].map(["N", "S"].__getitem__),
        table["label"].map(["A", "B"].__getitem__),
    )
    table.to_csv(tmp_path / "cohort.csv", index=False)
    cohort = load_cohort(tmp_path / "cohort.csv")
    items = [
        IngestItem(v, cohort.path(v), roi=Box(0, 8, s, s)) for v, s in zip(table["video"], [64, 80] * 12, strict=True)
    ]
    assert not ingest(items, tmp_path / "store", workers=1).excluded
    report = audit_cohort(cohort, store=CineStore(tmp_path / "store"))
    texts = [finding.text for finding in report.findings if finding.code == "confounded"]
    for fact in ("center", "column scanner", "frame rate", "image height", "image width", "duration"):
        assert any(f" {fact}:" in text or f" {fact} alone:" in text for text in texts), (fact, texts)
    assert any(f.code == "shortcut" and "from metadata alone" in f.text for f in report.findings)


def test_one_file_by_a_link_or_another_spelling_of_its_path_is_one_file(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "0.avi").write_bytes(b"RIFF")
    (tmp_path / "linked").symlink_to("videos")
    (tmp_path / "0.avi").symlink_to("videos/0.avi")
    os.link(tmp_path / "videos" / "0.avi", tmp_path / "hard.avi")
    videos = ["videos/0.avi", "./videos/0.avi", "linked/0.avi", "0.avi", "hard.avi"]
    split = ["train", "test_a", "test_a", "test_b", "val"]
    pd.DataFrame({"patient_id": list("ABCDE"), "video": videos, "label": 0, "split": split}).to_csv(
        tmp_path / "cohort.csv", index=False
    )
    (finding,) = [f for f in audit_cohort(load_cohort(tmp_path / "cohort.csv")).findings if f.code.startswith("same")]
    assert (finding.code, finding.patients) == ("same_file_across_splits", tuple("ABCDE"))
    assert "are one file" in finding.text
