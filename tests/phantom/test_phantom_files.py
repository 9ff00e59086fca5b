"""The cohort on disk: what each file holds, that the same seed gives the same bytes, and what is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from alnus.errors import ConfigError
from alnus.phantom import PhantomConfig, write_phantom
from alnus.phantom.identity import FAMILY, GIVEN, invent_identity, uid
from alnus.phantom.latents import ceilings
from alnus.phantom.scanner import SCANNERS
from alnus.phantom.screen import draw_screen

SMALL = {"patients": (2, 1, 1), "frames": 16, "scale": 0.3, "seed": 4}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom"), PhantomConfig(**SMALL), workers=1)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def dicom(cohort: Path, patient_id: str) -> pydicom.Dataset:
    return pydicom.dcmread(cohort.parent / "videos" / f"{patient_id}.dcm")


def test_the_same_seed_gives_the_same_bytes_for_one_worker_and_for_two(cohort, tmp_path):
    again = write_phantom(tmp_path, PhantomConfig(**SMALL), workers=2)
    assert digests(again.parent) == digests(cohort.parent)
    assert len(digests(cohort.parent)) == 4 + 4 + 4 + 3


def test_another_seed_gives_other_patients(cohort, tmp_path):
    other = write_phantom(tmp_path, PhantomConfig(**(SMALL | {"seed": 5, "patients": (1, 0, 0)})), workers=1)
    assert digests(other.parent)["videos/P0001.dcm"] != digests(cohort.parent)["videos/P0001.dcm"]


@pytest.mark.parametrize("container", ["avi", "mp4"])
def test_a_video_file_is_the_same_each_time_and_says_that_it_is_a_phantom(container, tmp_path):
    config = PhantomConfig(patients=(1, 0, 1), frames=16, scale=0.3, format=container)
    first, second = (write_phantom(tmp_path / name, config, workers=1).parent for name in "ab")
    assert digests(first) == digests(second)
    with av.open(str(first / "videos" / f"P0001.{container}")) as opened:
        assert opened.metadata["comment"] == "Alnus phantom"
        assert float(opened.streams.video[0].average_rate) == SCANNERS["A"].frame_rate_hz
        assert sum(1 for _ in opened.decode(video=0)) == 16


def test_the_table_names_every_file_and_the_truth_every_patient(cohort):
    table = pd.read_csv(cohort)
    assert list(table["patient_id"]) == ["P0001", "P0002", "P0003", "P0004"]
    assert list(table["center"]) == ["A", "A", "B", "C"]
    assert set(table["origin"]) == {"phantom"}
    assert set(table["label"]) <= {0, 1}
    assert {"reader_senior", "reader_junior", "reader_axillary_us", "age"} <= set(table.columns)
    for row in table.itertuples():
        assert (cohort.parent / row.video).is_file()
        assert (cohort.parent / "masks" / f"{row.patient_id}.png").is_file()
    truth = pd.read_csv(cohort.parent / "truth.csv")
    assert list(truth["patient_id"]) == list(table["patient_id"])
    assert np.array_equal(truth["ideal_video"], truth["risk"])
    assert truth[["ideal_keyframe", "ideal_video"]].to_numpy().min() > 0
    assert truth[["ideal_keyframe", "ideal_video"]].to_numpy().max() < 1


def test_the_record_states_the_ceilings_and_the_readers_noise(cohort):
    record = json.loads((cohort.parent / "phantom.json").read_text())
    assert record["ceilings"]["video_auc"] == pytest.approx(ceilings().video_auc)
    assert record["ceilings"]["keyframe_auc"] == pytest.approx(ceilings().keyframe_auc)
    assert {reader["name"]: reader["noise_sd"] for reader in record["readers"]} == {
        "senior": 3.0,
        "junior": 5.0,
        "axillary_us": 4.0,
    }
    assert record["config"]["seed"] == 4


def test_the_dicom_file_is_an_ultrasound_cine_with_region_and_times(cohort):
    for patient_id, center in (("P0001", "A"), ("P0003", "B"), ("P0004", "C")):
        dataset, scanner = dicom(cohort, patient_id), SCANNERS[center]
        assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.3.1"  # Ultrasound Multi-frame Image Storage
        assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"  # JPEG Baseline
        assert dataset.Manufacturer == "Alnus phantom"
        assert float(dataset.FrameTime) == pytest.approx(1000 / scanner.frame_rate_hz, abs=1e-5)
        pixels = dataset.pixel_array
        assert pixels.shape[:3] == (16, dataset.Rows, dataset.Columns)
        assert pixels.ndim == (4 if center == "C" else 3)
        region = dataset.SequenceOfUltrasoundRegions[0]
        assert (region.RegionSpatialFormat, region.RegionDataType, region.PhysicalUnitsXDirection) == (1, 1, 3)
        width = (region.RegionLocationMaxX1 - region.RegionLocationMinX0 + 1) * region.PhysicalDeltaX * 10
        assert width == pytest.approx(scanner.width_mm, rel=0.02)


def test_the_region_holds_the_tissue_and_the_text_is_burned_in_outside_it(cohort):
    dataset = dicom(cohort, "P0001")
    region = dataset.SequenceOfUltrasoundRegions[0]
    frames = dataset.pixel_array.astype(float)
    rows = slice(region.RegionLocationMinY0, region.RegionLocationMaxY1 + 1)
    columns = slice(region.RegionLocationMinX0, region.RegionLocationMaxX1 + 1)
    moving = frames.std(axis=0)
    assert moving[rows, columns].mean() > 15
    outside = np.ones(moving.shape, bool)
    outside[rows.start - 8 : rows.stop + 8, columns.start - 8 : columns.stop + 8] = False  # JPEG blocks ring
    assert moving[outside].max() < 3
    assert (frames[0][: rows.start - 8] > 150).sum() > 100  # the text
    assert dataset.BurnedInAnnotation == "YES"


def test_the_mask_lies_on_the_lesion_in_the_whole_pictures_coordinates(cohort):
    row = pd.read_csv(cohort).iloc[0]
    mask = np.asarray(Image.open(cohort.parent / "masks" / "P0001.png")) > 0
    dataset = dicom(cohort, "P0001")
    frame = dataset.pixel_array[row["keyframe"]].astype(float)
    assert mask.shape == frame.shape
    region = dataset.SequenceOfUltrasoundRegions[0]
    tissue = np.zeros(mask.shape, bool)
    tissue[
        region.RegionLocationMinY0 : region.RegionLocationMaxY1, region.RegionLocationMinX0 : region.RegionLocationMaxX1
    ] = True
    assert frame[mask].mean() < frame[tissue & ~mask].mean() - 40


def test_the_header_is_full_of_invented_patient_data(cohort):
    names = set()
    for patient_id in ("P0001", "P0002", "P0003", "P0004"):
        dataset = dicom(cohort, patient_id)
        family, given = str(dataset.PatientName).split("^")
        assert family in FAMILY
        assert given in GIVEN
        assert dataset.PatientID.startswith("INV")
        assert dataset.PatientTelephoneNumbers.startswith("+1-202-555-01")  # kept for fiction
        assert family in dataset[0x0099, 0x1001].value  # a private element too
        for keyword in ("PatientBirthDate", "PatientAddress", "InstitutionName", "OperatorsName", "AccessionNumber"):
            assert str(dataset[keyword].value)
        assert dataset.PatientAge == f"{int(pd.read_csv(cohort).set_index('patient_id')['age'][patient_id]):03d}Y"
        names.add(dataset.PatientID)
    assert len(names) == 4


def test_no_invented_name_reaches_the_tables(cohort):
    text = cohort.read_text() + (cohort.parent / "truth.csv").read_text() + (cohort.parent / "phantom.json").read_text()
    assert not [name for name in (*FAMILY, *GIVEN, "INV") if name in text]


def test_an_invented_womans_age_and_birth_date_agree():
    for seed in range(200):
        identity = invent_identity(np.random.default_rng(seed), "A")
        birthday_passed = (identity.study_date.month, identity.study_date.day) >= (
            identity.birth_date.month,
            identity.birth_date.day,
        )
        age = identity.study_date.year - identity.birth_date.year - (0 if birthday_passed else 1)
        assert age == identity.age_years


def test_uids_are_valid_and_depend_on_their_parts():
    assert uid("a", 1) == uid("a", 1) != uid("a", 2)
    assert pydicom.uid.UID(uid("a", 1)).is_valid
    assert len(uid("a", 1)) <= 64


def test_progress_counts_every_patient(tmp_path):
    seen = []
    config = PhantomConfig(patients=(1, 1, 0), frames=16, scale=0.25)
    write_phantom(tmp_path, config, workers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_the_default_is_the_papers_design():
    config = PhantomConfig()
    assert config.patients[0] + config.patients[1] == 271
    assert config.patients[2] == 49
    assert len(config.scanners()) == 320


def test_labels_do_not_depend_on_the_format_or_the_size_of_the_pictures(cohort, tmp_path):
    config = PhantomConfig(**(SMALL | {"scale": 0.25, "format": "avi"}))
    other = pd.read_csv(write_phantom(tmp_path, config, workers=1))
    expected = pd.read_csv(cohort)
    shared = [column for column in expected.columns if column != "video"]
    assert other[shared].equals(expected[shared])


def test_a_table_of_files_without_a_region_of_their_own_states_the_tissues_rectangle(cohort, tmp_path):
    config = PhantomConfig(**(SMALL | {"format": "avi", "patients": (1, 0, 0)}))
    row = pd.read_csv(write_phantom(tmp_path, config, workers=1)).iloc[0]
    region = dicom(cohort, "P0001").SequenceOfUltrasoundRegions[0]
    assert (row["roi_x"], row["roi_y"]) == (region.RegionLocationMinX0, region.RegionLocationMinY0)
    assert row["roi_x"] + row["roi_w"] - 1 == region.RegionLocationMaxX1
    assert row["roi_y"] + row["roi_h"] - 1 == region.RegionLocationMaxY1
    assert "roi_x" not in pd.read_csv(cohort).columns


def test_a_folder_with_somebody_elses_cohort_is_left_alone(tmp_path):
    (tmp_path / "cohort.csv").write_text("patient_id,video\n")
    with pytest.raises(ConfigError, match=r"holds a cohort.csv that is no phantom's; choose another folder"):
        write_phantom(tmp_path, PhantomConfig(**SMALL), workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match=r"out: cannot be written \(File exists\)"):
        write_phantom(tmp_path / "out", PhantomConfig(**SMALL), workers=1)


def test_an_interrupted_cohort_has_no_table(tmp_path):
    config = PhantomConfig(patients=(2, 0, 0), frames=16, scale=0.25)
    write_phantom(tmp_path, config, workers=1)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path, config, workers=1, progress=interrupt)
    assert not (tmp_path / "cohort.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patients": (0, 0, 0)}, r"patients must be three numbers, not all 0 \(received \[0, 0, 0\]\)"),
        ({"patients": (5, -1, 5)}, r"received \[5, -1, 5\]"),
        ({"patients": (5, 5)}, "patients must be three numbers"),
        ({"format": "gif"}, "format 'gif' is not one of dicom, avi, mp4"),
        ({"frames": 8}, r"frames must be 16 to 1000.*received 8"),
        ({"scale": 0.0}, r"scale must be 0.25 to 1 \(received 0.0\)"),
        ({"seed": -1}, r"seed must be 0 or more \(received -1\)"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        PhantomConfig(**change)


@pytest.mark.parametrize(
    "change", [{"name": "Wintermoth^Cosima"}, {"hospital_id": "INVA1"}, {"study_date": date(2017, 3, 4)}]
)
def test_name_number_and_date_are_burned_into_the_picture_above_the_tissue(change):
    scanner, identity = SCANNERS["A"], invent_identity(np.random.default_rng(0), "A")
    differs = draw_screen(scanner, identity) != draw_screen(scanner, replace(identity, **change))
    assert differs.sum() > 20
    assert not differs[scanner.origin_px[0] :].any()
