"""Identity planted in every corner of a file: none of it is in the DICOM output, the store, a log or a message."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom import dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import MPEG4HP41, SecondaryCaptureImageStorage

from alnus.errors import MediaError
from alnus.media import Box, IngestItem, ingest, open_cine
from alnus.media.identity import kept_pixels, write_deidentified
from alnus.media.refusal import Refused

KEY = bytes(range(32))
NAME, MRN, DAY, CLOCK = "QUILLFEATHER", "47110815", "20190314", "101500.12"
SECRETS = [NAME.lower(), NAME.lower()[:8], MRN, DAY, CLOCK]
REGION = (16, 8, 79, 55)  # both corners inside


def put(dataset: Dataset, where: str | int, value: object, vr: str | None = None) -> None:
    tag = tag_for_keyword(where) if isinstance(where, str) else where
    dataset.add(DataElement(tag, vr or dictionary_VR(tag), value, validation_mode=IGNORE))


def item(**elements: object) -> Dataset:
    nested = Dataset()
    for keyword, value in elements.items():
        put(nested, keyword, value)
    return nested


def planted(*where: str | int, value: object = NAME, vr: str | None = None) -> Callable[[Dataset], None]:
    def plant(dataset: Dataset) -> None:
        for place in where:
            put(dataset, place, value, vr)

    return plant


def in_region(where: str | int, value: object, vr: str | None = None) -> Callable[[Dataset], None]:
    return lambda dataset: put(dataset.SequenceOfUltrasoundRegions[0], where, value, vr)


def in_sequence(keyword: str, **elements: object) -> Callable[[Dataset], None]:
    return lambda dataset: put(dataset, keyword, Sequence([item(**elements)]))


def private(dataset: Dataset) -> None:
    dataset.private_block(0x0099, "MAKER", create=True).add_new(0x01, "LO", NAME)


def private_creator(dataset: Dataset) -> None:
    dataset.private_block(0x0099, NAME, create=True).add_new(0x01, "LO", "x")


def private_in_region(dataset: Dataset) -> None:
    private(dataset.SequenceOfUltrasoundRegions[0])


def preamble(dataset: Dataset) -> None:
    dataset.preamble = NAME.encode().ljust(128, b"\0")


def file_meta(dataset: Dataset) -> None:
    dataset.file_meta.SourceApplicationEntityTitle = NAME
    dataset.file_meta.PrivateInformationCreatorUID = f"1.2.3.{MRN}"
    dataset.file_meta.PrivateInformation = NAME.encode()


def behind_the_pixels(dataset: Dataset) -> None:
    dataset.PixelData += NAME.encode()


def deep(dataset: Dataset) -> None:
    group = item(FrameContentSequence=Sequence([item(FrameComments=NAME, FrameAcquisitionDateTime=DAY)]))
    dataset.PerFrameFunctionalGroupsSequence = Sequence([group])
    dataset.SharedFunctionalGroupsSequence = Sequence([group])


def uids(dataset: Dataset) -> None:
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        put(dataset, keyword, f"1.2.3.{MRN}")


def icon(dataset: Dataset) -> None:
    in_sequence("IconImageSequence", BitsAllocated=8, Rows=3, Columns=4, PixelData=NAME.encode())(dataset)


HIDDEN_DOUBLE = struct.unpack("<d", NAME[:8].encode())[0]

PLANTS: dict[str, Callable[[Dataset], None]] = {
    "the patient's name": planted("PatientName", value=f"{NAME}^Aurelia"),
    "other ids and names": planted(
        "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName"
    ),
    "the patient's id": planted("PatientID", "IssuerOfPatientID", value=MRN),
    "free text": planted("PatientComments", "ImageComments", "AdditionalPatientHistory", "DerivationDescription"),
    "descriptions": planted("StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription"),
    "the institution": planted("InstitutionName", "InstitutionAddress", "StationName", "InstitutionalDepartmentName"),
    "staff": planted("OperatorsName", "ReferringPhysicianName", "PerformingPhysicianName", "PhysiciansOfRecord"),
    "accession and study id": planted(
        "AccessionNumber", "StudyID", "FillerOrderNumberImagingServiceRequest", value=MRN
    ),
    "the device": planted("DeviceSerialNumber", "DeviceUID", "GantryID", "DetectorID", "PlateID", value=f"1.2.{MRN}"),
    "an extra element in an allowed sequence": in_region("PatientName", NAME),
    "a double that spells": in_region("PhysicalDeltaX", HIDDEN_DOUBLE),
    "a reference value that spells": in_region("ReferencePixelPhysicalValueX", HIDDEN_DOUBLE),
    "an id as a frequency": in_region("TransducerFrequency", int(MRN)),
    "a sequence that is not allowed": in_sequence("ReferencedPatientSequence", PatientName=NAME),
    "the meaning of an allowed code": in_sequence(
        "AnatomicRegionSequence", CodeValue="76752008", CodingSchemeDesignator="SCT", CodeMeaning=NAME
    ),
    "a code of its own": in_sequence(
        "AnatomicRegionSequence", CodeValue=NAME, CodingSchemeDesignator="SCT", CodeMeaning="Breast"
    ),
    "structured content": in_sequence("ContentSequence", ValueType="PNAME", PersonName=NAME, TextValue=NAME),
    "functional groups": deep,
    "a private element": private,
    "a private creator": private_creator,
    "a private element in an allowed sequence": private_in_region,
    "an unknown element": planted(0x00091233, value=NAME.encode(), vr="UN"),
    "an unknown public element": planted(0x00081FFE, value=NAME.encode(), vr="UN"),
    "an allowed element of unknown representation": planted("ImageLaterality", value=NAME.encode(), vr="UN"),
    "overlay data": planted(0x60003000, value=NAME.encode(), vr="OB"),
    "overlay comments": planted(0x60000022, 0x60001500, 0x60024000, vr="LO"),
    "a curve": planted(0x50003000, value=NAME.encode(), vr="OB"),
    "a curve's label": planted(0x50002500, vr="LO"),
    "the preamble": preamble,
    "the file meta information": file_meta,
    "trailing padding": planted("DataSetTrailingPadding", value=NAME.encode()),
    "bytes behind the pixels": behind_the_pixels,
    "a code string": planted("BodyPartExamined", "ImageLaterality", "TransducerType"),
    "the modality": planted("Modality"),
    "the image type": planted("ImageType", value=["ORIGINAL", "PRIMARY", NAME, NAME]),
    "the maker's name": planted("Manufacturer", value=f"Siemens {NAME}"),
    "the compression's name": planted("LossyImageCompression", "LossyImageCompressionMethod"),
    "UIDs made of an id": uids,
    "a referenced UID": in_sequence(
        "ReferencedImageSequence",
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.6.1",
        ReferencedSOPInstanceUID=f"1.2.3.{MRN}",
    ),
    "a class UID made of an id": in_sequence(
        "SourceImageSequence",
        ReferencedSOPClassUID=f"1.2.840.10008.5.1.4.1.1.6.1.{MRN}",
        ReferencedSOPInstanceUID="1.2.3",
    ),
    "the icon": icon,
    "a date": planted("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate", "PatientBirthDate", value=DAY),
    "a date and time": planted("AcquisitionDateTime", "FrameReferenceDateTime", value=f"{DAY}{CLOCK}"),
    "a time": planted("StudyTime", "SeriesTime", "ContentTime", "AcquisitionTime", "PatientBirthTime", value=CLOCK),
    "a name for a date": planted("StudyDate", "AcquisitionDateTime", vr="LO"),
    "a name for an age": planted("PatientAge", "PatientSex"),
    "an id as a number": planted("SeriesNumber", "InstanceNumber", "AcquisitionNumber", value=MRN),
    "an id as a cine rate": planted("CineRate", "RecommendedDisplayFrameRate", value=MRN),
    "an id in a decimal": planted("DepthOfScanField", "PixelSpacing", value=MRN, vr="DS"),
    "a palette": planted("RedPaletteColorLookupTableData", value=NAME.encode(), vr="OW"),
    "a colour profile": planted("ICCProfile", value=NAME.encode()),
    "a signature": in_sequence("DigitalSignaturesSequence", CertificateOfSigner=NAME.encode()),
    "an encapsulated document": planted("EncapsulatedDocument", value=NAME.encode()),
}


def leaks(content: bytes) -> list[str]:
    lowered = content.lower()
    spellings = {secret: {secret.encode(), secret.encode("utf-16-le"), secret.encode()[::-1]} for secret in SECRETS}
    spellings["a number"] = {struct.pack("<I", int(MRN))}
    return [secret for secret, forms in spellings.items() if any(form in lowered for form in forms)]


def leaky(path: Path, plant: Callable[[Dataset], None], scene, make) -> Path:
    dataset = make.ultrasound(scene)
    put(dataset, "StudyInstanceUID", "1.2.3.4.5")
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(*REGION)])
    plant(dataset)
    return make.saved(path, dataset)


@pytest.mark.parametrize("place", PLANTS)
def test_identity_in_a_dicom_file_does_not_survive(place, scene, make, tmp_path):
    source = leaky(tmp_path / "source.dcm", PLANTS[place], scene, make)
    assert leaks(source.read_bytes()), "nothing was planted"
    write_deidentified(source, tmp_path / "out" / "clean.dcm", key=KEY)
    assert leaks((tmp_path / "out" / "clean.dcm").read_bytes()) == []


def test_no_leak_reaches_the_store_the_output_or_the_log(scene, make, tmp_path, caplog, capfd):
    sources = tmp_path / "sources"
    sources.mkdir()
    items = [
        IngestItem(f"{number}.dcm", leaky(sources / f"{number}.dcm", plant, scene, make))
        for number, plant in enumerate(PLANTS.values())
    ]
    caplog.set_level(logging.DEBUG)
    report = ingest(items, tmp_path / "store", workers=1)
    assert len(report.ingested) > len(items) // 2
    left = {path.name: leaks(path.read_bytes()) for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert {name: found for name, found in left.items() if found} == {}
    printed = capfd.readouterr()
    assert leaks(f"{printed.out}{printed.err}{caplog.text}".encode()) == []


@pytest.mark.parametrize("place", PLANTS)
def test_no_leak_reaches_an_error_message(place, scene, make, tmp_path):
    def broken(dataset: Dataset) -> None:
        PLANTS[place](dataset)
        put(dataset, "NumberOfFrames", "900")

    source = leaky(tmp_path / "source.dcm", broken, scene, make)
    with pytest.raises(MediaError) as refused:
        open_cine(source)
    with pytest.raises(Refused) as not_written:
        write_deidentified(source, tmp_path / "out.dcm", key=KEY)
    assert leaks(f"{refused.value}{not_written.value}".encode()) == []
    assert list(tmp_path.iterdir()) == [source]


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize("marker", [0xFE, 0xE1, 0xED])
def test_a_comment_inside_a_code_stream_does_not_survive(marker, scene, make, tmp_path):
    streams = [make.jpeg(frame) for frame in scene]
    streams = [stream[:2] + segment(marker, NAME.encode()) + stream[2:] for stream in streams]

    def compressed(dataset: Dataset) -> None:
        make.with_jpeg(dataset, streams)

    source = leaky(tmp_path / "source.dcm", compressed, scene, make)
    assert leaks(source.read_bytes())
    write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert leaks((tmp_path / "clean.dcm").read_bytes()) == []
    assert dcmread(tmp_path / "clean.dcm").LossyImageCompressionMethod == "ISO_10918_1"


def test_a_message_inside_a_video_stream_does_not_survive(scene, make, tmp_path):
    from pydicom.encaps import encapsulate

    video = make.video(tmp_path / "raw", scene, container="h264", codec="libx264", pix_fmt="yuv420p").read_bytes()
    body = bytes(16) + NAME.encode()
    message = b"\0\0\0\1\x06\x05" + bytes([len(body)]) + body + b"\x80"  # H.264 7.3.2.3: SEI, user data unregistered

    def encoded(dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = MPEG4HP41
        dataset.PixelData = encapsulate([message + video])
        dataset["PixelData"].is_undefined_length = True

    source = leaky(tmp_path / "source.dcm", encoded, scene, make)
    assert leaks(source.read_bytes())
    write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert leaks((tmp_path / "clean.dcm").read_bytes()) == []
    assert dcmread(tmp_path / "clean.dcm").LossyImageCompressionMethod == "ISO_14496_10"


def test_bits_above_those_stored_do_not_survive(scene, make, tmp_path):
    hidden = np.frombuffer((NAME * 600)[: scene[0].size].encode(), np.uint8).reshape(scene[0].shape)
    frames = scene.astype(np.uint16) | (hidden.astype(np.uint16) << 8)

    def deep_bits(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 8, 7

    dataset = make.ultrasound(frames)
    deep_bits(dataset)
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(*REGION)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    try:
        write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    except Refused:
        return  # not written at all
    clean = dcmread(tmp_path / "clean.dcm").pixel_array
    assert (clean[:, 8:56, 16:80] == scene[:, 8:56, 16:80]).all()


def with_text(frames, place: tuple[int, int]):
    picture = Image.new("L", frames.shape[:0:-1])
    ImageDraw.Draw(picture).text(place, "QUILL", fill=255)
    return np.maximum(frames, np.asarray(picture)), np.asarray(picture) > 0


def test_text_outside_the_region_is_black(scene, make, tmp_path):
    frames, text = with_text(scene, (0, 53))
    dataset = make.ultrasound(frames)
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(16, 8, 79, 50)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    written = write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    clean = dcmread(tmp_path / "clean.dcm").pixel_array
    assert not clean[:, text].any()
    assert not clean[:, :8].any()
    assert not clean[:, :, 80:].any()
    assert (clean[:, 20:40, 30:60] == scene[:, 20:40, 30:60]).all()
    assert written.region == Box(16, 8, 64, 43)


@pytest.mark.parametrize("coloured", [False, True])
def test_marks_inside_the_region_are_black(coloured, scene, make, tmp_path):
    frames, text = with_text(scene, (30, 20))
    if coloured:
        frames = np.repeat(frames[..., None], 3, axis=-1)
        frames[:, 20:30, 20:30, 0] = 250
    source = make.saved(tmp_path / "source.dcm", make.ultrasound(frames))
    keep = kept_pixels((96, 64), Box(16, 8, 64, 48), marks=text[8:56, 16:80])
    written = write_deidentified(source, tmp_path / "clean.dcm", key=KEY, keep=keep)
    clean = dcmread(tmp_path / "clean.dcm").pixel_array
    assert not clean[:, text].any()
    assert written.masked_px == text.sum()
    assert written.coloured is coloured
    shown = keep & ~text
    assert (clean[:, shown] == frames[:, shown]).all()


@pytest.mark.parametrize(
    ("container", "codec", "pix_fmt"), [("avi", "mjpeg", "yuvj420p"), ("mp4", "libx264", "yuv420p")]
)
def test_a_videos_metadata_do_not_survive(container, codec, pix_fmt, scene, make, tmp_path):
    source = make.video(
        tmp_path / f"{NAME}.{container}",
        scene,
        container=container,
        codec=codec,
        pix_fmt=pix_fmt,
        title=NAME,
        comment=MRN,
    )
    assert leaks(source.read_bytes())
    keep = kept_pixels((96, 64), Box(16, 8, 64, 48))
    write_deidentified(source, tmp_path / "clean.dcm", key=KEY, keep=keep)
    assert leaks((tmp_path / "clean.dcm").read_bytes()) == []


def test_a_stills_exif_does_not_survive(scene, make, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = NAME  # ImageDescription
    content = BytesIO()
    Image.fromarray(scene[0]).save(content, "JPEG", exif=exif, comment=NAME.encode())
    (tmp_path / "still.jpg").write_bytes(content.getvalue())
    assert leaks(content.getvalue())
    write_deidentified(tmp_path / "still.jpg", tmp_path / "clean.dcm", key=KEY, keep=np.ones((64, 96), bool))
    assert leaks((tmp_path / "clean.dcm").read_bytes()) == []
    assert dcmread(tmp_path / "clean.dcm").SOPClassUID == SecondaryCaptureImageStorage


def test_a_cine_whose_region_nothing_tells_is_not_written(make, tmp_path):
    still = np.full((6, 64, 96), 90, np.uint8)
    source = make.saved(tmp_path / "source.dcm", make.ultrasound(still))
    with pytest.raises(Refused, match="no scanned region is stated or can be found"):
        write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert list(tmp_path.iterdir()) == [source]


def test_a_region_that_is_the_whole_frame_is_not_believed(make, tmp_path):
    dataset = make.ultrasound(np.full((6, 64, 96), 90, np.uint8))
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(0, 0, 95, 63)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    with pytest.raises(Refused, match="nothing tells the patient's name from tissue"):
        write_deidentified(source, tmp_path / "clean.dcm", key=KEY)


def test_one_frame_is_not_called_cleaned(scene, make, tmp_path):
    dataset = make.ultrasound(scene[:1])
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(*REGION)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    written = write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert not written.pixels_cleaned
    assert "too little moves to tell text" in " ".join(written.notes)
    clean = dcmread(tmp_path / "clean.dcm")
    assert clean.BurnedInAnnotation == "YES"
    assert "113101" not in [code.CodeValue for code in clean.DeidentificationMethodCodeSequence]


def test_a_cine_that_moves_is_called_cleaned(make, tmp_path):
    dataset = make.ultrasound(np.random.default_rng(1).integers(20, 120, (12, 64, 96)).astype(np.uint8))
    dataset.SequenceOfUltrasoundRegions = Sequence([make.region(*REGION)])
    source = make.saved(tmp_path / "source.dcm", dataset)
    assert write_deidentified(source, tmp_path / "clean.dcm", key=KEY).pixels_cleaned
    clean = dcmread(tmp_path / "clean.dcm")
    assert clean.BurnedInAnnotation == "NO"
    assert "113101" in [code.CodeValue for code in clean.DeidentificationMethodCodeSequence]


def test_a_full_disk_leaves_nothing_and_says_so(scene, make, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    source = leaky(tmp_path / "source.dcm", lambda dataset: None, scene, make)
    monkeypatch.setattr("alnus.media.identity.writing.blacken", full)
    with pytest.raises(MediaError, match=r"clean\.dcm: cannot be written \(No space left on device\)"):
        write_deidentified(source, tmp_path / "clean.dcm", key=KEY)
    assert list(tmp_path.iterdir()) == [source]
