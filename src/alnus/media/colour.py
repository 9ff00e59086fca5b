"""Brightness and colour of decoded frames: what is grey, and what the luma of a coloured frame is.

Source: ITU-R BT.601-7, sections 2.5.1 (luma) and 2.5.3 (video range 16-235); JFIF 1.02 (full-range YCbCr).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alnus.media.opened import Coloured, Colours

Pixels = NDArray[np.uint8]
Space = Literal["grey", "rgb", "ycc"]

# How far a pixel's chroma may stray before it counts as coloured: the grey clips of the covid19_pocus_ultrasound
# collection stray by up to 9 through compression and a faintly tinted grey map, a coloured mark by 60 and more.
CHROMA_TOLERANCE = 16
COLOURED_SHARE = 1e-4  # of a frame's pixels; a 640x480 frame with 31 coloured pixels or more is coloured

_EXPAND = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def expanded(luma: Pixels) -> Pixels:
    """Return video-range luma (black 16, white 235) as full range (0, 255)."""
    return np.take(_EXPAND, luma)


def any_colour(chroma: Pixels) -> bool:
    """Tell whether chroma samples (128 = none; any shape, any subsampling) hold colours."""
    strays = (chroma - np.uint8(128 - CHROMA_TOLERANCE)) > 2 * CHROMA_TOLERANCE  # below the band wraps to large
    return bool(strays.sum() > COLOURED_SHARE * strays.size)


def _rgb_has_colour(rgb: Pixels) -> bool:
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all():
        return False
    strays = rgb.max(axis=-1) - rgb.min(axis=-1) > 2 * CHROMA_TOLERANCE  # full swing is twice chroma's
    return bool(strays.sum() > COLOURED_SHARE * strays.size)


def luma_of(rgb: Pixels) -> Pixels:
    """Return the BT.601 luma (H, W) of an RGB frame (H, W, 3); a grey pixel keeps its value exactly."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).convert("L"))


def in_colours(pixels: Pixels, space: Space, colours: Colours) -> Pixels:
    """Return a frame as the reader was asked for it.

    pixels: (H, W) grey, or (H, W, 3) RGB or full-range YCbCr. Raises Coloured.
    """
    if colours == "rgb":
        return _as_rgb(pixels, space)
    if space == "grey":
        return pixels
    if colours == "grey" and (_rgb_has_colour(pixels) if space == "rgb" else any_colour(pixels[..., 1:])):
        raise Coloured
    return pixels[..., 0] if space == "ycc" else luma_of(pixels)


def _as_rgb(pixels: Pixels, space: Space) -> Pixels:
    if space == "grey":
        return np.repeat(pixels[..., None], 3, axis=-1)
    if space == "ycc":
        return np.asarray(Image.frombytes("YCbCr", pixels.shape[1::-1], pixels.tobytes()).convert("RGB"))
    return pixels
