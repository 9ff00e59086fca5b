"""The header's rules: what is mapped is stable, what other software removes is gone, and validators accept it."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom.examples
import pytest
from pydicom import dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from alnus.media import Box, open_cine
from alnus.media.identity import deidentified, kept_pixels, write_deidentified
from alnus.media.identity.allowlist import ALLOWLIST, REGION
from alnus.media.identity.mapping import MOST_DAYS_BACK, Mapping
from alnus.media.identity.rules import strangers
from alnus.phantom import PhantomConfig, write_phantom

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "de-identify.md"
RETIRED_IMAGE, RETIRED_CINE = "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3"
ENHANCED_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"

needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")


def header(**changes: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.5", "1.2.3.6"
    dataset.PatientID, dataset.PatientName, dataset.StudyDate = "P1", "A^B", "20200315"
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def days_between(first: str, second: str) -> int:
    return (datetime.strptime(second, "%Y%m%d") - datetime.strptime(first, "%Y%m%d")).days  # noqa: DTZ007  dates alone


def test_the_same_header_and_key_give_the_same_output():
    assert deidentified(header(), key=KEY) == deidentified(header(), key=KEY)


def test_another_key_gives_other_uids_names_and_dates():
    ours, theirs = deidentified(header(), key=KEY), deidentified(header(), key=OTHER_KEY)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "StudyDate"):
        assert ours[keyword].value != theirs[keyword].value


def test_the_input_is_not_changed():
    source = header()
    deidentified(source, key=KEY)
    assert source == header()


def test_a_mapped_uid_is_a_valid_version_8_uuid_under_2_25():
    mapped = Mapping(KEY, "").uid("1.2.3")
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", mapped)
    number = int(mapped.removeprefix("2.25."))
    assert (number >> 76) & 0xF == 8
    assert (number >> 62) & 0b11 == 0b10


def test_a_reference_points_to_the_mapped_uid_of_the_file_that_it_pointed_to():
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = UltrasoundImageStorage, "1.2.3.4"
    pointing = deidentified(header(SOPInstanceUID="1.9", SourceImageSequence=Sequence([reference])), key=KEY)
    target = deidentified(header(), key=KEY)
    assert pointing.SourceImageSequence[0].ReferencedSOPInstanceUID == target.SOPInstanceUID
    assert pointing.SourceImageSequence[0].ReferencedSOPClassUID == UltrasoundImageStorage


def test_dates_of_a_patient_keep_their_distance():
    first, second = (deidentified(header(StudyDate=day), key=KEY) for day in ("20191230", "20200302"))
    assert days_between(first.StudyDate, second.StudyDate) == 63
    assert 1 <= days_between(first.StudyDate, "20191230") <= MOST_DAYS_BACK


def test_patients_of_the_same_id_from_different_issuers_are_different_patients():
    ours, theirs = (deidentified(header(IssuerOfPatientID=issuer), key=KEY) for issuer in ("A", "B"))
    assert ours.PatientID != theirs.PatientID


def test_patients_without_an_id_are_not_one_patient():
    first = deidentified(header(PatientID="", StudyInstanceUID="1.5"), key=KEY)
    second = deidentified(header(PatientID="", StudyInstanceUID="1.6"), key=KEY)
    assert first.PatientID != second.PatientID


def test_the_studys_own_patient_id_counts_where_it_is_given():
    first, second = (deidentified(header(PatientID=name), key=KEY, patient="P001") for name in ("X", "Y"))
    assert first.PatientID == second.PatientID
    assert first.PatientID.startswith("ALN-")
    assert "P001" not in str(first)


def test_a_time_of_day_is_dropped_from_a_date_and_time():
    clean = deidentified(header(AcquisitionDateTime="20200315101500.5+0100"), key=KEY)
    assert clean.AcquisitionDateTime == clean.StudyDate


@pytest.mark.parametrize("day", ["20200231", "2020-03-15", "00000000", "SMITH", "20200315-20200316"])
def test_a_date_that_is_none_is_emptied(day):
    source = header()
    source.add(DataElement(0x00080020, "DA", day, validation_mode=IGNORE))
    assert not deidentified(source, key=KEY).StudyDate


def test_deidentifying_twice_leaves_a_clean_header():
    once = deidentified(header(), key=KEY)
    twice = deidentified(once, key=KEY)
    assert strangers(twice, ALLOWLIST) == []
    assert {element.tag for element in once} == {element.tag for element in twice}


def test_the_method_is_stated_with_the_codes_of_the_standard():
    clean = deidentified(header(), key=KEY)
    assert clean.PatientIdentityRemoved == "YES"
    assert clean.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = {code.CodeValue: code.CodeMeaning for code in clean.DeidentificationMethodCodeSequence}
    assert codes == {
        "113100": "Basic Application Confidentiality Profile",
        "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    }
    assert clean.preamble == bytes(128)


@pytest.mark.parametrize("key", [b"", b"short"])
def test_a_key_that_can_be_guessed_is_refused(key):
    with pytest.raises(ValueError, match="at least 16 bytes"):
        deidentified(header(), key=key)


def test_the_key_does_not_show_in_the_mapping():
    assert KEY.hex() not in repr(Mapping(KEY, "secret"))
    assert "secret" not in repr(Mapping(KEY, "secret"))


DUMMIES = {"DA": "20190314", "TM": "101500.123456", "DT": "20190314101500.123456", "UI": "1.2.3.47110815", "AS": "047Y"}
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")


def dummy(vr: str) -> object:
    if vr in TEXT_VRS:
        return "QUILLFEATHER"
    if vr in DUMMIES:
        return DUMMIES[vr]
    if vr in ("DS", "IS"):
        return "4711"
    if vr in ("OB", "OW", "OF", "OD", "OL", "OV", "UN"):
        return b"QUILLFEATHER"
    return 4711.0 if vr in ("FD", "FL") else 4711


@pytest.mark.parametrize("edition", ["dicomfields_2023", "dicomfields_2024b", "dicomfields_2026c"])
def test_every_element_that_the_standards_table_removes_or_replaces_is_gone(edition):
    selector = pytest.importorskip("dicomanonymizer.dicomfields_selector")
    table = selector.dicom_anonymization_database_selector(edition)
    tags = [tag for name, listed in table.items() if name != "ALL_TAGS" for tag in listed if len(tag) == 2]
    assert len(tags) > 300
    source, nested = Dataset(), Dataset()
    nested.PatientName = "QUILLFEATHER"
    for tag in tags:
        vr = dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "UN"
        source.add(DataElement(tag, vr, Sequence([nested]) if vr == "SQ" else dummy(vr), validation_mode=IGNORE))
    clean = deidentified(source, key=KEY)
    survivors = [keyword_for_tag(tag) for tag in tags if tag in clean and clean[tag].value == source[tag].value]
    assert survivors == []
    assert "QUILLFEATHER" not in str(clean)


def flattened(dataset: Dataset, path: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for element in dataset:
        place = f"{path}/{element.tag}"
        if element.VR == "SQ":
            for number, nested in enumerate(element.value):
                found |= flattened(nested, f"{place}[{number}]")
        else:
            found[place] = element.value
    return found


@pytest.fixture(scope="module")
def phantom_dicom(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, PhantomConfig(patients=(1, 0, 0), frames=16, scale=0.5), workers=1)
    return next(folder.rglob("*.dcm"))


@pytest.mark.parametrize("name", ["rgb_color", "ybr_color", "palette_color", "jpeg2k", "overlay", "ct"])
def test_nothing_that_dicom_anonymizer_removes_from_pydicoms_examples_survives(name):
    simple = pytest.importorskip("dicomanonymizer.simpledicomanonymizer")
    source = dcmread(pydicom.examples.get_path(name), stop_before_pixels=True)
    theirs = dcmread(pydicom.examples.get_path(name), stop_before_pixels=True)
    simple.anonymize_dataset(theirs)
    before, after = flattened(source), flattened(theirs)
    ours = flattened(deidentified(source, key=KEY))
    removed = {place: value for place, value in before.items() if place not in after or after[place] != value}
    assert removed
    survivors = [place for place, value in removed.items() if value not in ("", None) and ours.get(place) == value]
    # a class of the standard's own in a reference is emptied there together with its neighbours: it names nobody
    assert [place for place in survivors if not place.endswith("(0008,1150)")] == []


@needs_dciodvfy
@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("frames", [1, 12])
@pytest.mark.parametrize(
    "kind",
    [
        UltrasoundImageStorage,
        UltrasoundMultiFrameImageStorage,
        RETIRED_IMAGE,
        RETIRED_CINE,
        ENHANCED_VOLUME,
        SecondaryCaptureImageStorage,
        "1.2.840.10008.5.1.4.1.1.77.1.1.1",
    ],
)
def test_dciodvfy_finds_no_error_in_any_kind_of_dicom(kind, frames, coloured, scene, make, tmp_path):
    pixels = np.repeat(scene[:frames, ..., None], 3, axis=-1) if coloured else scene[:frames]
    dataset = make.ultrasound(pixels.copy())
    if coloured:
        dataset.PixelData = (pixels + np.array([90, 0, 0], np.uint8)).tobytes()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.SequenceOfUltrasoundRegions = Sequence(
        [make.region(16, 8, 79, 55), make.region(0, 0, 20, 20, RegionDataType=3)]
    )
    source = make.saved(tmp_path / "source.dcm", dataset)
    written = write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert written.coloured is coloured
    assert_valid(tmp_path / "clean.dcm")


def assert_valid(path: Path) -> None:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    report = done.stdout + done.stderr
    assert "Error" not in report, report
    assert re.search(r"^(US|SC|Multiframe)\w*Image$", report, re.MULTILINE), report  # it knew the kind


@needs_dciodvfy
@pytest.mark.parametrize(
    ("container", "codec", "pix_fmt"), [("avi", "mjpeg", "yuvj420p"), ("mp4", "libx264", "yuv420p")]
)
@pytest.mark.parametrize("coloured", [False, True])
def test_dciodvfy_finds_no_error_in_a_video_made_dicom(container, codec, pix_fmt, coloured, scene, make, tmp_path):
    frames = np.repeat(scene[..., None], 3, axis=-1)
    if coloured:
        frames[:, 20:40, 20:60, 0] = 250
    source = make.video(tmp_path / f"source.{container}", frames, container=container, codec=codec, pix_fmt=pix_fmt)
    written = write_deidentified(
        source, tmp_path / "clean.dcm", key=KEY, keep=kept_pixels((96, 64), Box(16, 8, 64, 48)), patient="P001"
    )
    assert written.coloured is coloured
    assert_valid(tmp_path / "clean.dcm")
    clean = open_cine(tmp_path / "clean.dcm")
    assert clean.frame_times_s == pytest.approx(np.arange(12) / 25, abs=1e-6)


@needs_dciodvfy
@pytest.mark.parametrize("name", ["rgb_color", "ybr_color", "palette_color", "jpeg2k", "overlay"])
def test_dciodvfy_finds_no_error_in_pydicoms_examples(name, tmp_path):
    path = pydicom.examples.get_path(name)
    head = dcmread(path, stop_before_pixels=True)
    keep = kept_pixels((head.Columns, head.Rows), Box(60, 40, 200, 150))
    write_deidentified(path, tmp_path / "clean.dcm", key=KEY, keep=keep)
    assert_valid(tmp_path / "clean.dcm")


@needs_dciodvfy
def test_a_phantom_cine_keeps_its_tissue_its_spacing_and_its_times(phantom_dicom, tmp_path):
    before = open_cine(phantom_dicom)
    keep = kept_pixels(before.frames.shape[2:0:-1], before.region)
    write_deidentified(phantom_dicom, tmp_path / "clean.dcm", key=KEY, keep=keep)
    assert_valid(tmp_path / "clean.dcm")
    after = open_cine(tmp_path / "clean.dcm")
    assert after.region == before.region
    assert after.phantom
    assert after.spacing_mm == pytest.approx(before.spacing_mm, rel=1e-8)
    assert after.frame_times_s == pytest.approx(before.frame_times_s, abs=1e-6)
    box = before.region
    rows, columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
    assert (before.frames[:, rows, columns] == after.frames[:, rows, columns]).all()
    outside = np.ones(after.frames.shape[1:3], bool)
    outside[rows, columns] = False
    assert not after.frames[:, outside].any()


def test_uneven_frame_times_are_kept(make, scene, tmp_path):
    dataset = make.ultrasound(scene)
    del dataset.FrameTime
    dataset.FrameTimeVector = [0, *range(30, 41)]
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(16, 8, 79, 55)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert open_cine(tmp_path / "clean.dcm").frame_times_s == pytest.approx(open_cine(source).frame_times_s, abs=1e-5)


def test_a_region_cut_to_what_is_shown_keeps_its_calibration(make, scene, tmp_path):
    dataset = make.ultrasound(scene)
    region = make.region(16, 8, 79, 55, ReferencePixelX0=30, ReferencePixelY0=0)
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    source = make.saved(tmp_path / "source.dcm", dataset)
    keep = kept_pixels((96, 64), Box(26, 10, 40, 30))
    write_deidentified(source, tmp_path / "clean.dcm", key=KEY, keep=keep)
    clean = dcmread(tmp_path / "clean.dcm").SequenceOfUltrasoundRegions[0]
    assert (clean.RegionLocationMinX0, clean.RegionLocationMinY0) == (26, 10)
    assert (clean.RegionLocationMaxX1, clean.RegionLocationMaxY1) == (65, 39)
    # the reference pixel is the same pixel of the frame: 16 + 30, 8 + 0
    assert (clean.RegionLocationMinX0 + clean.ReferencePixelX0, clean.RegionLocationMinY0 + clean.ReferencePixelY0) == (
        46,
        8,
    )


def test_writing_twice_gives_the_same_bytes(make, scene, tmp_path):
    dataset = make.ultrasound(scene, syntax=ImplicitVRLittleEndian)
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(16, 8, 79, 55)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    for name in ("a.dcm", "b.dcm"):
        write_deidentified(source, tmp_path / name, key=KEY)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_the_guides_table_is_the_allowlist():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {keyword: rule.kept for keyword, rule in {**ALLOWLIST, **REGION}.items()}
