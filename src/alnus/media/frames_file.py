"""frames.npy: held in memory until it is known what is kept of them, then written once while its checksum is made.

What is longer than HELD_BYTES is written frame by frame, and cut and masked in place afterwards: memory is bounded
whatever the cine's length. Plain reads and writes, no memory map: a mapping as large as the cine would count against
the decoding process's limit of address space.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from alnus.errors import MediaError
from alnus.media.checksum import checksum_of, xxh3_128
from alnus.media.cine import Box
from alnus.media.colour import Pixels
from alnus.media.settling import settle

Mask = NDArray[np.uint8]  # 255 where a pixel is kept, 0 where it is blackened

BLOCK_BYTES = 1 << 20  # of frames are written at a time
MUCH = 0.5  # of a mask: to blacken more of a frame is faster while it is copied
HELD_BYTES = 96 << 20  # 327 frames of 640x480, 48 of full HD


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
    """A cine's frames on their way. shape: (frames, height, width). checksum: of the file's bytes, if it is known.

    held: the frames, where they are in memory still and the file has no content.
    """

    path: Path
    shape: tuple[int, int, int]
    checksum: str | None
    held: Pixels | None = None


def _is_same(one: Pixels, other: Pixels) -> bool:
    """Tell whether two arrays are the same memory, read in the same way."""
    return bool(one.__array_interface__ == other.__array_interface__)


_spare_rooms: list[Pixels] = []


def _taken_room() -> Pixels:
    """Return HELD_BYTES of memory, given back by the cine before if possible: fresh pages cost a second copy."""
    room = _spare_rooms.pop() if _spare_rooms else None
    return np.empty(HELD_BYTES, np.uint8) if room is None or room.size != HELD_BYTES else room


def _give_back(held: Pixels) -> None:
    """Let the next cine have the memory of frames that nobody will look at again; one such is kept."""
    if isinstance(held.base, np.ndarray):
        _spare_rooms[:] = [held.base]


class FramesWriter:
    """Takes frames of one size: holds them, or writes them behind .npy's header where they are more than HELD_BYTES.

    expected: number of frames to come. Where it proves right, the checksum is made while writing; else (or where it is
    None) it is left to `finished`.
    """

    def __init__(self, path: Path, *, expected: int | None) -> None:
        self._path, self._expected, self._count = path, expected, 0
        self._size = (0, 0)
        self._held: Pixels | None = None
        self._hash = None if expected is None else xxh3_128()
        self._stream = path.open("wb", buffering=0)  # so that closing has nothing left to fail with

    def room(self, height: int, width: int) -> Pixels | None:
        """Return the memory where the next frame will be held; `add` of that very memory is no copy.

        None where it will not be held, or is the first or of another size.
        """
        is_held = self._held is not None and (height, width) == self._size and self._count < len(self._held)
        return self._held[self._count] if is_held and self._held is not None else None

    def add(self, frame: Pixels) -> Pixels | None:
        """Append a frame (H, W); return it as it is held, None where it is not. Raises OSError."""
        if not self._count:
            self._size = (frame.shape[0], frame.shape[1])
            most = HELD_BYTES // frame.size
            self._held = _taken_room()[: most * frame.size].reshape(most, *self._size)
        if self._held is not None and self._count == len(self._held):
            self._spill(self._held)
        room = None if self._held is None else self._held[self._count]
        if room is None:
            self._append(np.ascontiguousarray(frame).data.cast("B"))
        elif not _is_same(room, frame):
            room[...] = frame
        self._count += 1
        return room

    def _spill(self, held: Pixels) -> None:
        """Write what is held, and hold no more."""
        self._append(memoryview(npy_header((self._expected or 0, *self._size))))
        if self._count:
            self._append(held.data.cast("B"))
        self._held = None

    def _append(self, data: memoryview) -> None:
        _write_whole(self._stream, data)
        if self._hash is not None:
            self._hash.update(data)

    def close(self) -> None:
        """Close the stream. Does not fail."""
        self._stream.close()

    def written(self) -> FramesFile:
        """Return what there is; where frames were written, behind a header with their number. Raises OSError."""
        shape = (self._count, *self._size)
        if self._held is not None:
            return FramesFile(self._path, shape, None, self._held[: self._count])
        if self._count == self._expected and self._hash is not None:
            return FramesFile(self._path, shape, checksum_of(self._hash))
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
    """Write what is held, or what is written anew: cut to a box, black where the mask is, and with a checksum.

    What was held is no longer to be looked at afterwards.
    box: what is kept; within: what was taken, around it, both in pixels of the whole frame. keep: (box.h, box.w).
    What is there is overwritten from its start: the cut frames never overtake those still to be read. Raises OSError.
    """
    frames, x, y = written.shape[0], box.x - within.x, box.y - within.y
    is_in_place = box == within and keep is None and written.held is None
    if is_in_place and written.checksum is not None:
        return written
    header = npy_header((frames, box.h, box.w))
    digest, part = xxh3_128(header), _black_part(keep)
    with written.path.open("r+b", buffering=0) as stream:
        _write_whole(stream, memoryview(header))
        start, done = len(npy_header(written.shape)), len(header)
        for some in _frames(stream, start, written.shape) if written.held is None else _blocks(written.held):
            cut = _blackened(some[:, y : y + box.h, x : x + box.w], keep, part).data.cast("B")
            digest.update(cut)
            if not is_in_place:
                if written.held is None:
                    stream.seek(done)
                _write_whole(stream, cut)
            done += len(cut)
        stream.truncate(done)
        settle(stream.fileno())
    if written.held is not None:
        _give_back(written.held)
    return FramesFile(written.path, (frames, box.h, box.w), checksum_of(digest))


def _blocks(held: Pixels) -> Iterator[Pixels]:
    """Yield the frames, some at a time that stay in the processor's cache."""
    some = max(1, BLOCK_BYTES // max(1, held[0].size))
    for start in range(0, len(held), some):
        yield held[start : start + some]


def _black_part(keep: Mask | None) -> tuple[slice, slice] | None:
    """Return the rows and columns in which a mask blackens anything; None where that is nothing or much of it."""
    if keep is None:
        return None
    rows, columns = (np.flatnonzero((keep == 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows) or np.ptp(rows) * np.ptp(columns) > MUCH * keep.size:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _blackened(frames: Pixels, keep: Mask | None, part: tuple[slice, slice] | None) -> Pixels:
    """Return frames (T, H, W), one row after another, black where the mask is 0; those given may be made so.

    part: as `_black_part` told; of frames that lie so already, only that is touched.
    """
    if keep is None:
        return np.ascontiguousarray(frames)
    if part is None or not frames.flags.c_contiguous:
        return np.bitwise_and(frames, keep, order="C")
    frames[:, *part] &= keep[part]
    return frames


def _frames(stream: FileIO, start: int, shape: tuple[int, int, int]) -> Iterator[Pixels]:
    """Yield each frame, (1, H, W), in the one buffer."""
    frame = np.empty((1, *shape[1:]), np.uint8)
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
