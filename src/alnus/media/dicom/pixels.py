"""DICOM pixel data to frames: one at a time, each at the place where it lies, in the colours that were asked for.

Source: DICOM PS3.5 8.1.1 and 8.2, PS3.3 C.7.6.3.1.2 (photometric interpretation), C.7.6.3.1.3 (planar configuration).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid

from alnus.media.colour import LOOK_EVERY, Pixels, Space, in_colours, luma_of, notice_colour
from alnus.media.containers import HEAD_BYTES, VIDEOS, sniffed
from alnus.media.dicom.codestream import CodeStream, Parser
from alnus.media.dicom.decoders import (
    NATIVE,
    STREAM_KINDS,
    VIDEO_SYNTAXES,
    Samples,
    check_stream,
    decoded,
    unpacked_rle,
)
from alnus.media.dicom.fragments import Fragment, frames_of, joined, located
from alnus.media.dicom.header import CUT_BEFORE_PIXELS, DicomFile, value_of
from alnus.media.dicom.layout import SPACES, Layout, depth_note, eight_bits, stored_values
from alnus.media.dicom.native import Buffer, native_samples
from alnus.media.dicom.palette import palette_of
from alnus.media.jpeg import Place
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Colours, Opened
from alnus.media.refusal import COPY_AGAIN, EXPORT_AGAIN, Refused

Finish = Callable[[int, Samples, Space, int], Pixels]
"""(position in the cine, samples, their space, bits of a sample) -> the frame as it was asked for."""


def video_stream(file: DicomFile, *, limits: DecodeLimits, colours: Colours, threads: int) -> Opened:
    """Open the video that a file encapsulates (PS3.5 8.2.5 to 8.2.11). Raises Refused."""
    assert file.pixels_at is not None
    fragments = located(file.source, file.pixels_at)
    if fragments.is_cut:
        raise Refused(CUT_BEFORE_PIXELS)
    data = joined(file.source, fragments.items)
    kind = sniffed(data[:HEAD_BYTES])
    container = kind if kind in VIDEOS else VIDEO_SYNTAXES[file.syntax]
    from alnus.media.video import open_stream  # few files are of these: PyAV takes 0.05 s to import

    return open_stream(BytesIO(data), container, limits=limits, colours=colours, threads=threads)


def decoded_frames(
    file: DicomFile, layout: Layout, order: Sequence[int], colours: Colours, opened: Opened
) -> Iterator[Pixels]:
    """Return the frames whose numbers (from 0) are given, (H, W) or (H, W, 3).

    Raises Refused where the pixel data are not what the header says: at once over their length and number, later over
    a frame that cannot be decoded.
    """
    finish = _finisher(file, layout, colours, opened)
    if file.pixels_length is None or not file.syntax or file.syntax not in NATIVE:
        frames = _encapsulated(file, layout)
        return _compressed_frames(file, layout, frames, order, finish, luma_only=colours == "luma", opened=opened)
    samples = native_samples(file, layout, order, opened.notes, buffer=_buffer(layout, colours, opened))
    return _native_frames(samples, layout, finish, opened)


def _buffer(layout: Layout, colours: Colours, opened: Opened) -> Buffer:
    """Return what gives the memory that a native frame is read into: where it is wanted, if it is luma as it lies.

    That of coloured frames whose luma is asked for is used again: fresh memory costs more than reading.
    """
    if layout.samples == 1 and layout.allocated == 8:
        return lambda size: opened.place(layout.height, layout.width).reshape(-1)
    if layout.samples == 1 or colours != "luma":
        return lambda size: np.empty(size, np.uint8)
    return _Reused()


class _Reused:
    """Gives the same memory again and again."""

    def __init__(self) -> None:
        self._room = np.empty(0, np.uint8)

    def __call__(self, size: int) -> NDArray[np.uint8]:
        """Return memory of so many bytes."""
        if self._room.size != size:
            self._room = np.empty(size, np.uint8)
        return self._room


def _finisher(file: DicomFile, layout: Layout, colours: Colours, opened: Opened) -> Finish:
    palette = palette_of(file.header, layout)
    palette_luma = None if palette is None else luma_of(palette[None])[0]

    def finish(position: int, samples: Samples, space: Space, bits: int) -> Pixels:
        if palette is not None and palette_luma is not None and space == "grey":
            if colours == "luma" and position % LOOK_EVERY:
                return _looked_up(palette_luma, samples)
            pixels, space = np.take(palette, samples, axis=0), "rgb"
        else:
            pixels = eight_bits(samples, bits)
            if layout.photometric == "MONOCHROME1" and space == "grey":
                pixels = 255 - pixels
        if colours == "luma":
            notice_colour(opened, position, pixels, space)
            if space == "rgb":
                return _luma_of_any(pixels)
        return np.ascontiguousarray(in_colours(pixels, space, colours))

    if layout.bits > 8 and palette is None:
        opened.notes.append(depth_note(layout))
    return finish


def _looked_up(table: Pixels, samples: Samples) -> Pixels:
    """Return the entries of a table at the samples; of bytes ten times as fast as numpy does it."""
    if samples.dtype != np.uint8:
        return np.take(table, samples)
    return np.frombuffer(samples.tobytes().translate(table.tobytes()), np.uint8).reshape(samples.shape)


def _luma_of_any(rgb: Pixels) -> Pixels:
    """Return the luma of a frame whose colours may lie in planes, which are not put together for it."""
    if rgb.strides[-1] == 1:
        return luma_of(rgb)
    planes = [Image.fromarray(rgb[..., index]) for index in range(3)]
    return np.asarray(Image.merge("RGB", planes).convert("L"))


def _native_frames(frames: Iterator[Samples], layout: Layout, finish: Finish, opened: Opened) -> Iterator[Pixels]:
    space: Space | None = None
    for position, samples in enumerate(frames):
        if space is None:
            space = _believed(SPACES[layout.photometric], samples, opened.notes)
        yield finish(position, stored_values(samples, layout), space, layout.bits)


def _encapsulated(file: DicomFile, layout: Layout) -> list[tuple[Fragment, ...]]:
    assert file.pixels_at is not None
    table = value_of(file.header, "ExtendedOffsetTable", most_bytes=1 << 20) or b""
    return frames_of(
        located(file.source, file.pixels_at),
        layout.count,
        tuple(int(offset) for offset in np.frombuffer(table[: len(table) // 8 * 8], "<u8")),
    )


def _compressed_frames(
    file: DicomFile,
    layout: Layout,
    frames: list[tuple[Fragment, ...]],
    order: Sequence[int],
    finish: Finish,
    *,
    luma_only: bool,
    opened: Opened,
) -> Iterator[Pixels]:
    space: Space | None = None
    parsed = Parser()
    for position, index in enumerate(order):
        data = joined(file.source, frames[index])
        if file.syntax == uid.RLELossless:
            samples = unpacked_rle(data, layout, index + 1)
            bits, stated = layout.bits, None
            samples = stored_values(samples, layout)
        else:
            stream = _checked_stream(data, parsed(data), file.syntax, layout, index + 1, opened.notes)
            wants_luma = luma_only and position % LOOK_EVERY != 0 and space == "ycc"
            samples = _decoded(data, stream, index + 1, luma_only=wants_luma, place=opened.place)
            bits, stated = _bits(layout, stream), stream.space
        if space is None:
            space = _space(layout, samples, stated, opened.notes)
        yield finish(position, samples, "grey" if samples.ndim == 2 else space, bits)


def _bits(layout: Layout, stream: CodeStream) -> int:
    """Return the bits of a decoded sample: a stream of fewer than the header states has no more."""
    return min(layout.bits, stream.precision)


def _checked_stream(
    data: bytes, stream: CodeStream | None, syntax: str, layout: Layout, number: int, notes: list[str]
) -> CodeStream:
    if stream is None:
        raise Refused(f"frame {number} is damaged: it is no code stream that can be read; {COPY_AGAIN}")
    check_stream(stream, layout, number, data)
    if number == 1 and syntax in STREAM_KINDS and stream.kind not in STREAM_KINDS[syntax]:
        notes.append(f"the frames are coded as {stream.kind}, not as the transfer syntax states")
    return stream


def _decoded(data: bytes, stream: CodeStream, number: int, *, luma_only: bool, place: Place) -> Samples:
    try:
        return decoded(data, stream, luma_only=luma_only, place=place)
    except MemoryError:
        raise
    except Exception as error:  # the decoders raise many kinds, quoting the stream
        raise Refused(f"frame {number} cannot be decoded ({type(error).__name__}); {EXPORT_AGAIN}") from None


def _space(layout: Layout, samples: Samples, stated: Space | None, notes: list[str]) -> Space:
    """Return the colour space of decoded samples: what the stream states counts more than what the header does."""
    if samples.ndim == 2:
        if layout.samples != 1:
            notes.append("the frames are coded in grey, unlike the header states")
        return "grey"
    header = SPACES[layout.photometric]
    if stated is not None:
        if header != stated:
            notes.append(f"the code stream is in {_NAMES[stated]}, unlike the header states, and is read so")
        return stated
    return _believed("rgb" if header == "grey" else header, samples, notes)


_NAMES = {"rgb": "RGB", "ycc": "YCbCr", "grey": "grey"}
_NEAR = 4  # how far samples of a grey pixel may lie apart
_MOST, _FEW = 0.6, 0.2  # shares of a frame's pixels


def _believed(header: Space, samples: Samples, notes: list[str]) -> Space:
    """Return the space of coloured samples as the header has it, unless the pixels plainly contradict.

    Most of an ultrasound frame is grey: equal components in RGB, chroma at its middle in YCbCr. Black tells best.
    """
    if samples.ndim == 2:
        return "grey"
    if samples.dtype != np.uint8:
        return header
    first, second, third = (samples[::2, ::2, index].astype(np.int16) for index in range(3))
    as_rgb = float(((abs(first - second) <= _NEAR) & (abs(first - third) <= _NEAR)).mean())
    as_ycc = float(((abs(second - 128) <= _NEAR) & (abs(third - 128) <= _NEAR)).mean())
    found: Space = header
    if header == "rgb" and as_ycc > _MOST and as_rgb < _FEW:
        found = "ycc"
    if header == "ycc" and as_rgb > _MOST and as_ycc < _FEW:
        found = "rgb"
    if found != header:
        notes.append(f"the pixels are in {_NAMES[found]}, unlike the header states, and are read so")
    return found
