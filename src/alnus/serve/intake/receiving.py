"""A file that is coming: written where nothing else looks, hashed as it comes.

Only its submission puts it under its hash, in the transaction that makes its job or takes it up again: a worker that is
about to delete an older copy of the same bytes cannot take it away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from alnus.errors import MediaError
from alnus.serve.room import Folders, Room


class TooLargeError(MediaError):
    """More bytes came than the room takes."""


class NoSpaceError(MediaError):
    """The disk has no room for what is coming."""


@dataclass(frozen=True)
class Received:
    """A file that came whole. path: where it lies until it is submitted, which moves or removes it."""

    sha256: str
    size_bytes: int
    path: Path


class Incoming:
    """A file that is being written; a context. Leaving it without `finished` removes the file."""

    def __init__(self, room: Room) -> None:
        self._folders, self._limits = room.folders, room.settings.limits
        self._folders.incoming.mkdir(parents=True, exist_ok=True)
        self.path = self._folders.incoming / secrets.token_hex(16)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._stream = os.fdopen(handle, "wb")
        self._hash, self._size, self._is_whole = hashlib.sha256(), 0, False

    def write(self, data: bytes) -> None:
        """Add what came. Raises TooLargeError or NoSpaceError."""
        self._size += len(data)
        if self._size > self._limits.upload_bytes:
            raise TooLargeError(f"the file is larger than the {self._limits.upload_bytes} bytes that are taken")
        check_space(self._folders, len(data), least=self._limits.free_bytes)
        try:
            self._stream.write(data)
        except OSError as error:
            raise NoSpaceError(f"the file cannot be written ({error.strerror})") from None
        self._hash.update(data)

    def finished(self) -> Received:
        """Return the file, which is on the disk for good. Raises NoSpaceError."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
        except OSError as error:
            raise NoSpaceError(f"the file cannot be written ({error.strerror})") from None
        self._is_whole = True
        return Received(self._hash.hexdigest(), self._size, self.path)

    def __enter__(self) -> Incoming:
        """Nothing to prepare."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not finished."""
        with contextlib.suppress(OSError):
            self._stream.close()
        if not self._is_whole:
            self.path.unlink(missing_ok=True)


def received(room: Room, chunks: Iterable[bytes]) -> Received:
    """Keep a file that comes in pieces. Raises TooLargeError or NoSpaceError."""
    with Incoming(room) as coming:
        for chunk in chunks:
            coming.write(chunk)
        return coming.finished()


def check_space(folders: Folders, more_bytes: int, *, least: int) -> None:
    """Refuse what would fill the disk. Raises NoSpaceError."""
    if shutil.disk_usage(folders.root).free - more_bytes < least:
        raise NoSpaceError("the room's disk is full: nothing more is received until there is space")


def put_in_place(folders: Folders, file: Received) -> None:
    """Put a file under its hash, on the disk for good, instead of an older copy. Raises OSError."""
    place = folders.blob(file.sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    file.path.replace(place)
    _sync(place.parent)


def sweep(folders: Folders) -> None:
    """Remove what was coming when an earlier server ended."""
    if folders.incoming.is_dir():
        for path in folders.incoming.iterdir():
            path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Write a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
