"""Still images as cines: one picture, the pages of a TIFF, or a folder of frames in natural order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from math import nan
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from alnus.media.colour import Pixels, Space, in_colours, notice_colour
from alnus.media.containers import STILLS, files_of, first_bytes, sniffed, stated_pages
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Colours, Opened
from alnus.media.refusal import COPY_AGAIN, Refused

_FORMATS = [name.upper() for name in STILLS]


def open_still(path: Path, *, limits: DecodeLimits, colours: Colours) -> Opened:
    """Open a PNG, JPEG, BMP or TIFF as a cine of one frame (a TIFF: one a page). Raises Refused."""
    with path.open("rb") as stream:
        pages = stated_pages(stream, at_most=limits.max_frames + 1)
    limits.check_count(pages, 1, 1)  # pillow reads each page's header to count them
    _checked_size(path, limits)
    opened = Opened("image", iter(()))
    opened.frames = ((nan, frame) for frame in _pages(path, limits, colours, opened))
    return opened


def open_folder(path: Path, *, limits: DecodeLimits, colours: Colours) -> Opened:
    """Open the images of a folder, in natural order of their names, as a cine. Raises Refused.

    Hidden files and files that are no images are left out; their number is noted.
    """
    names = _files(path, limits)
    images = sorted((entry for entry in names if _is_still(entry)), key=lambda entry: natural_key(entry.name))
    if not images:
        raise Refused("the directory holds no PNG, JPEG, BMP or TIFF frames; name a video, or a folder of frames")
    width, height = _checked_size(images[0], limits)
    limits.check_count(len(images), width, height)
    opened = Opened("frames", iter(()))
    opened.frames = _folder_frames(images, (width, height), limits, colours, opened)
    if len(images) < len(names):
        opened.notes.append(f"{len(names) - len(images)} files of the folder are no images and were left out")
    return opened


def _files(folder: Path, limits: DecodeLimits) -> list[Path]:
    """Return a folder's files that are not hidden. Raises Refused where they are too many to look at each."""
    most = 2 * limits.max_frames
    names = (entry.name for entry in files_of(folder) if not entry.name.startswith("."))
    files = [folder / name for name in islice(names, most + 1)]
    if len(files) > most:
        raise Refused(f"the directory holds more than {most} files; give one of a cine's frames")
    return files


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts frame2 before frame10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _is_still(path: Path) -> bool:
    try:
        return sniffed(first_bytes(path)) in STILLS
    except Refused:
        return False


def _checked_size(path: Path, limits: DecodeLimits) -> tuple[int, int]:
    """Return (width, height) from the header alone. Raises Refused where it is too large or no image."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            limits.check_size(*image.size)
            limits.check_count(_page_count(image), *image.size)
            return image.size
    except Image.DecompressionBombError:  # pillow's own bound, twice 89 million pixels
        raise Refused(f"its picture is larger than {limits.max_side_px} pixels a side") from None
    except (OSError, SyntaxError, ValueError):  # UnidentifiedImageError is an OSError
        raise Refused(f"its image header cannot be read; {COPY_AGAIN}") from None


def _folder_frames(
    images: list[Path], size: tuple[int, int], limits: DecodeLimits, colours: Colours, opened: Opened
) -> Iterator[tuple[float, Pixels]]:
    for number, path in enumerate(images, start=1):
        found = _checked_size(path, limits)
        if found != size:
            raise Refused(
                f"frame {number} of the folder is {found[0]}x{found[1]} pixels, the first {size[0]}x{size[1]};"
                " keep the frames of one cine in it"
            )
        yield nan, next(_pages(path, limits, colours, opened, number=number - 1))


def _pages(path: Path, limits: DecodeLimits, colours: Colours, opened: Opened, *, number: int = 0) -> Iterator[Pixels]:
    """Yield the pages of a file, the first of which is frame `number` of the cine, from 0."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            for page in range(_page_count(image)):
                image.seek(page)
                limits.check_size(*image.size)
                pixels, space = _pixels(image)
                if colours == "luma":
                    notice_colour(opened, number + page, pixels, space)
                yield in_colours(pixels, space, colours)
    except (OSError, SyntaxError, EOFError) as error:  # pillow's ways to say that the data are cut or broken
        raise Refused(f"its image data are damaged or cut ({type(error).__name__}); {COPY_AGAIN}") from None


def _page_count(image: Image.Image) -> int:
    """Return the number of frames: of a phone's photo the picture alone, not what is attached for display."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _pixels(image: Image.Image) -> tuple[Pixels, Space]:
    """Return the picture as 8-bit grey or RGB; 16-bit greys keep their upper byte, transparency is dropped."""
    if image.mode.startswith("I"):
        return (np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8), "grey"
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("L", "1", "LA"):
        return np.asarray(upright.convert("L")), "grey"
    return np.asarray(upright.convert("RGB")), "rgb"
