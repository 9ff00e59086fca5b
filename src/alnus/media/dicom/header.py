"""The header of a DICOM file: only the elements that Alnus uses are read, and the pixel data are only located.

Source: DICOM PS3.5 7.1 (elements), A.4 (encapsulation), A.5 (deflation); PS3.10 7.1 (file meta information).
A patient's name is never read at all: it is not among the elements.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.config import IGNORE
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from alnus.media.dicom.source import Header, Inflated, Source, Stored
from alnus.media.limits import DecodeLimits
from alnus.media.refusal import COPY_AGAIN, CORRECT, EXPORT_AGAIN, Refused

CUT = "the file is cut: it ends inside its {}; " + COPY_AGAIN
CUT_BEFORE_PIXELS = "the file is cut, or its pixel data were taken out; " + COPY_AGAIN
NOT_NATIVE = f"its transfer syntax says uncompressed, but its pixel data are not; {EXPORT_AGAIN}"
UNDEFINED = 0xFFFFFFFF  # length of an element that ends with a delimiter (PS3.5 7.1.1)

_META_START = 132  # preamble and "DICM", PS3.10 7.1
_META_GROUP = 2
_COLUMNS = 0x00280011
_PIXEL_DATA = 0x7FE00010
_PIXELS = (0x7FE00008, 0x7FE00009, _PIXEL_DATA)  # floating point, double, and what is read
_MOST_SEQUENCE_BYTES = 64 << 20
_SHORT_HEAD, _LONG_HEAD = 8, 12
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN")

_USED = """
    SOPClassUID Modality Manufacturer SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames
    Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation PixelSpacing LossyImageCompression
    FrameTime FrameTimeVector CineRate RecommendedDisplayFrameRate ActualFrameDuration StartTrim StopTrim
    SequenceOfUltrasoundRegions SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence ExtendedOffsetTable
    RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
    RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
    SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
    SegmentedBluePaletteColorLookupTableData
