"""ZIP files: their members one by one, counted and measured while they are unpacked; names are never used as paths.

A member that grows beyond the limits ends the archive; one that is no video or DICOM is passed over. Members are stored
or deflated, as every exporter packs them: of bzip2 and LZMA zipfile unpacks all that a piece holds at once, and a
kilobyte of them holds a gigabyte.
Source: PKWARE APPNOTE 6.3.10. Fifield, "A better zip bomb" (2019): what overlaps is bounded by the total.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from alnus.errors import MediaError
from alnus.media.containers import HEAD_BYTES, sniffed
from alnus.serve.intake.heads import read_head
from alnus.serve.intake.receiving import Incoming, NoSpaceError, Received, TooLargeError
from alnus.serve.room import Room
from alnus.serve.settings import Limits

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
CHUNK_BYTES = 1 << 20
MOST_READ_BYTES = 8 << 20  # in one piece: zipfile reads its list of members whole, before anybody can count them
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class BrokenArchiveError(MediaError):
    """A ZIP file that cannot be unpacked, or not to its end."""


def is_archive(path: Path) -> bool:
    """Tell a ZIP file by its first bytes; a DICOM file or a video never begins so."""
    with path.open("rb") as stream:
        return stream.read(4) in MAGIC


def members(room: Room, path: Path) -> Iterator[Received]:
    """Yield the videos and DICOM files of an archive, each received like one that came alone.

    Raises BrokenArchiveError where it is damaged or locked, TooLargeError where it unpacks to more than the room takes.
    """
    left = _Left(room.settings.limits)
    with _Paced(path) as stream, _opened(stream) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        most = room.settings.limits.zip_files
        if len(entries) > most:
            raise TooLargeError(f"the ZIP file has {len(entries)} files; at most {most} are taken")
        for entry in entries:
            if entry.compress_type not in PACKINGS:
                raise BrokenArchiveError("the ZIP file is not packed by deflate; pack it again the usual way")
            with _archive_errors(), archive.open(entry) as member:
                file = _unpacked(room, member, entry.compress_size, left)
            if file is not None:
                yield file


class _Left:
    """What an archive may still unpack to."""

    def __init__(self, limits: Limits) -> None:
        self._bytes, self._ratio = limits.zip_bytes, limits.zip_ratio

    def take(self, size: int, *, unpacked: int, packed: int) -> None:
        """Count unpacked bytes. Raises TooLargeError."""
        self._bytes -= size
        if self._bytes < 0 or unpacked > CHUNK_BYTES + self._ratio * packed:
            raise TooLargeError("the ZIP file unpacks to more than is taken: send fewer files at a time")


def _unpacked(room: Room, stream: IO[bytes], packed: int, left: _Left) -> Received | None:
    """Receive one member; None for what is no video, image or DICOM by its first bytes, or is DICOM without pictures.

    Disks of images carry a directory, reports and presentation states: they are no fault of anybody.
    """
    head = stream.read(HEAD_BYTES)
    if sniffed(head) is None or read_head(head).has_no_pictures:
        return None
    with Incoming(room) as coming:
        unpacked, chunk = 0, head
        while chunk:
            unpacked += len(chunk)
            left.take(len(chunk), unpacked=unpacked, packed=packed)
            coming.write(chunk)
            chunk = stream.read(CHUNK_BYTES)
        return coming.finished()


class _Paced(io.FileIO):
    """A file of which nobody takes more than MOST_READ_BYTES at once. Raises TooLargeError."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return what comes next."""
        if size is not None and size > MOST_READ_BYTES:
            raise TooLargeError("the ZIP file's list of members is larger than is taken: send fewer files at a time")
        return super().read(size) or b""


def _opened(stream: _Paced) -> zipfile.ZipFile:
    with _archive_errors():
        return zipfile.ZipFile(stream)


@contextmanager
def _archive_errors() -> Iterator[None]:
    """Turn whatever zipfile raises over a broken archive into BrokenArchiveError."""
    try:
        yield
    except (TooLargeError, NoSpaceError):
        raise
    except RuntimeError as error:  # zipfile's for a member with a password
        why = "it is locked" if "password" in str(error) else type(error).__name__
        raise BrokenArchiveError(f"the ZIP file cannot be unpacked ({why})") from None
    except Exception as error:
        raise BrokenArchiveError(f"the ZIP file cannot be unpacked ({type(error).__name__})") from None
