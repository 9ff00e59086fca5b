"""What a compressed frame says of itself in its first bytes: its kind, its size and its colour space.

Source: ITU-T T.81 B.2.2 (JPEG frame header), T.87 C.2.2 (JPEG-LS), T.871 (JFIF), T.800 A.5.1 and A.6.1 (JPEG 2000 SIZ
and COD), T.814 A.2 (HTJ2K CAP); Adobe TN 5116 (APP14, its colour transform).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

StreamKind = Literal["jpeg", "jpeg12", "jpeg-lossless", "jpeg-ls", "jpeg2000"]

J2K_MAGIC = b"\xff\x4f\xff\x51"
JP2_MAGIC = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # a wrapper that DICOM forbids (PS3.5 A.4.4) and some write
JPEG_MAGIC = b"\xff\xd8\xff"
MAGICS = (JPEG_MAGIC, J2K_MAGIC, JP2_MAGIC)

_JP2_SEARCHED = 4096  # bytes: the boxes before the code stream
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # DHT, JPG and DAC lie among the markers of frame headers, 0xC0 to 0xCF
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
_JPEG_LS = 0xF7
_ADOBE_BYTES = 14  # a shorter segment of that name has no transform; libjpeg leaves it out too
_BY_LENGTH = frozenset((0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)))  # DHT, DQT, DRI, COM and the APPn
_START_OF_SCAN, _APP0, _APP14 = 0xDA, 0xE0, 0xEE
_END_OF_IMAGE, _PADDING_BYTES = b"\xff\xd9", 64
_COD, _SOT = 0xFF52, 0xFF90


@dataclass(frozen=True)
class CodeStream:
    """A frame's own header.

    space: "rgb" or "ycc" where the stream says so by a marker, its components' names or its transform.
    is_taken_for_rgb: libjpeg would give its samples out untransformed. tiles: of JPEG 2000, else 1.
    is_plain: of JPEG, before the frame header lie only segments that every reader goes over by their length: whoever
    decodes it finds this frame header.
    """

    kind: StreamKind
    width: int
    height: int
    components: int
    precision: int
    space: Literal["rgb", "ycc"] | None = None
    is_taken_for_rgb: bool = False
    tiles: int = 1
    is_signed: bool = False
    is_plain: bool = False
    head_bytes: int = 0
    """Of JPEG, the bytes up to the end of the frame header: what is said here is said there."""

    @property
    def is_ycc(self) -> bool:
        """Whether libjpeg takes a JPEG's samples for YCbCr."""
        return self.components == 3 and not self.is_taken_for_rgb


class Parser:
    """`parsed` for frames of which one begins as the one before, as those of a JPEG cine do: that is read once."""

    def __init__(self) -> None:
        """Start with the first frame."""
        self._head = b""
        self._stream: CodeStream | None = None

    def __call__(self, frame: bytes) -> CodeStream | None:
        """Return what `parsed` does."""
        if self._stream is None or not self._head or not frame.startswith(self._head):
            self._stream = parsed(frame)
            self._head = b"" if self._stream is None else frame[: self._stream.head_bytes]
        return self._stream


def parsed(frame: bytes) -> CodeStream | None:
    """Return what a JPEG, JPEG-LS or JPEG 2000 code stream states; None where it is none of them, or is damaged."""
    try:
        if frame.startswith(b"\xff\xd8"):
            return _jpeg(frame)
        if frame.startswith(MAGICS[1:]):
            start = frame.find(J2K_MAGIC, 0, _JP2_SEARCHED)
            return _jpeg2000(frame, start) if start >= 0 else None
    except IndexError:  # the stream ends inside its header
        return None
    return None


def is_ended(frame: bytes) -> bool:
    """Tell whether a JPEG or JPEG-LS stream's end is marked (EOI); a pad byte or a few may follow it."""
    return frame.rfind(_END_OF_IMAGE, -_PADDING_BYTES) >= 0


def _number(data: bytes, at: int, octets: int) -> int:
    if at + octets > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + octets], "big")


def _jpeg(frame: bytes) -> CodeStream | None:
    """Walk the marker segments to the frame header, SOF0-15 or JPEG-LS's SOF55."""
    at, has_jfif, adobe, is_plain = 2, False, None, True
    while frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME):
            stream = _jpeg_frame(frame, at, marker, has_jfif, adobe)
            return replace(stream, is_plain=is_plain, head_bytes=at + 2 + _number(frame, at + 2, 2))
        if marker == _START_OF_SCAN:
            return None
        if marker == _APP0 and frame[at + 4 : at + 9] == b"JFIF\0":
            has_jfif = True
        is_plain = is_plain and marker in _BY_LENGTH
        length = _number(frame, at + 2, 2)
        if marker == _APP14 and frame[at + 4 : at + 9] == b"Adobe" and length >= _ADOBE_BYTES:
            adobe = frame[at + 15]
        at += 2 + length
    return None


def _jpeg_frame(frame: bytes, at: int, marker: int, has_jfif: bool, adobe: int | None) -> CodeStream:
    precision, components = frame[at + 4], frame[at + 9]
    height, width = _number(frame, at + 5, 2), _number(frame, at + 7, 2)
    kind: StreamKind = "jpeg" if precision == 8 else "jpeg12"
    if marker in _LOSSLESS:
        kind = "jpeg-lossless"
    if marker == _JPEG_LS:
        kind = "jpeg-ls"
    if components != 3 or kind in (
        "jpeg-lossless",
        "jpeg-ls",
    ):  # these have no transform: their samples are the image's
        return CodeStream(kind, width, height, components, precision)
    names = bytes(frame[at + 10 + 3 * index] for index in range(3))
    space: Literal["rgb", "ycc"] | None = None
    if adobe is not None and not has_jfif:
        space = "rgb" if adobe == 0 else "ycc"
    elif has_jfif:  # it knows no RGB. Subsampling tells nothing: slide scanners subsample RGB
        space = "ycc"
    elif names.upper() == b"RGB":
        space = "rgb"
    is_taken_for_rgb = not has_jfif and (adobe == 0 if adobe is not None else names == b"RGB")
    return CodeStream(kind, width, height, 3, precision, space, is_taken_for_rgb)


def _jpeg2000(frame: bytes, start: int) -> CodeStream:
    """Read SIZ, which comes first, and look for the multiple component transform in COD."""
    x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0 = (
        _number(frame, start + 8 + 4 * index, 4) for index in range(8)
    )
    components = _number(frame, start + 40, 2)
    depth = frame[start + 42]  # SSiz: the sign in its upper bit, then the precision less one
    across = -(-(x1 - tile_x0) // tile_width) if tile_width else 0
    down = -(-(y1 - tile_y0) // tile_height) if tile_height else 0
    is_transformed = _is_transformed(frame, start + 2)
    space: Literal["rgb"] | None = "rgb" if is_transformed and components == 3 else None
    return CodeStream(
        "jpeg2000",
        x1 - x0,
        y1 - y0,
        components,
        (depth & 0x7F) + 1,
        space,
        tiles=across * down,
        is_signed=depth >= 0x80,
    )


def _is_transformed(frame: bytes, at: int) -> bool:
    """Walk the main header's segments to COD: its multiple component transform turns RGB to YCbCr and back."""
    while (marker := _number(frame, at, 2)) != _SOT:
        if marker == _COD:
            return frame[at + 8] == 1
        at += 2 + max(_number(frame, at + 2, 2), 2)
    return False
