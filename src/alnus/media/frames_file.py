"""frames.npy, written frame by frame while its SHA-256 is made, and cut and masked in place afterwards.

Memory holds one frame. Plain reads and writes, no memory map: a mapping as large as the cine would count against the
decoding process's limit of address space.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from alnus.errors import MediaError
from alnus.media.cine import Box
from alnus.media.colour import Pixels

Mask = NDArray[np.uint8]  # 255 where a pixel is kept, 0 where it is blackened


class StoreWriteError(MediaError):
    """The store cannot be written: the disk is full or forbids it. No file's fault, so ingestion stops."""


@contextmanager
def writing(store: Path) -> Iterator[None]:
    """Turn an OSError from writing into StoreWriteError: reading faults never pass through here."""
    try:
        yield
    except OSError as error:
        raise StoreWriteError(
            f"{store}: the cine store cannot be written ({error.strerror or error}); free space and run again"
        ) from None


@dataclass(frozen=True)
class FramesFile:
    """A written file. shape: (frames, height, width). sha256: of its bytes, None where it is not known yet."""

    path: Path
    shape: tuple[int, int, int]
    sha256: str | None


class FramesWriter:
    """Writes frames of one size behind .npy's header.

    expected: number of frames to come. Where it proves right, the checksum is made while writing; else (or where it is
    None) it is left to `finished`.
    """

    def __init__(self, path: Path, *, expected: int | None) -> None:
        self._path, self._expected, self._count = path, expected, 0
        self._size = (0, 0)
        self._hash = None if expected is None else hashlib.sha256()
        self._stream = path.open("wb", buffering=0)  # so that closing has nothing left to fail with

    def add(self, frame: Pixels) -> None:
        """Append a frame (H, W). Raises OSError."""
        data = np.ascontiguousarray(frame).data.cast("B")
        if not self._count:
            self._size = (frame.shape[0], frame.shape[1])
            header = npy_header((self._expected or 0, *self._size))
            _write_whole(self._stream, memoryview(header))
            self._update(memoryview(header))
        _write_whole(self._stream, data)
        self._update(data)
        self._count += 1

    def _update(self, data: memoryview) -> None:
        if self._hash is not None:
            self._hash.update(data)

    def close(self) -> None:
        """Close the stream. Does not fail."""
        self._stream.close()

    def written(self) -> FramesFile:
        """Write the header with the number of frames. Raises OSError."""
        shape = (self._count, *self._size)
        if self._count == self._expected and self._hash is not None:
            return FramesFile(self._path, shape, self._hash.hexdigest())
        self._stream.seek(0)
        _write_whole(self._stream, memoryview(npy_header(shape)))
        return FramesFile(self._path, shape, None)


def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return .npy's header of a uint8 array; it is as long for any number of frames."""
    content = BytesIO()
    npy.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return content.getvalue()


def _write_whole(stream: FileIO, data: memoryview) -> None:
    """Write all of the data: an unbuffered write may take a part, as on a disk that is nearly full."""
    while data:
        data = data[stream.write(data) :]


def finished(written: FramesFile, *, box: Box, within: Box, keep: Mask | None) -> FramesFile:
    """Cut a written file to a box of its frames, blacken what the mask does not keep, and make its checksum.

    box: what is kept; within: what is written, around it, both in pixels of the whole frame. keep: (box.h, box.w).
    What is there is overwritten from its start: the cut frames never overtake those still to be read. Raises OSError.
    """
    frames, x, y = written.shape[0], box.x - within.x, box.y - within.y
    is_whole = box == within and keep is None
    if is_whole and written.sha256 is not None:
        return written
    header = npy_header((frames, box.h, box.w))
    digest = hashlib.sha256(header)
    with written.path.open("r+b", buffering=0) as stream:
        _write_whole(stream, memoryview(header))
        for index, frame in enumerate(_frames(stream, len(npy_header(written.shape)), written.shape)):
            cut = np.ascontiguousarray(frame[y : y + box.h, x : x + box.w])
            if keep is not None:
                cut &= keep
            digest.update(cut.data.cast("B"))
            if not is_whole:
                stream.seek(len(header) + index * cut.nbytes)
                _write_whole(stream, cut.data.cast("B"))
        stream.truncate(len(header) + frames * box.h * box.w)
    return FramesFile(written.path, (frames, box.h, box.w), digest.hexdigest())


def _frames(stream: FileIO, start: int, shape: tuple[int, int, int]) -> Iterator[Pixels]:
    """Yield each frame in the one buffer."""
    frame = np.empty(shape[1:], np.uint8)
    view = frame.data.cast("B")
    for index in range(shape[0]):
        stream.seek(start + index * frame.nbytes)
        filled = 0
        while filled < frame.nbytes:
            got = stream.readinto(view[filled:])
            if not got:
                raise OSError("its frames are gone while they are cut")
            filled += got
        yield frame
