"""The pixels of a frame that PyAV has decoded: its luma as it is coded, or its colours where they are asked for."""

from __future__ import annotations

import re

import av
import numpy as np

from alnus.media.colour import CELL_PX, Pixels, any_colour, expanded, in_colours, notice_chroma, notice_colour
from alnus.media.opened import Coloured, Colours, Opened

_PLANAR = re.compile(r"yuva?j?4\d\dp|nv12|nv16|nv21|nv24|gray")  # 8-bit formats whose first plane is luma
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_VIDEO_RANGE = 1  # AVCOL_RANGE_MPEG


def frame_pixels(frame: av.VideoFrame, colours: Colours, opened: Opened) -> Pixels:
    """Return a frame's luma in full range, (H, W), or its colours, (H, W, 3), as `colours` asks.

    opened: where luma is wanted that is stretched. Raises Coloured for a coloured frame where only grey is wanted.
    """
    name = frame.format.name
    if colours == "rgb" or frame.format.is_rgb or name.startswith(("pal", "mono", "gray1", "gray9")):
        if name.startswith(("gray", "mono")):
            return in_colours(_converted(frame, "gray"), "grey", colours)
        return in_colours(_converted(frame, "rgb24"), "rgb", colours)
    if not _PLANAR.fullmatch(name) or frame.planes[0].line_size < 0:  # more than 8 bits, packed, or bottom up
        frame = frame.reformat(format="yuv444p", dst_color_range=frame.color_range)
        name = "yuv444p"
    if colours == "grey" and any(any_colour(_plane(frame, k)) for k in range(1, len(frame.planes)) if k < 3):
        raise Coloured
    luma = _plane(frame, 0)
    if not _is_full_range(frame, name):
        return expanded(luma, out=opened.place(*luma.shape))
    return luma if colours == "luma" else luma.copy()  # who asks for luma looks at each frame once; a view holds all


def look_for_colour(frame: av.VideoFrame, opened: Opened) -> None:
    """Keep the frame's colours in `opened.chroma`, turned as the frame will be."""
    name = frame.format.name
    if name.startswith(("gray", "mono", "ya")):
        return
    if _PLANAR.fullmatch(name) and len(frame.planes) > 1 and frame.planes[0].line_size > 0:
        planes, across, down = _chroma(frame)
        upright = [turned(plane, frame.rotation) for plane in planes]
        cell = (CELL_PX // across, CELL_PX // down) if _is_sideways(frame) else (CELL_PX // down, CELL_PX // across)
        notice_chroma(opened, *upright, cell=cell)
    else:
        notice_colour(opened, 0, turned(_converted(frame, "rgb24"), frame.rotation), "rgb")


def _chroma(frame: av.VideoFrame) -> tuple[tuple[Pixels, Pixels], int, int]:
    """Return both chroma planes and how many pixels across and down share a sample."""
    if len(frame.planes) == 2:  # nv12 and its like: Cb and Cr alternate
        both = _plane(frame, 1)
        planes = both[:, 0::2], both[:, 1::2]
    else:
        planes = _plane(frame, 1), _plane(frame, 2)
    rows, columns = planes[0].shape
    return planes, -(-frame.width // columns), -(-frame.height // rows)


def _is_sideways(frame: av.VideoFrame) -> bool:
    return round(frame.rotation / 90) % 2 == 1


def _converted(frame: av.VideoFrame, pixel_format: str) -> Pixels:
    """Let FFmpeg convert a frame: (H, W) for "gray", (H, W, 3) for "rgb24"."""
    return np.asarray(frame.to_ndarray(format=pixel_format), np.uint8)


def _is_full_range(frame: av.VideoFrame, name: str) -> bool:
    """Tell 0-255 from 16-235; where the file does not say, YUV is 16-235 and grey is 0-255, as FFmpeg has it."""
    if name == "gray":
        return int(frame.color_range) != _VIDEO_RANGE
    return "j" in name or int(frame.color_range) == _FULL_RANGE


def _plane(frame: av.VideoFrame, index: int) -> Pixels:
    """Return a plane's samples (rows, columns) without the padding of its lines; a view of the frame's memory."""
    plane = frame.planes[index]
    columns = plane.width * (2 if frame.format.name.startswith("nv") and index == 1 else 1)
    samples = np.frombuffer(memoryview(plane), np.uint8)
    return samples.reshape(-1, plane.line_size)[: plane.height, :columns]


def turned(pixels: Pixels, rotation_degrees: int) -> Pixels:
    """Turn a frame upright as the display matrix of a phone's recording asks; counterclockwise, quarter turns."""
    turns = round(rotation_degrees / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
