"""A simulated cine as AVI (Motion JPEG) or MP4 (H.264), with "Alnus phantom" in its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from alnus.phantom.dicom import MANUFACTURER
from alnus.phantom.screen import Grey

CODECS = {
    "avi": ("mjpeg", "yuvj420p", {"qmin": "3", "qmax": "3"}),
    "mp4": ("libx264", "yuv420p", {"qp": "20", "preset": "veryfast"}),
}
"""Encoder, pixel format and quality of each container.

H.264 at a fixed quantiser: with x264's adaptive one (crf), the same frames gave seven different files in twelve runs.
"""


def write_video(path: Path, pictures: Sequence[Grey], *, frame_rate_hz: float, container: str) -> None:
    """Write whole frames, grey or RGB, with even sides. container: "avi" or "mp4".

    One encoder thread and the muxer's bit-exact mode, so that the same frames give the same bytes.
    """
    codec, pixel_format, options = CODECS[container]
    with av.open(str(path), "w", format=container, options={"fflags": "+bitexact"}) as output:
        output.metadata["comment"] = MANUFACTURER
        stream = output.add_stream(codec, rate=Fraction(frame_rate_hz).limit_denominator(1000), options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.thread_count = 1
        stream.codec_context.flags |= int(av.codec.context.Flags.bitexact)
        for picture in pictures:
            rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        output.mux(stream.encode(None))
