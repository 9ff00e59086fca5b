"""Brightness and colour of decoded frames: what is grey, and what the luma of a coloured frame is.

Source: ITU-R BT.601-7, sections 2.5.1 (luma) and 2.5.3 (video range 16-235); JFIF 1.02 (full-range YCbCr).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alnus.media.opened import Coloured, Colours, Opened

Pixels = NDArray[np.uint8]
Hues = NDArray[np.complex64]
Space = Literal["grey", "rgb", "ycc"]

# How far a pixel's chroma may stray before it counts as coloured: the grey clips of the covid19_pocus_ultrasound
# collection stray by up to 9 through compression and a faintly tinted grey map, a coloured mark by 60 and more.
CHROMA_TOLERANCE = 16
COLOURED_SHARE = 1e-4  # of a frame's pixels; a 640x480 frame with 31 coloured pixels or more is coloured

CELL_PX = 8  # side of the cells in which colour is looked for
BLOCK_BYTES = 1 << 18  # of a frame are stretched at a time, within the processor's cache
LOOK_EVERY = 8  # of the frames, one in so many is looked at for colour; a Doppler window or a mark lasts longer


def expanded(luma: Pixels, *, out: Pixels | None = None) -> Pixels:
    """Return video-range luma (H, W; black 16, white 235) as full range (0, 255), rounded, in `out` where given.

    255 / 219 is 85 / 73, which is 1 + 12 / 73. Of w, the level above black and 2 more, (w - w // 73) // 6 is 12 / 73 of
    the level, rounded, and 2 more: bytes suffice, of which the processor reckons 32 and more at once.
    """
    height, width = luma.shape
    found = np.empty((height, width), np.uint8) if out is None else out
    rows = max(1, BLOCK_BYTES // max(1, width))
    spare = np.empty((min(rows, height), width), np.uint8)
    for top in range(0, height, rows):
        more = found[top : top + rows]
        above = spare[: len(more)]
        np.clip(luma[top : top + rows], np.uint8(16), np.uint8(235), out=above)
        np.subtract(above, np.uint8(14), out=above)
        np.floor_divide(above, np.uint8(73), out=more)
        np.subtract(above, more, out=more)
        np.floor_divide(more, np.uint8(6), out=more)
        np.add(more, above, out=more)
        np.subtract(more, np.uint8(2), out=more)
    return found


def any_colour(chroma: Pixels) -> bool:
    """Tell whether chroma samples (128 = none; any shape, any subsampling) hold colours."""
    strays = (chroma - np.uint8(128 - CHROMA_TOLERANCE)) > 2 * CHROMA_TOLERANCE  # below the band wraps to large
    return bool(strays.sum() > COLOURED_SHARE * strays.size)


def _rgb_has_colour(rgb: Pixels) -> bool:
    if (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all():
        return False
    strays = rgb.max(axis=-1) - rgb.min(axis=-1) > 2 * CHROMA_TOLERANCE  # full swing is twice chroma's
    return bool(strays.sum() > COLOURED_SHARE * strays.size)


def notice_colour(opened: Opened, number: int, pixels: Pixels, space: Space) -> None:
    """Look at a frame for colour where it is one of those looked at, and keep the strongest in `opened.chroma`.

    number: of the frame, from 0. pixels: (H, W) or (H, W, 3), as decoded.
    """
    if number % LOOK_EVERY == 0 and space != "grey":
        keep_colour(opened, departure(pixels, space), _hues(pixels, space))


def keep_colour(opened: Opened, cells: Pixels, hues: Hues) -> None:
    """Keep the larger of what was seen and what is seen now, and all hues. hues: of some pixels, none of grey ones."""
    opened.chroma = cells if opened.chroma is None else np.maximum(opened.chroma, cells)
    strength = np.abs(hues)
    coloured = strength >= CHROMA_TOLERANCE
    opened.hue_sum += complex((hues[coloured] / strength[coloured]).sum())
    opened.hue_count += int(np.count_nonzero(coloured))


def notice_chroma(opened: Opened, blue: Pixels, red: Pixels, *, cell: tuple[int, int] = (CELL_PX, CELL_PX)) -> None:
    """Keep the colours of a frame's chroma planes. cell: (rows, columns) of a cell in them, fewer where subsampled."""
    if opened.chroma is not None and not _any_chroma(blue) and not _any_chroma(red):
        return
    hues = chroma_hues(*(plane[cell[0] // 2 :: cell[0], cell[1] // 2 :: cell[1]] for plane in (blue, red)))
    keep_colour(opened, chroma_departure((blue, red), cell), hues)


def _any_chroma(plane: Pixels) -> bool:
    """Tell whether chroma samples differ at all from 128, which is none."""
    return bool(plane.min() != 128 or plane.max() != 128)


def _hues(pixels: Pixels, space: Literal["rgb", "ycc"]) -> Hues:
    """Return the colour of a pixel in each cell as a vector: its angle is the hue, its length twice the chroma."""
    cells = pixels[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX].astype(np.float32)
    if space == "ycc":
        return chroma_hues(cells[..., 1], cells[..., 2])
    red, green, blue = cells[..., 0], cells[..., 1], cells[..., 2]
    return np.asarray(red - (green + blue) / 2 + 1j * (3**0.5 / 2) * (green - blue), np.complex64)


def chroma_hues(blue: NDArray[np.floating[Any]] | Pixels, red: NDArray[np.floating[Any]] | Pixels) -> Hues:
    """Return the same of chroma samples (128 = none)."""
    return np.asarray(2 * (red.astype(np.float32) - 128) + 2j * (128 - blue.astype(np.float32)), np.complex64)


def departure(pixels: Pixels, space: Literal["rgb", "ycc"]) -> Pixels:
    """Return how far the most coloured pixel of each cell is from grey: 0 grey, 255 a pure colour.

    pixels: (H, W, 3). RGB: the largest less the smallest component. YCbCr: twice the larger chroma's distance from 128.
    Returns (ceil(H / 8), ceil(W / 8)).
    """
    if space == "ycc":
        return chroma_departure((pixels[..., 1], pixels[..., 2]), (CELL_PX, CELL_PX))
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return cell_maximum(high - low, (CELL_PX, CELL_PX))


def chroma_departure(planes: Iterable[Pixels], cell: tuple[int, int]) -> Pixels:
    """Return the same of chroma planes; cell: (rows, columns) of a cell in their samples, fewer where subsampled."""
    strays = (_from_middle(plane) for plane in planes)
    return np.minimum(cell_maximum(np.maximum(*strays), cell), 127) * np.uint8(2)


def _from_middle(plane: Pixels) -> Pixels:
    middle = np.full(plane.shape[-1], 128, np.uint8)  # a row of them: seven times as fast as the number
    found = np.maximum(plane, middle)
    found -= np.minimum(plane, middle)
    return found


def cell_maximum(values: Pixels, cell: tuple[int, int]) -> Pixels:
    """Return the largest value of each cell; those at the right and lower edges may be smaller than the rest."""
    return _strided_maximum(_strided_maximum(values, cell[0]).T, cell[1]).T


def _strided_maximum(values: Pixels, step: int) -> Pixels:
    """Return the maximum of every `step` rows: ten times as fast as numpy's reduceat."""
    found = values[::step].copy()
    for start in range(1, min(step, len(values))):
        rows = values[start::step]
        np.maximum(found[: len(rows)], rows, out=found[: len(rows)])
    return found


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
