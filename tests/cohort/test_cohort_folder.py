"""A drafted table: whose each file is, what is left out, and that no header's patient id gets into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from alnus.cohort import from_folder, load_cohort
from alnus.errors import CohortError


def dicom(
    path: Path, patient: str, *, rows: int | None = 4, issuer: str = "", kind: str = UltrasoundMultiFrameImageStorage
) -> None:
    """Write a small DICOM file with invented patient data in its header."""
    dataset = Dataset()
    dataset.PatientID, dataset.PatientName = patient, "Invented^Ida"
    if issuer:
        dataset.IssuerOfPatientID = issuer
    if rows is not None:
        dataset.Rows = rows
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, generate_uid()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def drafted(out: Path) -> dict[str, str]:
    table = load_cohort(out, need_labels=False, need_files=True).table
    return dict(zip(table["video"], table["patient_id"], strict=True))


def test_a_video_belongs_to_its_first_folder_else_to_its_own_name(tmp_path):
    root = tmp_path / "study"
    touch(root / "007" / "a.avi", root / "007" / "later" / "b.MP4", root / "K2.mov", root / "notes.txt")
    report = from_folder(root, tmp_path / "cohort.csv")
    expected = {"study/K2.mov": "K2", "study/007/a.avi": "007", "study/007/later/b.MP4": "007"}
    assert drafted(tmp_path / "cohort.csv") == expected
    assert (report.patients, report.videos, report.skipped, report.unreadable) == (2, 3, 1, ())


def test_dicom_files_are_grouped_by_a_header_id_that_is_written_nowhere(tmp_path):
    root = tmp_path / "export"
    dicom(root / "IM1.dcm", "SECRET-9")
    dicom(root / "IM2", "SECRET-4")
    dicom(root / "more" / "IM3.dcm", "SECRET-9")
    dicom(root / "more" / "IM4.dcm", "SECRET-9", issuer="other hospital")
    report = from_folder(root, tmp_path / "cohort.csv")
    found = drafted(tmp_path / "cohort.csv")
    assert found == {
        "export/IM1.dcm": "P001",
        "export/IM2": "P002",
        "export/more/IM3.dcm": "P001",
        "export/more/IM4.dcm": "P003",
    }
    assert "SECRET" not in (tmp_path / "cohort.csv").read_text() + repr(report)
    assert "Invented" not in (tmp_path / "cohort.csv").read_text() + repr(report)


def test_a_running_number_never_meets_a_folder_of_the_same_name(tmp_path):
    dicom(tmp_path / "study" / "IM1.dcm", "A")
    dicom(tmp_path / "study" / "IM2.dcm", "B")
    touch(tmp_path / "study" / "P001" / "a.avi")
    from_folder(tmp_path / "study", tmp_path / "cohort.csv")
    assert set(drafted(tmp_path / "cohort.csv").values()) == {"P001", "P002", "P003"}


def test_a_dicom_file_without_a_patient_id_goes_by_its_folder_and_the_user_is_told(tmp_path):
    dicom(tmp_path / "study" / "case7" / "IM1.dcm", "")
    report = from_folder(tmp_path / "study", tmp_path / "cohort.csv")
    assert drafted(tmp_path / "cohort.csv") == {"study/case7/IM1.dcm": "case7"}
    assert any("no patient id" in note for note in report.notes)


def test_what_is_no_image_is_counted_and_what_cannot_be_read_is_named(tmp_path):
    root = tmp_path / "study"
    touch(root / "a.avi", root / "b.txt", root / "still.jpg")
    dicom(root / "report.dcm", "A", rows=None, kind=BasicTextSRStorage)
    (root / "text.dcm").write_text("no DICOM at all")
    (root / "link.avi").symlink_to(root / "a.avi")
    (root / "loop").symlink_to(root)
    touch(root / "two\nlines.avi")
    report = from_folder(root, tmp_path / "cohort.csv")
    assert (report.videos, report.skipped) == (1, 4)
    assert report.lines()[1:3] == [
        "not in the draft: text.dcm: its DICOM header is cut or cannot be read; export it again",
        r"not in the draft: 'two\nlines.avi': its name does not fit a table; rename it",
    ]


def test_an_image_whose_header_is_cut_and_an_empty_file_are_named_and_not_counted_as_reports(tmp_path):
    root = tmp_path / "export"
    dicom(root / "IM1", "A")
    dicom(root / "IM2", "A", rows=None)
    dicom(root / "SR1", "A", rows=None, kind=BasicTextSRStorage)
    (root / "IM3").write_bytes((root / "IM1").read_bytes()[:180])
    touched = [root / name for name in ("IM4", "1.2.840.5", "IM5.dcm", ".keep", "notes.txt")]
    for path in touched:
        path.touch()
    report = from_folder(root, tmp_path / "cohort.csv")
    assert set(drafted(tmp_path / "cohort.csv")) == {"export/IM1"}
    cut = "its DICOM header is cut or cannot be read; export it again"
    assert report.lines()[1:6] == [
        *(f"not in the draft: {name}: {cut}" for name in ("IM2", "IM3")),
        *(f"not in the draft: {name}: the file is empty; export it again" for name in ("1.2.840.5", "IM4", "IM5.dcm")),
    ]
    assert "skipped: 1 .txt, 1 DICOM without an image, 1 no suffix" in report.notes


def test_the_draft_is_ready_to_be_filled_and_says_with_what(tmp_path):
    touch(tmp_path / "study" / "a.avi")
    report = from_folder(tmp_path / "study", tmp_path / "cohort.csv")
    assert (tmp_path / "cohort.csv").read_text() == "patient_id,video,label,center\na,study/a.avi,,\n"
    assert "fill column label" in report.notes[0]
    with pytest.raises(CohortError, match="column label is empty in every row; write 1 = metastasis, 0 = none"):
        load_cohort(tmp_path / "cohort.csv")


def test_a_filled_in_draft_is_never_overwritten(tmp_path):
    touch(tmp_path / "study" / "a.avi", tmp_path / "cohort.csv")
    with pytest.raises(CohortError, match="exists already and may have been filled in"):
        from_folder(tmp_path / "study", tmp_path / "cohort.csv")
    assert (tmp_path / "cohort.csv").read_bytes() == b"x"


def test_a_folder_that_is_not_there_or_holds_no_media_is_refused(tmp_path):
    with pytest.raises(CohortError, match="no such folder"):
        from_folder(tmp_path / "gone", tmp_path / "cohort.csv")
    touch(tmp_path / "study" / "a.txt")
    with pytest.raises(CohortError, match=r"holds no video and no DICOM image \(1 other files\); name the folder"):
        from_folder(tmp_path / "study", tmp_path / "cohort.csv")
    (tmp_path / "study" / "IM1").touch()
    with pytest.raises(CohortError, match=r"that can be read; 1 cannot, the first is IM1: export them again"):
        from_folder(tmp_path / "study", tmp_path / "cohort.csv")


def test_what_a_file_is_counts_and_not_its_name_and_what_is_skipped_is_told_by_kind(tmp_path):
    root = tmp_path / "export"
    dicom(root / "IM1", "SECRET-9")
    marked = (root / "IM1").read_bytes()
    (root / "bare").write_bytes(marked[132 + 12 + int.from_bytes(marked[140:144], "little") :])
    (root / "VTS_01").write_bytes(b"\x00\x00\x01\xba" + bytes(600))
    (root / "phone").write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(600))
    touch(root / "a.flv", root / "b.txt", root / "c.txt", root / "README", root / "x.Mueller", root / "scan.19610314")
    report = from_folder(root, tmp_path / "cohort.csv")
    assert set(drafted(tmp_path / "cohort.csv")) == {f"export/{name}" for name in ("IM1", "bare", "VTS_01", "phone")}
    assert report.skipped == 6
    assert "skipped: 1 .flv, 2 .txt, 1 no suffix, 2 others" in report.notes
