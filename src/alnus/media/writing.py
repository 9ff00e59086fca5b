"""Frames into a video file that browsers and players show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from math import isfinite
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from alnus.errors import MediaError
from alnus.media.refusal import shown
from alnus.provenance import atomic_path

Picture = NDArray[np.uint8]  # (height, width) grey or (height, width, 3) RGB

_QUALITY = {"crf": "18", "preset": "veryfast"}
_THREADS = 2  # a fixed number: the bytes then depend on the frames alone, not on the machine's cores


def write_mp4(path: Path, frames: Iterable[Picture], *, frame_rate_hz: float, comment: str = "") -> None:
    """Write an MP4 (H.264, yuv420p), whole or not at all; an odd height or width is padded by repeating the edge.

    frames: (H, W) grey or (H, W, 3) RGB, uint8, one size; an array of them, or an iterator that draws one at a time.
    comment: kept in the container, as "Alnus phantom" marks simulated cines. Raises MediaError for no frames, or a
    rate that is not finite and positive.
    """
    if not (isfinite(frame_rate_hz) and frame_rate_hz > 0):
        raise MediaError(f"{shown(path)}: needs a positive frame rate; got {frame_rate_hz} Hz")
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise MediaError(f"{shown(path)}: needs at least one frame to write; got none")
    with atomic_path(path) as temporary:
        container_options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(temporary), "w", format="mp4", container_options=container_options) as container:
            if comment:
                container.metadata["comment"] = comment
            _encode(container, first, pictures, Fraction(frame_rate_hz).limit_denominator(10_000))


def _encode(container: av.container.OutputContainer, first: Picture, rest: Iterator[Picture], rate: Fraction) -> None:
    padding = [(0, first.shape[0] % 2), (0, first.shape[1] % 2), (0, 0)][: first.ndim]
    stream = container.add_stream("libx264", rate=rate, options=_QUALITY)
    stream.pix_fmt = "yuv420p"
    stream.thread_count = _THREADS
    stream.height, stream.width = (first.shape[axis] + padding[axis][1] for axis in (0, 1))
    pixel_format = "gray" if first.ndim == 2 else "rgb24"
    for pixels in chain([first], rest):
        padded = np.pad(pixels, padding, mode="edge")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format=pixel_format)))
    container.mux(stream.encode())
