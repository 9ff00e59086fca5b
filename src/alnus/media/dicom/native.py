"""Uncompressed pixel data: each frame is read from the file when it is wanted, into memory of its own size.

Source: DICOM PS3.5 8.1.1 and annex D (bytes and words), PS3.3 C.7.6.3.1.2 (YBR_FULL_422).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alnus.media.dicom.decoders import Samples
from alnus.media.dicom.fragments import ITEM
from alnus.media.dicom.header import NOT_NATIVE, DicomFile
from alnus.media.dicom.layout import Layout
from alnus.media.dicom.source import Inflated
from alnus.media.refusal import COPY_AGAIN, CORRECT, Refused

Buffer = Callable[[int], NDArray[np.uint8]]
"""A number of bytes -> memory of that size, (bytes,)."""


def native_samples(
    file: DicomFile, layout: Layout, order: Sequence[int], notes: list[str], *, buffer: Buffer
) -> Iterator[Samples]:
    """Return the samples of the frames whose numbers (from 0) are given, (H, W) or (H, W, 3).

    buffer: gives the memory that a frame's bytes are read into. What is planar is given out as a view of its planes.
    Raises Refused at once where the data are shorter or longer than the header says.
    """
    is_422 = _is_422(file, layout, notes)
    frame_bytes = _frame_bytes(layout, is_422=is_422)
    _check_length(file, layout, frame_bytes)
    if isinstance(file.source, Inflated):
        if list(order) != sorted(order):
            raise Refused("its frames are out of order in a deflated file, which is not read")
        file.source.forget()
    return _frames(file, layout, order, frame_bytes, buffer, is_422=is_422)


def _frames(
    file: DicomFile,
    layout: Layout,
    order: Sequence[int],
    frame_bytes: int,
    buffer: Buffer,
    *,
    is_422: bool,
) -> Iterator[Samples]:
    swaps = not file.is_little_endian and layout.allocated == 8 and file.pixels_are_words
    for index in order:
        if swaps:
            data = _words_of(file, index, frame_bytes)
        else:
            data = _bytes_of(file, index * frame_bytes, buffer(frame_bytes))
        if len(data) < frame_bytes:
            raise Refused(_cut(index, layout.count))
        yield _shaped(data, file, layout, is_422=is_422)


def _shaped(data: NDArray[np.uint8], file: DicomFile, layout: Layout, *, is_422: bool) -> Samples:
    if is_422:
        return _from_422(data, layout)
    samples: Samples = data
    if layout.allocated == 16:
        samples = data.view("<u2" if file.is_little_endian else ">u2").astype(np.uint16, copy=False)
    if layout.is_planar:
        return samples.reshape(3, layout.height, layout.width).transpose(1, 2, 0)
    return samples.reshape(layout.shape)


def _from_422(data: NDArray[np.uint8], layout: Layout) -> Samples:
    """Give each pixel its chroma: two lumas, one Cb and one Cr are stored for each pair of pixels."""
    pairs = data.reshape(-1, 4)
    pixels = np.empty((len(pairs), 2, 3), np.uint8)
    pixels[..., 0] = pairs[:, :2]
    pixels[..., 1:] = pairs[:, None, 2:]
    return pixels.reshape(layout.shape)


def _bytes_of(file: DicomFile, start: int, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill a buffer with bytes of the pixel data and return it, shorter where fewer are there."""
    assert file.pixels_at is not None
    file.source.seek(file.pixels_at + start)
    return buffer[: file.source.readinto(buffer.data)]


def _words_of(file: DicomFile, index: int, length: int) -> NDArray[np.uint8]:
    """Return a frame of bytes that are written as big-endian words: each pair is swapped (PS3.5 annex D)."""
    start = index * length
    even = start & ~1
    data = _bytes_of(file, even, np.empty((start + length + 1 & ~1) - even, np.uint8))
    swapped = data[: len(data) & ~1].reshape(-1, 2)[:, ::-1].reshape(-1)
    return np.ascontiguousarray(swapped[start - even :][:length])


def _frame_bytes(layout: Layout, *, is_422: bool) -> int:
    pixels = layout.width * layout.height
    return pixels * 2 if is_422 else pixels * layout.samples * layout.allocated // 8


def _is_422(file: DicomFile, layout: Layout, notes: list[str]) -> bool:
    """Tell whether pairs of pixels share their chroma, by the length of the data where the header errs."""
    if not layout.photometric.startswith("YBR_") or layout.allocated != 8 or file.pixels_length is None:
        return False
    says = layout.photometric == "YBR_FULL_422"
    sizes = {pairs: _frame_bytes(layout, is_422=pairs) * layout.count for pairs in (True, False)}
    spare = {pairs: file.pixels_length - size for pairs, size in sizes.items()}
    if not 0 <= spare[says] <= 1 and 0 <= spare[not says] <= 1:
        notes.append(f"the pixels have {'shared' if not says else 'full'} chroma, unlike the header states")
        says = not says
    if says and layout.width % 2:
        raise Refused(f"its rows of {layout.width} pixels cannot share chroma in pairs")
    return says


def _check_length(file: DicomFile, layout: Layout, frame_bytes: int) -> None:
    """Hold the length of native pixel data against the header (PS3.5 8.1.1): NumberOfFrames may lie either way."""
    length = file.pixels_length or 0
    expected = frame_bytes * layout.count
    there = length if isinstance(file.source, Inflated) else min(length, file.source.size - (file.pixels_at or 0))
    if there < length and there < expected:
        raise Refused(_cut(there // frame_bytes, layout.count))
    if length > expected + 1 and _bytes_of(file, 0, np.empty(len(ITEM), np.uint8)).tobytes() == ITEM:
        raise Refused(NOT_NATIVE)
    if length < expected or length >= frame_bytes * (layout.count + 1):
        raise Refused(
            f"its NumberOfFrames is {layout.count}, but its pixel data hold {length / frame_bytes:.4g} frames;"
            f" {CORRECT}"
        )


def _cut(there: int, count: int) -> str:
    return f"the file is cut: only {there} of {count} frames are there; {COPY_AGAIN}"
