"""The bytes of a DICOM file, read as they are asked for: a length that a header claims is never taken for memory.

Source: DICOM PS3.5 A.5 (a deflated data set is one raw RFC 1951 stream), PS3.10 7.1 (file meta information).
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Protocol

from alnus.media.refusal import COPY_AGAIN, Refused

_MOST_READS = 400_000  # of a header: a usual one has 300, an Enhanced US Volume of 500 frames 50,000; pydicom takes 2 s
_MOST_BYTES = 256 << 20
_CHUNK = 1 << 20
_KEPT_BYTES = 8 << 20  # behind the place of reading in a deflated header


class Source(Protocol):
    """What pydicom and the frame readers read from."""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from here on."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte and return its offset."""

    def tell(self) -> int:
        """Return the offset of the next byte."""


class Header:
    """A source while its header is read: counts the reads, and notices where the file ends before an element does."""

    def __init__(self, source: Source) -> None:
        """Start where the source stands."""
        self._source = source
        self._reads = self._bytes = 0
        self.is_short = False
        """An element was asked for of which the file holds only a part."""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes. Raises Refused over a header of millions of elements."""
        self._reads += 1
        if self._reads > _MOST_READS:
            raise Refused(f"its header has more than {_MOST_READS // 2} elements")
        data = self._source.read(size)
        self._bytes += len(data)
        if self._bytes > _MOST_BYTES:
            raise Refused(f"its header has more than {_MOST_BYTES} bytes that would have to be read")
        if size == _ELEMENT_HEAD and 0 < len(data) < size:
            self.is_short = True
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte; past the end is where pydicom goes over an element that it leaves out and that is cut."""
        at = self._source.seek(offset, whence)
        if whence == os.SEEK_SET and at < offset:
            self.is_short = True
        return at

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._source.tell()


_ELEMENT_HEAD = 8  # bytes: tag, VR and length (PS3.5 7.1.2)


class Stored:
    """A file as it lies on the disk."""

    def __init__(self, path: Path) -> None:
        """Open the file; it is closed with the last reference to this: the frames are read long after the header."""
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self._stream: io.BufferedReader = os.fdopen(self._descriptor, "rb", closefd=False)
        self.size = self._stream.seek(0, os.SEEK_END)
        self._stream.seek(0)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, and never ask for memory beyond the file's end."""
        left = max(self.size - self._stream.tell(), 0)
        return self._stream.read(left if size < 0 else min(size, left))

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer and return how much of it is filled."""
        filled = 0
        while filled < len(buffer) and (count := self._stream.readinto(buffer[filled:])):
            filled += count
        return filled

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, at most to the end."""
        if whence == os.SEEK_SET:
            offset = min(offset, self.size)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._stream.tell()


class Inflated:
    """A deflated data set, inflated as far as it is read: a bomb inflates a thousandfold, but nobody asks for it.

    Going back is possible over the last bytes read, as pydicom does in a header, until `forget` is called.
    """

    def __init__(self, stored: Stored, *, most_bytes: int) -> None:
        """Start where `stored` stands. most_bytes: of the inflated data set."""
        self._stored = stored
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._held = bytearray()
        self._start = 0  # offset of the first byte held
        self._at = 0
        self._kept_bytes = _KEPT_BYTES
        self._most_bytes = most_bytes
        self.is_cut = False
        """The compressed stream ends before its end is marked; known once all of it is read."""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes. Raises Refused where the data set is larger than allowed, or damaged."""
        size = self._most_bytes if size < 0 else size
        self._fill(self._at + size)
        from_ = self._at - self._start
        data = bytes(self._held[from_ : from_ + size])
        self._at += len(data)
        self._drop()
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer and return how much of it is filled."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, at most to the end; what is passed over is not kept."""
        target = offset + (self._at if whence == os.SEEK_CUR else 0)
        if whence == os.SEEK_END or target < self._start:
            raise io.UnsupportedOperation("a deflated data set is read forwards")
        if target < self._at:
            self._at = target
        while self._at < target and self.read(min(target - self._at, _CHUNK)):
            pass
        return self._at

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._at

    def forget(self) -> None:
        """Let go of what was read; from here on reading goes forwards only, and memory holds what is asked for."""
        self._kept_bytes = 0
        self._drop()

    def _drop(self) -> None:
        """Let go of what lies far enough behind; seldom, as what is kept must be moved."""
        behind = self._at - self._start - self._kept_bytes
        if behind > self._kept_bytes or not self._kept_bytes:
            del self._held[:behind]
            self._start += behind

    def _fill(self, end: int) -> None:
        """Inflate until the byte before `end` is held, or to the end of the stream."""
        while self._start + len(self._held) < end and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._stored.read(_CHUNK)
            if not packed:
                self.is_cut = True
                return
            try:
                self._held += self._inflater.decompress(packed, _CHUNK)
            except zlib.error:
                raise Refused(f"its deflated data set is damaged; {COPY_AGAIN}") from None
            if self._start + len(self._held) > self._most_bytes:
                raise Refused(f"it inflates to more than {self._most_bytes} bytes")
