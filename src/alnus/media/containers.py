"""What a file is, told by its first bytes, and how many bytes it says it has.

A suffix is never believed. Playlists, concatenation scripts and anything else that FFmpeg would follow to other
files have no magic bytes here and are refused.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from alnus.media.refusal import COPY_AGAIN, Refused

HEAD_BYTES = 512
_NO_FILE = "it is neither a file nor a directory (a FIFO, socket or device); name a video"

VIDEOS = (
    "avi",
    "mov",
    "mpeg",
    "mpegvideo",
    "mpegts",
    "matroska",
    "gif",
    "asf",
    "dv",
    "h264",
    "hevc",
)  # FFmpeg's demuxers
STILLS = ("png", "jpeg", "bmp", "tiff")
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_MPF_SEARCHED = 1 << 20  # bytes: the segments before the picture, at most 64 KiB each
_MAGIC = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\x1f\x07\x00", "dv"),  # the header block of a DIF sequence (IEC 61834-2, 11.2)
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)


def sniffed(head: bytes) -> str | None:
    """Return what the first HEAD_BYTES of a file are: "dicom", one of VIDEOS, one of STILLS, or None."""
    if head[128:132] == b"DICM" or _is_bare_dicom(head):
        return "dicom"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in _MP4_BOXES:
        return "mov"
    if _is_transport_stream(head):
        return "mpegts"
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # the reserved fields of a BITMAPFILEHEADER
        return "bmp"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _is_transport_stream(head: bytes) -> bool:
    """Tell transport packets by their sync bytes; camcorders (AVCHD) put four bytes of time before each."""
    packets = ((188, 0), (192, 4))
    return len(head) > 400 and any(head[at] == head[at + size] == head[at + 2 * size] == 0x47 for size, at in packets)


def is_jpeg_sequence(path: Path) -> bool:
    """Tell a Motion JPEG stream, pictures one after another, from one picture with others attached for display.

    Source of the latter: CIPA DC-007 (Multi-Picture Format), whose index has the mark MPF.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"\xff\xd9\xff\xd8\xff") >= 0 and content.find(b"MPF\0", 0, _MPF_SEARCHED) < 0


def _is_bare_dicom(head: bytes) -> bool:
    """Tell a data set without the preamble of PS3.10 7.1 by its first element: group 0002 or 0008, a plausible VR."""
    if head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3:4] != b"\x00":
        return False
    explicit = head[4:6] in (b"UL", b"CS", b"UI", b"DA", b"TM", b"SH", b"LO", b"OB")
    return explicit or (len(head) > 8 and head[5:8] == bytes(3))


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a regular file, or b"" for a directory.

    Raises Refused for a path that is missing, empty, unreadable, a FIFO or a device. What /proc shows as files have
    no size, count as empty and are not read: some never end, some wait.
    """
    try:
        mode = path.stat().st_mode  # before opening: a device may act upon that
        if stat.S_ISDIR(mode):
            return b""
        if not stat.S_ISREG(mode):
            raise Refused(_NO_FILE)
        with os.fdopen(_without_waiting(path), "rb") as stream:
            opened = os.fstat(stream.fileno())
            if not stat.S_ISREG(opened.st_mode):
                raise Refused(_NO_FILE)
            head = stream.read(HEAD_BYTES) if opened.st_size else b""
    except FileNotFoundError:
        raise Refused("there is no such file; correct its path, or put it there") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = error.strerror if isinstance(error, OSError) else "not a valid path"
        raise Refused(f"it cannot be opened ({reason}); correct its path or permissions") from None
    if not head:
        raise Refused(f"the file is empty; {COPY_AGAIN}")
    return head


def _without_waiting(path: Path) -> int:
    """Open what was a file a moment ago: if it has become a FIFO since, do not wait for its writer."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of the files of a folder together. Raises OSError."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in files_of(path))