"""
_TAGS: list[Any] = [Tag(keyword) for keyword in _USED.split()]


@dataclass(frozen=True)
class DicomFile:
    """A file whose header is read.

    header: the elements that Alnus uses. syntax: transfer syntax UID, "" where the file does not state one.
    pixels_at: offset of the first byte of the pixel data in `source`, None where there are none.
    pixels_length: as stated, None where undefined (encapsulated). pixels_are_words: their VR is OW.
    """

    header: Dataset
    syntax: str
    source: Stored | Inflated
    is_little_endian: bool
    pixels_at: int | None
    pixels_length: int | None
    pixels_are_words: bool
    is_short: bool


def read_header(path: Path, limits: DecodeLimits) -> DicomFile:
    """Read a file's header up to its pixel data. Raises Refused where it is cut, damaged or absurd."""
    stored = Stored(path)
    source: Stored | Inflated = stored
    try:
        syntax, start = _stated_syntax(stored)
        if syntax == DeflatedExplicitVRLittleEndian:
            stored.seek(start)
            source = Inflated(stored, most_bytes=limits.max_inflated_bytes)
            reading = Header(source)
            header = read_dataset(reading, False, True, stop_when=_at_pixels, specific_tags=_TAGS)  # type: ignore[arg-type]  # it needs no more of a stream
            implicit, little = False, True
        else:
            reading = Header(source)
            header = pydicom.dcmread(reading, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            implicit, little = (bool(flag) for flag in header.original_encoding)
    except MemoryError:
        raise
    except Exception as error:  # pydicom raises many kinds over a malformed header
        raise _verdict(error) from None
    is_short = reading.is_short or _ends_inside_an_element(header) or (isinstance(source, Inflated) and source.is_cut)
    at, length, is_words = _pixel_element(source, implicit=implicit, little=little)
    if not syntax:
        syntax = _guessed_syntax(length, implicit=implicit, little=little)
    return DicomFile(header, syntax, source, little, at, length, is_words, is_short)


def _verdict(error: Exception) -> Refused:
    """Return what an exception over a header means; pydicom wraps the first cause in others."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Refused):
            return cause
        if isinstance(cause, RecursionError):
            return Refused(f"its sequences are nested too deeply; {EXPORT_AGAIN}")
        if isinstance(cause, struct.error | EOFError):  # an element's own length or its delimiter is not there
            return Refused(CUT.format("header"))
        cause = cause.__context__
    return Refused(f"its header is damaged ({type(error).__name__}); {EXPORT_AGAIN}")


def value_of(dataset: Dataset, keyword: str, *, most_bytes: int = 4096) -> Any:
    """Return an element's value, None where it is absent. Raises where it is malformed, or longer than it can be.

    A list of a hundred million numbers would take gigabytes once it is decoded.
    """
    if keyword not in dataset:
        return None
    element = dataset.get_item(keyword)
    if isinstance(element, RawDataElement) and len(element.value or b"") > most_bytes:
        raise ValueError("too long")
    return dataset.get(keyword)


def number_of(header: Dataset, keyword: str, default: int | None = None) -> int:
    """Return an integer element. Raises Refused, naming the element, where it is no integer or absent."""
    try:
        value = value_of(header, keyword)
        if value is None or value == "":
            value = default
        return int(value)
    except Exception:  # pydicom raises many kinds over a malformed element
        raise Refused(f"its {keyword} is absent or not a number; {CORRECT}") from None


def text_of(header: Dataset, keyword: str) -> str:
    """Return an element's value as text for comparison, "" where it is absent or broken. Never for a message."""
    try:
        value = value_of(header, keyword)
        return "" if value is None else str(value).strip()
    except Exception:  # as above
        return ""


def items_of(header: Dataset, keyword: str) -> list[Dataset]:
    """Return a sequence's items, [] where it is absent or cannot be read."""
    try:
        return list(value_of(header, keyword, most_bytes=_MOST_SEQUENCE_BYTES) or [])
    except Exception:  # as above; RecursionError too
        return []


def checked_size(file: DicomFile, limits: DecodeLimits) -> tuple[int, int, int]:
    """Return (frames, columns, rows) as stated. Raises Refused where they are absent, absurd or too large."""
    header = file.header
    if "Columns" not in header or "Rows" not in header:
        if file.is_short or _ends_early(header):
            raise Refused(CUT.format("header"))
        raise Refused("it holds no image: a report, a directory or another object without pixels; leave it out")
    if file.is_short and file.pixels_at is None:
        raise Refused(CUT.format("header"))
    width, height = number_of(header, "Columns"), number_of(header, "Rows")
    count = number_of(header, "NumberOfFrames", default=1)
    limits.check_size(width, height)
    if count < 1:
        raise Refused(f"its NumberOfFrames is {count}; {CORRECT}")
    limits.check_count(count, width, height)
    if file.pixels_at is None:
        raise Refused(CUT_BEFORE_PIXELS)
    return count, width, height


def _stated_syntax(stored: Stored) -> tuple[str, int]:
    """Return the transfer syntax of the file meta information, "" where it is not there, and where the data set begins.

    The source is left at its start.
    """
    start = _META_START if stored.read(_META_START)[128:] == b"DICM" else 0
    stored.seek(start)
    meta = Dataset()
    if stored.read(2) == b"\x02\x00":
        stored.seek(start)
        meta = read_dataset(Header(stored), False, True, stop_when=_after_meta)  # type: ignore[arg-type]  # it needs no more of a stream
        start = stored.tell()
    stored.seek(0)
    return text_of(meta, "TransferSyntaxUID").strip("\0 "), start


def _after_meta(tag: int, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != _META_GROUP


def _at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
    return tag in _PIXELS


def _pixel_element(source: Source, *, implicit: bool, little: bool) -> tuple[int | None, int | None, bool]:
    """Return (offset of the pixel data, stated length, whether they are words); pydicom stopped before them."""
    head = source.read(_SHORT_HEAD)
    if len(head) < _SHORT_HEAD:
        return None, None, False
    order = "<" if little else ">"
    group, element = struct.unpack(order + "HH", head[:4])
    if (group << 16 | element) != _PIXEL_DATA:
        if (group << 16 | element) in _PIXELS:
            raise Refused("its pixels are floating-point numbers; ultrasound's are not")
        return None, None, False
    is_words = implicit or head[4:6] == b"OW"
    if not implicit and head[4:6] in _LONG_VRS:
        head = source.read(_LONG_HEAD - _SHORT_HEAD)
        if len(head) < _LONG_HEAD - _SHORT_HEAD:
            raise Refused(CUT.format("pixel data"))
    length = int(struct.unpack(order + "L", head[-4:])[0])
    return source.tell(), None if length == UNDEFINED else length, is_words


def _guessed_syntax(length: int | None, *, implicit: bool, little: bool) -> str:
    """Return the native syntax that a data set without file meta information is written in, "" where encapsulated."""
    if length is None:
        return ""
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _ends_inside_an_element(header: Dataset) -> bool:
    """Tell whether the file ends inside an element that was read: pydicom keeps what is there of it."""
    for tag in header.keys():  # noqa: SIM118  iterating the data set itself would decode each element
        element: Any = header.get_item(tag)
        is_raw = isinstance(element, RawDataElement) and element.length != UNDEFINED
        if is_raw and len(element.value or b"") < element.length:
            return True
    return False


def _ends_early(header: Dataset) -> bool:
    """Tell whether a file that states a class of images for itself (PS3.4 B.5) ends before its Columns."""
    meta = getattr(header, "file_meta", None) or Dataset()
    stated = text_of(meta, "MediaStorageSOPClassUID") or text_of(header, "SOPClassUID")
    is_of_images = str(UID(stated, validation_mode=IGNORE).name).endswith("Image Storage")
    return is_of_images and max(header.keys(), default=0) < _COLUMNS
