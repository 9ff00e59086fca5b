"""DICOM pixel data to frames: one named decoder for each transfer syntax, each code stream measured first.

Source: DICOM PS3.5 8.2 and A.4 (encapsulated formats), PS3.3 C.7.6.3.1.2 (photometric interpretation);
ITU-T T.81 B.2.2 and T.87 C.2.2 (JPEG and JPEG-LS frame headers), T.800 A.5.1 (JPEG 2000 SIZ).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, generate_frames, parse_basic_offsets
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut

from alnus.media.colour import Pixels, Space, in_colours
from alnus.media.containers import HEAD_BYTES, VIDEOS, sniffed
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Colours, Opened
from alnus.media.refusal import Refused
from alnus.media.video import open_stream

# The plugin by name, never "whichever is installed": they differ in speed, exactness and in what they do to bombs.
DECODERS: dict[str, str] = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.DeflatedExplicitVRLittleEndian: "",
    uid.RLELossless: "pydicom",
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pylibjpeg",
    uid.JPEGLossless: "pylibjpeg",
    uid.JPEGLosslessSV1: "pylibjpeg",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
}

# The bare bit stream that the syntax names; many files wrap it in a program or transport stream or an MP4.
VIDEO_SYNTAXES: dict[str, str] = {
    uid.MPEG2MPML: "mpegvideo",
    uid.MPEG2MPMLF: "mpegvideo",
    uid.MPEG2MPHL: "mpegvideo",
    uid.MPEG2MPHLF: "mpegvideo",
    uid.MPEG4HP41: "h264",
    uid.MPEG4HP41F: "h264",
    uid.MPEG4HP41BD: "h264",
    uid.MPEG4HP41BDF: "h264",
    uid.MPEG4HP422D: "h264",
    uid.MPEG4HP422DF: "h264",
    uid.MPEG4HP423D: "h264",
    uid.MPEG4HP423DF: "h264",
    uid.MPEG4HP42STEREO: "h264",
    uid.MPEG4HP42STEREOF: "h264",
    uid.HEVCMP51: "hevc",
    uid.HEVCM10P51: "hevc",
}

_UNDEFINED = 0xFFFFFFFF  # length of an element that ends with a delimiter (PS3.5 7.1.1)

_SPACES: dict[str, Space] = {
    "MONOCHROME1": "grey",
    "MONOCHROME2": "grey",
    "RGB": "rgb",
    "YBR_FULL": "ycc",
    "YBR_FULL_422": "ycc",
    "YBR_ICT": "rgb",  # the decoder has undone the transform, which belongs to JPEG 2000
    "YBR_RCT": "rgb",
}


def video_stream(dataset: Dataset, syntax: str, *, limits: DecodeLimits, colours: Colours, threads: int) -> Opened:
    """Open the video that a data set encapsulates (PS3.5 8.2.5 to 8.2.11). Raises Refused."""
    data = b"".join(_fragments(dataset))
    kind = sniffed(data[:HEAD_BYTES])
    container = kind if kind in VIDEOS else VIDEO_SYNTAXES[syntax]
    return open_stream(BytesIO(data), container, limits=limits, colours=colours, threads=threads)


def decoded_frames(dataset: Dataset, syntax: str, count: int, colours: Colours, notes: list[str]) -> Iterator[Pixels]:
    """Yield `count` frames, (H, W) or (H, W, 3). Raises Refused where the pixel data are not what the header says."""
    if str(dataset.get("PixelRepresentation", 0)) != "0":
        raise Refused("its pixels are signed; ultrasound's are not")
    if uid.UID(syntax).is_encapsulated:
        _check_streams(dataset, count)
    else:
        _check_length(dataset, count)
    to_bytes = _depth_change(dataset, notes)
    palette = _palette(dataset)
    decoder = get_decoder(uid.UID(syntax))
    for array, meta in decoder.iter_array(dataset, raw=True, decoding_plugin=DECODERS[syntax]):
        photometric = str(meta["photometric_interpretation"])
        if palette is not None:
            yield in_colours(palette[array], "rgb", colours)
        elif photometric not in _SPACES:
            raise Refused("its photometric interpretation is not supported")
        else:
            pixels = to_bytes(array)
            yield in_colours(255 - pixels if photometric == "MONOCHROME1" else pixels, _SPACES[photometric], colours)


def _check_length(dataset: Dataset, count: int) -> None:
    """Hold the length of native pixel data against the header (PS3.5 8.1.1): NumberOfFrames may lie either way."""
    bits, samples = int(dataset.BitsAllocated), int(dataset.SamplesPerPixel)
    pixels = dataset.Rows * dataset.Columns
    frame_bytes = pixels * samples * bits // 8
    if str(dataset.PhotometricInterpretation) == "YBR_FULL_422":
        frame_bytes = pixels * 2  # two luma samples share each chroma pair
    ends_early = is_cut(dataset.get_item("PixelData"))
    actual = len(dataset.PixelData or b"")
    if ends_early and actual < frame_bytes * count:
        raise Refused(
            f"the file is cut: only {actual // frame_bytes} of {count} frames are there; copy it again from its source"
        )
    if actual < frame_bytes * count or (frame_bytes and actual >= frame_bytes * (count + 1)):
        raise Refused(
            f"its NumberOfFrames is {count}, but its pixel data hold {actual / max(frame_bytes, 1):.4g} frames"
        )


def is_cut(element: Any) -> bool:
    """Tell whether an element that is not decoded yet is shorter than the length that it states."""
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
        return False
    return len(element.value or b"") < element.length


def _check_streams(dataset: Dataset, count: int) -> None:
    """Hold the number of code streams and the size that each states against the header, before decoding any."""
    starts = sum(fragment.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")) for fragment in _fragments(dataset))
    frames = list(generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=_offsets(dataset)))
    found = max(starts, len(frames)) if starts else len(frames)
    if found != count:
        raise Refused(f"its NumberOfFrames is {count}, but its pixel data hold {found} frames")
    stated = (dataset.Columns, dataset.Rows)
    for number, frame in enumerate(frames, start=1):
        size = codestream_size(frame)
        if size is not None and size != stated:
            raise Refused(
                f"frame {number} is coded as {size[0]}x{size[1]} pixels, but the header states {stated[0]}x{stated[1]}"
            )


def _fragments(dataset: Dataset) -> Iterator[bytes]:
    """Yield the fragments of encapsulated pixel data; the first item, the offset table, is none (PS3.5 A.4)."""
    buffer = BytesIO(dataset.PixelData)
    parse_basic_offsets(buffer)
    return generate_fragments(buffer)


def _offsets(dataset: Dataset) -> tuple[bytes, bytes] | None:
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        return dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
    return None


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """Return the (width, height) that a JPEG, JPEG-LS or JPEG 2000 code stream states; None where it is none."""
    if frame.startswith(b"\xff\xd8"):
        return _jpeg_size(frame)
    start = frame.find(b"\xff\x4f\xff\x51", 0, 1024)  # a JP2 wrapper, which DICOM forbids but some write, is short
    if start >= 0 and len(frame) >= start + 24:
        x1, y1, x0, y0 = (int.from_bytes(frame[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
        return x1 - x0, y1 - y0
    return None


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Walk the marker segments to the frame header, SOF0-15 or JPEG-LS's SOF55."""
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):  # not DHT, JPG, DAC
            return int.from_bytes(frame[at + 7 : at + 9], "big"), int.from_bytes(frame[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _depth_change(dataset: Dataset, notes: list[str]) -> Callable[[Any], Pixels]:
    """Return what brings stored samples to 8 bits: the upper eight of more, fewer spread upwards."""
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise Refused(f"its pixels have {stored} of {allocated} bits; 8 and 16 are read")
    if stored > 8:
        notes.append(f"pixels of {stored} bits, of which the upper 8 are kept")
        return lambda array: (array >> (stored - 8)).astype(np.uint8)
    return lambda array: (array << (8 - stored)).astype(np.uint8) if stored < 8 else array.astype(np.uint8, copy=False)


def _palette(dataset: Dataset) -> Pixels | None:
    """Return the colour of each stored value (values, 3) of a PALETTE COLOR image (PS3.3 C.7.6.3.1.5), else None."""
    if str(dataset.PhotometricInterpretation) != "PALETTE COLOR":
        return None
    depth = np.uint8 if int(dataset.BitsAllocated) == 8 else np.uint16
    table = apply_color_lut(np.arange(1 << int(dataset.BitsAllocated), dtype=depth), dataset)
    if table.dtype != np.uint8 and table.max() > 255:  # 16-bit entries; some files state 16 bits and use 8
        table = table >> 8
    return np.ascontiguousarray(table.astype(np.uint8))
