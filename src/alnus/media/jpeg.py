"""The luma of JPEG pictures by Pillow's decoder, a third faster than FFmpeg's: of DICOM frames and of Motion JPEG.

The two differ by the rounding of the inverse cosine transform, mostly by one grey level in a pixel of sixty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from alnus.media.colour import LOOK_EVERY, Pixels
from alnus.media.dicom.codestream import CodeStream, Parser, is_ended
from alnus.media.opened import Opened

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

Place = Callable[[int, int], Pixels]
"""(height, width) -> memory for a frame of that size."""

CHECK_EVERY = 2 * LOOK_EVERY  # of the frames of Motion JPEG, one in so many is decoded by FFmpeg too, for its colours
MOST_APART = 3  # grey levels between two decoders that read the same picture; each rounds by itself, twice


def jpeg_luma(frame: bytes, out: Pixels) -> Pixels:
    """Decode the first component of a grey or YCbCr JPEG into `out`, (H, W), one row after another, and return it.

    The stream must be of that very size, as its `is_plain` header states: libjpeg's rows are not held against it. A
    tenth faster than Image.open, which reads the header anew, and than the copies on the way from there to an array.
    Raises ValueError.
    """
    image = Image.frombuffer("L", (out.shape[1], out.shape[0]), out, "raw", "L", 0, 1)  # shares the memory
    image.frombytes(frame, "jpeg", "L", "")
    return out


def has_luma(stream: CodeStream) -> bool:
    """Tell whether `jpeg_luma` decodes a stream: its first component is its luma, and its header is beyond doubt."""
    return stream.kind == "jpeg" and stream.is_plain and (stream.components == 1 or stream.is_ycc)


class MotionJpeg:
    """Pillow's decoder for a stream of Motion JPEG, for as long as it agrees with FFmpeg's."""

    def __init__(self, stream: VideoStream, opened: Opened) -> None:
        """Trust it until FFmpeg says otherwise. opened: where the frames are wanted."""
        context = stream.codec_context
        self._size = (context.height, context.width)
        self._opened = opened
        self._parsed = Parser()
        self._is_trusted = context.name == "mjpeg"

    def luma(self, packet: av.Packet[VideoStream], number: int) -> Pixels | None:
        """Return the picture of a packet, (H, W); None where FFmpeg is to decode it: it knows fields and odd tables.

        number: of the frame, from 0. Where one that FFmpeg decodes too is not decoded here, none of the rest is.
        """
        is_whole = bool(packet.size) and not packet.is_corrupt and not packet.is_discard
        found = self._decoded(bytes(packet)) if self._is_trusted and is_whole else None
        self._is_trusted &= found is not None or number % CHECK_EVERY != 0
        return found

    def _decoded(self, data: bytes) -> Pixels | None:
        stream = self._parsed(data)
        if stream is None or not has_luma(stream) or (stream.height, stream.width) != self._size or not is_ended(data):
            return None
        try:
            return jpeg_luma(data, self._opened.place(*self._size))
        except ValueError:
            return None

    def agrees(self, luma: Pixels, packet: av.Packet[VideoStream], frame: av.VideoFrame, other: Pixels) -> bool:
        """Tell whether FFmpeg makes the same of a packet; if not, all that follows is left to it.

        other: (H, W), the frame's luma in full range, turned upright.
        """
        is_alike = frame.pts == packet.pts and not frame.rotation and not np.may_share_memory(luma, other)
        self._is_trusted = is_alike and luma.shape == other.shape and _apart(luma, other) <= MOST_APART
        return self._is_trusted


def _apart(one: Pixels, other: Pixels) -> int:
    return int((np.maximum(one, other) - np.minimum(one, other)).max())
