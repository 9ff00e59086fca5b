"""DICOM ultrasound: the header is read and checked before any pixel is decoded.

Source: DICOM PS3.3 C.7.6.3 (image pixel), PS3.5 A.5 (deflated), PS3.10 7.1 (file meta information).
No text of the header goes into a message or a note: it may name the patient.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from math import nan
from pathlib import Path
from typing import Any

import pydicom
from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from alnus.media.colour import Pixels
from alnus.media.dicom_geometry import tissue_region
from alnus.media.dicom_pixels import DECODERS, VIDEO_SYNTAXES, decoded_frames, is_cut, video_stream
from alnus.media.dicom_times import frame_times
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Colours, Opened
from alnus.media.refusal import Refused

PHANTOM_MANUFACTURER = "Alnus phantom"
_ULTRASOUND = ("US", "IVUS")
_META_END = 132  # preamble and "DICM", PS3.10 7.1
_COLUMNS, _PIXEL_DATA = 0x00280011, 0x7FE00010
_CUT = "the file is cut: it ends inside its {}; copy it again from its source"
_CUT_BEFORE_PIXELS = "the file is cut, or its pixel data were taken out; copy it again from its source"


def open_dicom(path: Path, *, limits: DecodeLimits, colours: Colours, threads: int) -> Opened:
    """Open a DICOM image or cine. Raises Refused; its frames raise Refused and Coloured."""
    dataset, syntax = _read(path, limits)
    count, width, height = _checked_size(dataset, limits)
    if "PixelData" not in dataset:
        raise Refused(_CUT_BEFORE_PIXELS)
    notes: list[str] = []
    region, spacing_mm = tissue_region(dataset, width, height, notes)
    times_s = frame_times(dataset, count)
    if syntax in VIDEO_SYNTAXES:
        opened = video_stream(dataset, syntax, limits=limits, colours=colours, threads=threads)
        opened.frames = _counted(opened.frames, count, times_s)
    else:
        frames = decoded_frames(dataset, syntax, count, colours, notes)
        opened = Opened("dicom", _timed(frames, times_s or [nan] * count))
    opened.kind = "dicom"
    notes.extend(opened.notes)
    opened.notes = notes
    opened.region, opened.spacing_mm = region, spacing_mm
    opened.phantom = text_of(dataset, "Manufacturer") == PHANTOM_MANUFACTURER
    if text_of(dataset, "Modality") not in _ULTRASOUND:
        opened.notes.append("the header states a modality other than ultrasound, or none")
    return opened


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return an element's value as text for comparison, "" where it is absent or broken. Never for a message."""
    try:
        return str(dataset.get(keyword, "")).strip()
    except Exception:  # pydicom raises many kinds over a malformed element
        return ""