def files_of(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the regular files of a folder and the links to such; a link that leads nowhere or round is none."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # a loop of links
                if entry.is_file():
                    yield entry


def is_cut(stream: BinaryIO, container: str) -> bool:
    """Tell whether a file is shorter than its container says: a recording or a copy that stopped."""
    if container == "gif":
        return not _has_gif_trailer(stream)
    measure = _MEASURES.get(container)
    stated = None if measure is None else measure(stream)
    return stated is not None and stated > size_of(stream)


def stated_frames(stream: BinaryIO, container: str) -> int:
    """Return the number of frames in an AVI's main header (dwTotalFrames), 0 for others and where it is not there."""
    stream.seek(0)
    head = stream.read(52)
    if container != "avi" or head[24:28] != b"avih" or len(head) < 52:
        return 0
    return int.from_bytes(head[48:52], "little")


def stated_pages(stream: BinaryIO, *, at_most: int) -> int:
    """Return the number of pages in a TIFF's chain (TIFF 6.0, section 2), counted no further than asked; else 1."""
    stream.seek(0)
    order: Literal["little", "big"] = "little" if stream.read(2) == b"II" else "big"
    stream.seek(0)
    if sniffed(stream.read(HEAD_BYTES)) != "tiff":
        return 1
    at, pages, seen = 4, 0, {0}
    while pages < at_most:
        stream.seek(at)
        page = int.from_bytes(stream.read(4), order)
        if page in seen:  # 0 ends the chain
            break
        seen.add(page)
        pages += 1
        stream.seek(page)
        at = page + 2 + 12 * int.from_bytes(stream.read(2), order)
    return max(pages, 1)


def _has_gif_trailer(stream: BinaryIO) -> bool:
    """Look for the end of the last block and the trailer (GIF89a, section 27); some writers append to them."""
    stream.seek(max(0, size_of(stream) - 1024))
    return b"\x00;" in stream.read()


def size_of(stream: BinaryIO) -> int:
    """Return the length of a seekable stream in bytes."""
    return stream.seek(0, os.SEEK_END)


def _riff_bytes(stream: BinaryIO) -> int | None:
    """Sum the RIFF chunks; OpenDML files have several. A size of 0 or 2^32-1 is a writer's that could not go back."""
    end, size = 0, size_of(stream)
    while end < size:
        stream.seek(end)
        header = stream.read(8)
        if header[:4] != b"RIFF" or len(header) < 8:
            break
        length = int.from_bytes(header[4:], "little")
        if length in (0, 0xFFFFFFFF):
            return None
        end += 8 + length + length % 2
    return end - 1 or None  # the last pad byte is often left out


def _mp4_bytes(stream: BinaryIO) -> int | None:
    """Walk the top-level boxes (ISO/IEC 14496-12, 4.2)."""
    end, size = 0, size_of(stream)
    while end < size:
        stream.seek(end)
        header = stream.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8 or not header[4:8].isascii():  # 0: to the end of the file; else not a box: trailing padding
            return None
        end += length
    return end


def _matroska_bytes(stream: BinaryIO) -> int | None:
    """Read the length of the Segment that follows the EBML header (RFC 8794, section 6)."""
    stream.seek(4)
    header_length = _ebml_length(stream)
    if header_length is None:
        return None
    stream.seek(header_length, os.SEEK_CUR)
    if stream.read(4) != b"\x18\x53\x80\x67":
        return None
    length = _ebml_length(stream)
    return None if length is None else stream.tell() + length


def _ebml_length(stream: BinaryIO) -> int | None:
    """Read a variable-length integer; None where it is missing or all ones (unknown)."""
    first = stream.read(1)
    if not first or first[0] == 0:
        return None
    octets = 9 - first[0].bit_length()
    mask = (1 << (7 * octets)) - 1
    value = int.from_bytes(first + stream.read(octets - 1), "big") & mask
    return None if value == mask else value


_MEASURES: dict[str, Callable[[BinaryIO], int | None]] = {
    "avi": _riff_bytes,
    "mov": _mp4_bytes,
    "matroska": _matroska_bytes,
}
