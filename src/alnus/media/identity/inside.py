"""Identity in the structure of a file: DICOM elements off the list, bytes where none belong, metadata of media.

Source: DICOM PS3.10 7.1 (preamble, file meta information), PS3.5 8.1.1 (native pixel data); ITU-T T.81 B.2.4 (JPEG's
application and comment segments).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pydicom
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.uid import DeflatedExplicitVRLittleEndian

from alnus.media.identity.allowlist import ALLOWLIST
from alnus.media.identity.mapping import MAPPED_ROOT
from alnus.media.identity.rules import strangers
from alnus.media.identity.traces import Kind
from alnus.media.video import PHANTOM_MARK

Found = Iterator[tuple[str, Kind, str]]

_META = (
    "FileMetaInformationGroupLength",
    "FileMetaInformationVersion",
    "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID",
    "TransferSyntaxUID",
    "ImplementationClassUID",
    "ImplementationVersionName",
)
_DEFERRED = 1 << 16  # bytes; larger elements stay on disk until they are asked for
_UNDEFINED = 0xFFFFFFFF  # length of an element that ends with a delimiter (PS3.5 7.1.1)
_TECHNICAL = (  # keys of container metadata that a writing program fills by itself
    "encoder",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "handler_name",
    "vendor_id",
    "language",
    "duration",
    "software",
    "bps",
    "number_of_frames",
    "number_of_bytes",
)
_PICTURE_TEXT = ("comment", "exif", "xmp", "XML:com.adobe.xmp", "photoshop", "iptc", "icc_profile")
_PROGRAMS = ("Software",)


def dicom_finds(path: Path) -> Found:
    """Yield what a DICOM file holds that `deidentified` would not have left."""
    with path.open("rb") as stream:
        if any(stream.read(128)) and stream.read(4) == b"DICM":
            yield "preamble", "bytes", "*** (128 bytes, not all zero)"
    dataset = pydicom.dcmread(path, force=True, defer_size=_DEFERRED)
    meta = getattr(dataset, "file_meta", Dataset())
    for element in meta:
        if element.keyword not in _META:
            yield f"file meta information {element.tag}", "element", "***"
    if not str(meta.get("MediaStorageSOPInstanceUID", MAPPED_ROOT)).startswith(MAPPED_ROOT):
        yield "MediaStorageSOPInstanceUID", "uid", "*** (not a mapped UID)"
    pixels = dataset.get_item("PixelData", keep_deferred=True) if "PixelData" in dataset else None
    for place in strangers(dataset, ALLOWLIST):
        if place != "PixelData":
            yield place, "element", "***"
    if pixels is not None:
        yield from _pixel_finds(dataset, pixels)


def native_pixels(path: Path) -> tuple[int, int] | None:
    """Return where in a DICOM file uncompressed pixels begin and end; None where they are compressed or not there."""
    dataset = pydicom.dcmread(path, force=True, defer_size=_DEFERRED)
    pixels = dataset.get_item("PixelData", keep_deferred=True) if "PixelData" in dataset else None
    syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if (
        not isinstance(pixels, RawDataElement)
        or pixels.length == _UNDEFINED
        or syntax == DeflatedExplicitVRLittleEndian
    ):
        return None
    return pixels.value_tell, pixels.value_tell + pixels.length


def _pixel_finds(dataset: Dataset, pixels: object) -> Found:
    """Look behind native pixels, and at the comments of JPEG code streams."""
    if dataset.file_meta.get("TransferSyntaxUID") is None or not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        length = pixels.length if isinstance(pixels, RawDataElement) else len(dataset.PixelData)
        bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
        expected = bits // 8 * int(dataset.get("NumberOfFrames") or 1)
        if length > expected + expected % 2:
            yield "after the pixels", "bytes", f"*** ({length - expected} bytes)"
        if dataset.BitsStored < dataset.BitsAllocated:
            yield "BitsStored", "bytes", "bits above those stored may hold anything"
        return
    for number, fragment in enumerate(generate_fragments(dataset.PixelData)):
        if _has_jpeg_comment(fragment):
            yield f"code stream {number}", "metadata", "*** (comment or application segment)"


def _has_jpeg_comment(stream: bytes) -> bool:
    """Tell whether a JPEG stream has a comment, or an application segment other than JFIF's, JPEG-LS's and Adobe's."""
    at = 2
    while stream[:2] == b"\xff\xd8" and at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] != 0xDA:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        body = stream[at + 4 : at + 2 + length]
        if marker == 0xFE or (0xE1 <= marker <= 0xEF and not body.startswith((b"Adobe", b"mrfx"))):
            return True
        at += 2 + length
    return False


def container_finds(path: Path, container: str) -> Found:
    """Yield the metadata of a video's container and streams, but what programs write about themselves."""
    with av.open(f"file:{path.absolute()}", format=container, metadata_errors="replace") as media:
        for place, metadata in [
            ("container", media.metadata),
            *((f"stream {s.index}", s.metadata) for s in media.streams),
        ]:
            for key, value in metadata.items():
                if key.lower() not in _TECHNICAL and PHANTOM_MARK not in str(value):
                    yield f"{place} metadata", "metadata", f"*** ({len(str(value))} characters)"


def still_finds(path: Path) -> Found:
    """Yield EXIF, XMP, comments and text chunks of a still."""
    with Image.open(path) as picture:
        picture.load()  # PNG's text may follow the pixels
        texts = {**picture.info, **getattr(picture, "text", {})}
        for key, value in texts.items():
            if key in _PICTURE_TEXT or (isinstance(value, str) and key not in _PROGRAMS):
                yield "picture metadata", "metadata", f"*** ({len(value)} characters or bytes)"
        if len(picture.getexif()):
            yield "picture EXIF", "metadata", f"*** ({len(picture.getexif())} entries)"
