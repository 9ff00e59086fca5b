"""Frames into a video file that browsers and players show."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from pathlib import Path

import av
import numpy as np

from alnus.errors import MediaError
from alnus.media.cine import Frames
from alnus.media.refusal import shown
from alnus.provenance import atomic_path

_QUALITY = {"crf": "18", "preset": "veryfast"}
_THREADS = 2  # a fixed number: the bytes then depend on the frames alone, not on the machine's cores


def write_mp4(path: Path, frames: Frames, *, frame_rate_hz: float, comment: str = "") -> None:
    """Write an MP4 (H.264, yuv420p), whole or not at all; an odd height or width is padded by repeating the edge.

    frames: (T, H, W) grey or (T, H, W, 3) RGB, uint8. comment: kept in the container, as "Alnus phantom" marks
    simulated cines. Raises MediaError for no frames, or a rate that is not finite and positive.
    """
    if not (isfinite(frame_rate_hz) and frame_rate_hz > 0) or len(frames) == 0:
        raise MediaError(f"{shown(path)}: needs frames and a positive rate; got {len(frames)} at {frame_rate_hz} Hz")
    padding = [(0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)][: frames.ndim]
    with atomic_path(path) as temporary:
        container_options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(temporary), "w", format="mp4", container_options=container_options) as container:
            if comment:
                container.metadata["comment"] = comment
            _encode(container, frames, padding, Fraction(frame_rate_hz).limit_denominator(10_000))


def _encode(
    container: av.container.OutputContainer, frames: Frames, padding: list[tuple[int, int]], rate: Fraction
) -> None:
    stream = container.add_stream("libx264", rate=rate, options=_QUALITY)
    stream.pix_fmt = "yuv420p"
    stream.thread_count = _THREADS
    stream.height, stream.width = (frames.shape[axis] + padding[axis][1] for axis in (1, 2))
    pixel_format = "gray" if frames.ndim == 3 else "rgb24"
    for pixels in frames:
        padded = np.pad(pixels, padding[1:], mode="edge")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format=pixel_format)))
    container.mux(stream.encode())