def whole_number(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Return an integer element. Raises Refused, naming the element, where it is no integer or absent."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            value = default
        return int(value)
    except Exception:  # as above
        raise Refused(f"its {keyword} is absent or not a number") from None


def _read(path: Path, limits: DecodeLimits) -> tuple[Dataset, str]:
    """Return the data set and its transfer syntax; large bulk data are read only once the header is accepted."""
    syntax = _stated_syntax(path)
    if syntax == DeflatedExplicitVRLittleEndian:
        return _inflated(path, limits), syntax
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except struct.error:  # an element's own length is not there
        raise Refused(_CUT.format("header")) from None
    _check_whole(header)
    if syntax is None:
        implicit, little = header.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else explicit
    if syntax not in DECODERS and syntax not in VIDEO_SYNTAXES:
        raise Refused("its transfer syntax is not supported")
    _checked_size(header, limits)
    dataset = _with_pixels(path)
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset, syntax


def _with_pixels(path: Path) -> Any:
    """Return the data set whose header is accepted; pydicom loses all of it where encapsulated pixels have no end."""
    try:
        dataset = pydicom.dcmread(path, force=True)
    except struct.error:
        raise Refused(_CUT_BEFORE_PIXELS) from None
    if "Rows" not in dataset:
        raise Refused(_CUT.format("pixel data"))
    return dataset


def _check_whole(header: Dataset) -> None:
    """Refuse a file that ends inside an element before the pixel data: pydicom keeps what is there of it."""
    for tag in header.keys():  # noqa: SIM118  iterating the data set itself would decode each element
        element = header.get_item(tag)
        if tag < _PIXEL_DATA and is_cut(element):
            raise Refused(_CUT.format("header"))


def _stated_syntax(path: Path) -> str | None:
    with path.open("rb") as stream:
        if stream.read(_META_END)[128:] != b"DICM":
            return None
    return str(read_file_meta_info(path).get("TransferSyntaxUID", "")) or None


def _inflated(path: Path, limits: DecodeLimits) -> Dataset:
    """Read a deflated data set, measured before it is held in memory: a bomb inflates a thousandfold."""
    with path.open("rb") as stream:
        content = stream.read()
    start = _meta_length(content)
    inflater, total, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, content[start:]
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, 1 << 20))
        rest = inflater.unconsumed_tail
        if total > limits.max_inflated_bytes:
            raise Refused(f"it inflates to more than {limits.max_inflated_bytes} bytes")
    data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:])
    try:
        dataset = read_dataset(BytesIO(data), is_implicit_VR=False, is_little_endian=True)
    except struct.error:
        raise Refused(_CUT.format("header")) from None
    _check_whole(dataset)
    dataset.file_meta = read_file_meta_info(path)
    return dataset


def _meta_length(content: bytes) -> int:
    """Return where the data set begins: group 0002 states its own length first (PS3.10 7.1)."""
    if content[_META_END : _META_END + 8] != b"\x02\x00\x00\x00UL\x04\x00":
        raise Refused("its file meta information has no group length")
    return _META_END + 12 + int.from_bytes(content[_META_END + 8 : _META_END + 12], "little")


def _checked_size(dataset: Dataset, limits: DecodeLimits) -> tuple[int, int, int]:
    """Return (frames, columns, rows) as stated. Raises Refused where they are absent, absurd or too large."""
    if "Columns" not in dataset or "Rows" not in dataset:
        if _ends_early(dataset):
            raise Refused(_CUT.format("header"))
        raise Refused("it holds no image: a report, a directory or another object without pixels")
    width, height = whole_number(dataset, "Columns"), whole_number(dataset, "Rows")
    count = whole_number(dataset, "NumberOfFrames", default=1)
    limits.check_size(width, height)
    if count < 1:
        raise Refused(f"its NumberOfFrames is {count}")
    limits.check_count(count, width, height)
    return count, width, height


def _ends_early(dataset: Dataset) -> bool:
    """Tell whether a file that states a class of images for itself (PS3.4 B.5) ends before its Columns."""
    meta = getattr(dataset, "file_meta", None) or Dataset()
    stated = text_of(meta, "MediaStorageSOPClassUID") or text_of(dataset, "SOPClassUID")
    is_of_images = str(UID(stated, validation_mode=IGNORE).name).endswith("Image Storage")
    return is_of_images and max(dataset.keys(), default=0) < _COLUMNS


def _timed(frames: Iterator[Pixels], times_s: list[float]) -> Iterator[tuple[float, Pixels]]:
    yield from zip(times_s, frames, strict=True)


def _counted(
    frames: Iterator[tuple[float, Pixels]], count: int, times_s: list[float] | None
) -> Iterator[tuple[float, Pixels]]:
    """Give a video's frames the header's times, where it has them, and hold their number against the header's."""
    found = 0
    for found, (time_s, pixels) in enumerate(frames, start=1):
        if found > count:
            raise Refused(f"its NumberOfFrames is {count}, but its video has more frames")
        yield (times_s[found - 1] if times_s else time_s), pixels
    if found < count:
        raise Refused(f"its NumberOfFrames is {count}, but its video has {found} frames")
