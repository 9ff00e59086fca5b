"""Looking for what is left: each kind of trace is found where it lies, shown to nobody, and clean output passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from pydicom import dcmread
from pydicom.sequence import Sequence
from typer.testing import CliRunner

from alnus.cli import app
from alnus.errors import MediaError, UsageError
from alnus.media import Box, IngestItem, ingest
from alnus.media.identity import Find, find_identity, kept_pixels, write_deidentified
from alnus.media.identity.burned_in import ocr_note

KEY = bytes(range(32))
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
SECRETS = ("quillfeather", "aurelia", "4711081", "19610203", "1.2.3.4")


def finds(*paths: Path, **options) -> list[Find]:
    found = find_identity(paths, **{"ocr": False, **options})
    shown = " ".join(find.line() for find in found).lower()
    assert [secret for secret in SECRETS if secret in shown] == [], "a find shows what it found"
    return found


@pytest.fixture
def source(make, scene, tmp_path) -> Path:
    dataset = make.ultrasound(scene)
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Quillfeather^Aurelia", "A-4711081", "19610203"
    dataset.InstitutionName = "Invented General Hospital"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.3.4.5.6.7.8.9.10.11"
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(16, 8, 79, 55)])
    (tmp_path / "in").mkdir()
    return make.saved(tmp_path / "in" / "source.dcm", dataset)


@pytest.fixture
def clean(source, tmp_path) -> Path:
    write_deidentified(source, tmp_path / "out" / "clean.dcm", key=KEY)
    return tmp_path / "out" / "clean.dcm"


def test_the_source_is_full_of_finds_and_the_clean_file_has_none(source, clean):
    assert {find.place for find in finds(source)} >= {"PatientName", "PatientID", "PatientBirthDate", "InstitutionName"}
    assert finds(clean.parent, against=[source]) == []


def test_a_store_made_from_the_source_has_none(source, tmp_path):
    ingest(
        [IngestItem("P1/1.dcm", source), IngestItem("P1/2.dcm", tmp_path / "missing.dcm")],
        tmp_path / "store",
        workers=1,
    )
    assert len(list((tmp_path / "store").rglob("*.npy"))) == 1
    assert finds(tmp_path / "store", against=[source]) == []


@pytest.mark.parametrize(
    ("keyword", "value", "place"),
    [
        ("PatientComments", "x", "PatientComments"),
        ("PatientName", "Quillfeather^Aurelia", "PatientName"),
        ("BodyPartExamined", "QUILLFEATHER", "BodyPartExamined"),
        ("SeriesInstanceUID", "1.2.3.4", "SeriesInstanceUID"),
        ("StudyTime", "101500", "StudyTime"),
        ("BurnedInAnnotation", None, None),
    ],
)
def test_an_element_that_is_not_clean_is_found(keyword, value, place, clean):
    dataset = dcmread(clean)
    setattr(dataset, keyword, value)
    dataset.save_as(clean)
    assert [find.place for find in finds(clean)] == ([place] if place else [])


def test_a_private_element_is_found_by_its_number_alone(clean):
    dataset = dcmread(clean)
    dataset.private_block(0x0099, "QUILLFEATHER", create=True).add_new(0x01, "LO", "Quillfeather")
    dataset.save_as(clean)
    assert [find.place for find in finds(clean)] == ["(0099,0010)", "(0099,1001)"]


def test_a_foreign_element_inside_an_allowed_sequence_is_found(clean):
    dataset = dcmread(clean)
    dataset.SequenceOfUltrasoundRegions[0].PatientName = "Quillfeather"
    dataset.save_as(clean)
    assert [find.place for find in finds(clean)] == ["SequenceOfUltrasoundRegions"]


def test_a_preamble_and_bytes_behind_the_pixels_are_found(clean):
    dataset = dcmread(clean)
    dataset.preamble = b"Quillfeather".ljust(128, b"\0")
    dataset.PixelData += b"Quillfeather"
    dataset.save_as(clean)
    assert [find.place for find in finds(clean)] == ["preamble", "after the pixels"]


def test_bytes_behind_a_stores_frames_are_found(tmp_path):
    np.save(tmp_path / "frames.npy", np.zeros((2, 4, 4), np.uint8))
    assert finds(tmp_path) == []
    with (tmp_path / "frames.npy").open("ab") as stream:
        stream.write(b"Quillfeather")
    assert [(find.place, find.value) for find in finds(tmp_path)] == [("after the array", "*** (12 characters)")]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("decoded Quillfeather^Aurelia in 3 s", "name"),
        ('{"PatientName": "Quillfeather"}', "id"),
        ("MRN: A-4711081", "id"),
        ("Patient ID = 4711081", "id"),
        ("DOB 1961-02-03", "date"),
        ("born on 03.02.1961", "date"),
        ("uid 1.2.840.114340.3.8251017118051.3", "uid"),
    ],
)
@pytest.mark.parametrize("name", ["run.log", "meta.json", "report.html", "notes"])
def test_text_that_looks_like_identity_is_found_with_its_line(text, kind, name, tmp_path):
    (tmp_path / name).write_text(f"first line\n{text}\n")
    assert [(find.place, find.kind) for find in finds(tmp_path)] == [("line 2", kind)]


@pytest.mark.parametrize(
    "text",
    [
        "patient_id,video,label\nP001,P001/1.avi,1",
        "patient P001: the file is cut",
        "ALN-0123456789abcdef^",
        "uid 2.25.254373018019326998224700116643899670411 of 1.2.840.10008.5.1.4.1.1.3.1",
        "y = x^2 + e^x, version 1.2.3.4, 10^6",
        "2026-03-15T10:15:00+00:00",
    ],
)
def test_what_alnus_itself_writes_is_no_find(text, tmp_path):
    (tmp_path / "run.log").write_text(text)
    assert finds(tmp_path) == []


def test_a_log_in_latin_1_is_read_and_a_compressed_file_is_no_text(tmp_path):
    (tmp_path / "run.log").write_bytes("Müller^Änne".encode("latin-1"))
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\nab^cd " + bytes(range(1, 30)) * 9)
    assert [Path(find.file).name for find in finds(tmp_path)] == ["run.log"]


@pytest.mark.parametrize("name", ["Quillfeather^Aurelia.txt", "Patient ID=4711081.csv"])
def test_a_file_name_that_identifies_is_found_and_struck_out(name, tmp_path):
    (tmp_path / name).write_text("nothing")
    (find,) = finds(tmp_path)
    assert find.place == "file name"
    assert "*" in find.file


@pytest.mark.parametrize(
    "content",
    [
        "QUILLFEATHER",
        "aurelia quillfeather",
        "03.02.1961",
        "19610203",
        "a4711081",
        "invented general hospital",
        "1.2.3.4.5.6.7.8.9.10.11",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "latin-1"])
def test_a_value_of_the_source_is_found_in_any_bytes(content, encoding, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "engine.bin").write_bytes(b"\0\1" * 5000 + content.encode(encoding) + b"\0\1" * 5000)
    assert finds(tmp_path / "out") == []
    assert finds(tmp_path / "out", against=[source])


@pytest.mark.parametrize("name", ["Überwald^Noémie", "Wójcik^Łucja", "王^小明"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_name_beyond_ascii_is_found_in_any_bytes(name, encoding, make, scene, tmp_path):
    dataset = make.ultrasound(scene)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = name
    source = make.saved(tmp_path / "source.dcm", dataset)
    (tmp_path / "engine.bin").write_bytes(b"\0\1" * 50 + name.upper().encode(encoding) + b"\0\1" * 50)
    assert finds(tmp_path / "engine.bin", against=[source])


def test_a_value_that_lies_across_two_pieces_is_found(source, tmp_path, monkeypatch):
    monkeypatch.setattr("alnus.media.identity.finding._CHUNK", 16)
    (tmp_path / "engine.bin").write_bytes(b"\0" * 27 + b"Quillfeather" + b"\0" * 30)
    assert [find.place for find in finds(tmp_path / "engine.bin", against=[source])] == ["byte 27"]


@pytest.mark.parametrize("name", ["quillfeather_1.txt", "scan_19610203.txt"])
def test_a_value_of_the_source_in_a_file_name_is_found(name, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("nothing")
    assert finds(tmp_path / "out") == []
    assert {find.place for find in finds(tmp_path / "out", against=[source])} == {"file name"}


def test_a_part_of_a_word_is_no_name(make, scene, tmp_path):
    dataset = make.ultrasound(scene)
    dataset.PatientName = "Ran^Deer"
    source = make.saved(tmp_path / "source.dcm", dataset)
    (tmp_path / "run.log").write_text("trained on a randomised sample, reindeer")
    assert finds(tmp_path / "run.log", against=[source]) == []


@pytest.mark.parametrize(("container", "codec"), [("mp4", "libx264"), ("avi", "mjpeg")])
def test_a_videos_title_is_found_and_a_plain_video_is_not(container, codec, make, scene, tmp_path):
    pix_fmt = "yuv420p" if codec == "libx264" else "yuvj420p"
    options = {"container": container, "codec": codec, "pix_fmt": pix_fmt}
    make.video(tmp_path / "plain", scene, **options)
    make.video(tmp_path / "titled", scene, **options, title="Quillfeather")
    assert [(find.file, find.kind) for find in finds(tmp_path)] == [(f"{tmp_path.name}/titled", "metadata")]


def test_a_pictures_text_and_exif_are_found(scene, tmp_path):
    picture = Image.fromarray(scene[0])
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "plain.jpg")
    text, exif = PngImagePlugin.PngInfo(), Image.Exif()
    text.add_text("Title", "Quillfeather")
    exif[0x010E] = "Quillfeather"
    picture.save(tmp_path / "text.png", pnginfo=text)
    picture.save(tmp_path / "exif.jpg", exif=exif)
    picture.save(tmp_path / "comment.jpg", comment=b"Quillfeather")
    assert {Path(find.file).name for find in finds(tmp_path)} == {"text.png", "exif.jpg", "comment.jpg"}


def screen(text: str) -> np.ndarray:
    """(8, 240, 320): speckle that moves, and a text that does not."""
    frames = np.random.default_rng(3).integers(0, 60, (8, 240, 320)).astype(np.uint8)
    picture = Image.new("L", (320, 240))
    ImageDraw.Draw(picture).text((20, 8), text, fill=255, font=ImageFont.load_default(18))
    return np.maximum(frames, np.asarray(picture))


@needs_tesseract
def test_a_burned_in_name_is_read_in_a_store_and_in_dicom_and_not_after_cleaning(make, tmp_path):
    frames = screen("QUILLFEATHER")
    np.save(tmp_path / "frames.npy", frames)
    assert {find.kind for find in finds(tmp_path / "frames.npy", ocr=True)} == {"burned-in"}
    source = make.saved(tmp_path / "source.dcm", make.ultrasound(frames))
    assert "burned-in" in {find.kind for find in finds(source, ocr=True)}
    keep = kept_pixels((320, 240), Box(0, 40, 320, 200))
    write_deidentified(source, tmp_path / "out" / "clean.dcm", key=KEY, keep=keep)
    assert finds(tmp_path / "out", ocr=True) == []


@needs_tesseract
def test_what_a_machine_burns_in_about_itself_is_no_find(tmp_path):
    np.save(tmp_path / "frames.npy", screen("BREAST 12 MHz 4.0 cm"))
    assert finds(tmp_path, ocr=True) == []


def test_without_tesseract_reading_is_left_out_with_a_note_or_refused_where_it_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    np.save(tmp_path / "frames.npy", screen("QUILLFEATHER"))
    assert finds(tmp_path, ocr="auto") == []
    assert ocr_note("auto") == "burned-in text was not looked for (tesseract is not installed)"
    with pytest.raises(UsageError, match="tesseract is not installed, so burned-in text cannot be read"):
        finds(tmp_path, ocr=True)


def test_check_says_where_burned_in_text_was_not_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    (tmp_path / "notes.txt").write_text("probe L14-5")
    result = CliRunner().invoke(app, ["check", "--identity", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, "0 finds\n")
    assert "burned-in text was not looked for (tesseract is not installed)" in result.stderr


def test_a_file_that_breaks_its_library_is_reported_and_the_others_are_searched(tmp_path):
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\xff")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "c.log").write_text("MRN: 4711081")
    kinds = {Path(find.file).name: find.kind for find in finds(tmp_path)}
    assert kinds["b.png"] == "unreadable"
    assert kinds["c.log"] == "id"


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(MediaError, match="there is no such file or folder; name what to check"):
        finds(tmp_path / "nowhere")


def test_a_source_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.dcm: there is no such file"):
        finds(tmp_path, against=[tmp_path / "gone.dcm"])


def test_the_sources_of_a_folder_are_looked_for_however_deep_they_lie(tmp_path, make, scene):
    (tmp_path / "sources" / "ST0" / "SE0").mkdir(parents=True)
    make.saved(tmp_path / "sources" / "ST0" / "SE0" / "IM0", make.ultrasound(scene))
    (tmp_path / "sources" / "empty").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.csv").write_text("video\nwest/leakedid.avi\n")
    assert finds(tmp_path / "out") == []
    assert [find.kind for find in finds(tmp_path / "out", against=[tmp_path / "sources"])] == ["text"]


def test_sources_without_any_header_are_refused_rather_than_looked_for_in_vain(tmp_path):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "notes.txt").write_text("no header")
    for against in (tmp_path / "sources", tmp_path / "sources" / "notes.txt"):
        with pytest.raises(MediaError, match="no DICOM header is there whose values could be looked for; name others"):
            finds(tmp_path, against=[against])


def test_progress_counts_the_files(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(json.dumps({}))
    seen: list[tuple[int, int]] = []
    finds(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
