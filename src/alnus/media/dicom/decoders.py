"""One named decoder for each kind of code stream, never "whichever is installed".

They differ in speed, in exactness and in what they do to bombs; so a stream's own header is held against the file's
before a decoder sees it. The kind is told by the stream: files exist that state another JPEG than they hold.
Source: DICOM PS3.5 8.2 and A.4, annex G (RLE).
"""

from __future__ import annotations

import itertools
from io import BytesIO
from typing import Any

import jpeg_ls
import numpy as np
from libjpeg import utils as libjpeg
from numpy.typing import NDArray
from openjpeg import utils as openjpeg
from PIL import Image
from pydicom import uid

from alnus.media.colour import Pixels
from alnus.media.dicom.codestream import CodeStream, StreamKind, is_ended
from alnus.media.dicom.layout import Layout
from alnus.media.jpeg import Place, has_luma, jpeg_luma
from alnus.media.refusal import COPY_AGAIN, Refused

Samples = NDArray[np.uint8 | np.uint16]

NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)

STREAM_KINDS: dict[str, tuple[StreamKind, ...]] = {
    uid.JPEGBaseline8Bit: ("jpeg",),
    uid.JPEGExtended12Bit: ("jpeg12", "jpeg"),
    uid.JPEGLossless: ("jpeg-lossless",),
    uid.JPEGLosslessSV1: ("jpeg-lossless",),
    uid.JPEGLSLossless: ("jpeg-ls",),
    uid.JPEGLSNearLossless: ("jpeg-ls",),
    uid.JPEG2000Lossless: ("jpeg2000",),
    uid.JPEG2000: ("jpeg2000",),
    uid.HTJ2KLossless: ("jpeg2000",),
    uid.HTJ2KLosslessRPCL: ("jpeg2000",),
    uid.HTJ2K: ("jpeg2000",),
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

_MOST_J2K_SAMPLES = 50_000_000  # OpenJPEG holds 8 bytes for each, and 6 KB for each tile
_MOST_TILES = 4096
_FREE_PIXELS, _MOST_PIXELS_A_BYTE = 4_000_000, 2_000  # baseline JPEG has at most 256 a byte, JPEG-LS of black 8,000
_RLE_HEAD_BYTES = 64


def is_supported(syntax: str) -> bool:
    """Tell whether a transfer syntax is read."""
    return syntax in NATIVE or syntax in STREAM_KINDS or syntax in VIDEO_SYNTAXES or syntax == uid.RLELossless


def check_stream(stream: CodeStream, layout: Layout, number: int, frame: bytes) -> None:
    """Hold what a code stream states against the header before it is decoded. number: of the frame, from 1.

    CharLS up to 2.4 looks for bits for 10 s and more where JPEG-LS ends too early (team-charls/charls, pull request
    334), so its end is asked for. Damage inside a stream can still do that: `open_guarded` and ingestion end it.
    """
    length = len(frame)
    if (stream.width, stream.height) != (layout.width, layout.height):
        raise Refused(
            f"frame {number} is coded as {stream.width}x{stream.height} pixels, "
            f"but the header states {layout.width}x{layout.height}"
        )
    if stream.components not in (1, 3) or not 2 <= stream.precision <= 16:
        raise Refused(f"frame {number} is coded with {stream.components} samples of {stream.precision} bits a pixel")
    if stream.is_signed:
        raise Refused("its pixels are signed; ultrasound's are not")
    pixels = stream.width * stream.height
    if pixels > _FREE_PIXELS and pixels > _MOST_PIXELS_A_BYTE * length:
        raise Refused(f"frame {number} states {pixels} pixels in {length} bytes")
    if stream.kind == "jpeg-ls" and not is_ended(frame):
        raise Refused(f"frame {number} is cut: the end of its code stream is not there; {COPY_AGAIN}")
    if stream.kind == "jpeg2000":
        samples = pixels * stream.components
        if samples > _MOST_J2K_SAMPLES or not 1 <= stream.tiles <= _MOST_TILES:
            raise Refused(
                f"frame {number} is coded in {stream.tiles} tiles of {samples} samples in all, too many to read"
            )


def decoded(frame: bytes, stream: CodeStream, *, luma_only: bool, place: Place) -> Samples:
    """Return the samples of a code stream, (H, W) or (H, W, 3), in the colour space of the stream.

    luma_only: of a stream in YCbCr, (H, W) may be returned, its first component. place: given (H, W), the memory for
    such a frame, where one is decoded into it. Raises what its decoder raises.
    """
    if stream.kind == "jpeg":
        if has_luma(stream) and (luma_only or stream.components == 1):
            return jpeg_luma(frame, place(stream.height, stream.width))
        return _by_pillow(frame, stream, luma_only)
    if stream.kind == "jpeg-ls":
        return _by_pyjpegls(frame, stream)
    if stream.kind == "jpeg2000":
        data: Any = openjpeg.decode_pixel_data(frame, version=2)
    else:
        data = libjpeg.decode_pixel_data(frame, version=2)
    return _shaped(data, stream)


def _by_pillow(frame: bytes, stream: CodeStream, luma_only: bool) -> Samples:
    image: Any = Image.open(BytesIO(frame), formats=("JPEG",))
    if stream.is_ycc:
        image.draft("L" if luma_only else "YCbCr", image.size)  # without it Pillow converts to RGB
    return np.asarray(image)


def _by_pyjpegls(frame: bytes, stream: CodeStream) -> Samples:
    data, info = jpeg_ls.decode_pixel_data(frame)
    is_by_plane = stream.components > 1 and info["interleave_mode"] == 0
    return _shaped(data, stream, is_by_plane=is_by_plane)


def _shaped(data: bytes | bytearray, stream: CodeStream, *, is_by_plane: bool = False) -> Samples:
    samples: Samples = np.frombuffer(data, np.uint8 if stream.precision <= 8 else np.dtype("<u2"))
    if stream.components == 1:
        return samples.reshape(stream.height, stream.width)
    if is_by_plane:
        return samples.reshape(3, stream.height, stream.width).transpose(1, 2, 0)
    return samples.reshape(stream.height, stream.width, 3)


def unpacked_rle(frame: bytes, layout: Layout, number: int) -> Samples:
    """Return the samples of an RLE frame, (H, W) or (H, W, 3). Raises Refused. Source: PS3.5 annex G.

    A segment holds one byte of one sample of every pixel, the upper byte first.
    """
    octets = layout.allocated // 8
    segments = _rle_segments(frame, layout.samples * octets, number)
    pixels = layout.width * layout.height
    planes = np.empty((layout.samples, octets, pixels), np.uint8)
    for index, segment in enumerate(segments):
        planes[index // octets, index % octets] = _unpacked(segment, pixels, number)
    values: Any = planes[:, 0] if octets == 1 else planes.transpose(0, 2, 1).copy().view(">u2")[..., 0]
    by_plane: Samples = values.astype(np.uint8 if octets == 1 else np.uint16, copy=False)
    if layout.samples == 1:
        return by_plane.reshape(layout.height, layout.width)
    return by_plane.reshape(3, layout.height, layout.width).transpose(1, 2, 0)


def _rle_segments(frame: bytes, expected: int, number: int) -> list[bytes]:
    """Split a frame at the offsets of its header, which must rise from the header's end to the frame's."""
    words = np.frombuffer(frame[:_RLE_HEAD_BYTES], "<u4") if len(frame) >= _RLE_HEAD_BYTES else np.zeros(1, "<u4")
    if words[0] != expected:
        raise Refused(f"frame {number} is damaged: it has {words[0]} RLE segments, not {expected}; {COPY_AGAIN}")
    bounds = [*(int(offset) for offset in words[1 : expected + 1]), len(frame)]
    if bounds[0] < _RLE_HEAD_BYTES or any(before > after for before, after in itertools.pairwise(bounds)):
        raise Refused(f"frame {number} is damaged: its RLE segments lie outside it; {COPY_AGAIN}")
    return [frame[before:after] for before, after in itertools.pairwise(bounds)]


def _unpacked(segment: bytes, pixels: int, number: int) -> Pixels:
    """Undo the PackBits coding of a segment with Pillow's decoder, which goes no further than it is asked.

    To it the segment is one long row: encoders exist whose runs cross the rows of the image.
    """
    try:
        row: Pixels = np.asarray(Image.frombytes("L", (pixels, 1), segment, "packbits", "L"))[0]
    except ValueError:
        raise Refused(
            f"frame {number} is damaged: an RLE segment holds less than its {pixels} bytes; {COPY_AGAIN}"
        ) from None
    return row
