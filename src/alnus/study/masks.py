"""The lesion's masks that a cohort table names, laid on the stored frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence, UnidentifiedImageError

from alnus.errors import CohortError
from alnus.media import CineStore
from alnus.media.store import META

MOST_PIXELS = 4_000_000_000  # of all pages together: a cine of an hour, or a damaged header


@dataclass(frozen=True)
class LesionMasks:
    """masks: (T, height, width) of a stored cine, True in the lesion. known: (T,), the frames whose mask is one."""

    masks: NDArray[np.bool_]
    known: NDArray[np.bool_]


def read_masks(path: Path, store: CineStore, video: str, *, keyframe: int | None) -> LesionMasks:
    """Read an image file whose pixels above 0 are the lesion: one page a frame, or one page for the keyframe.

    The pages are as large as the video's frames, or as the stored ones. Raises CohortError for a file that cannot be
    read, is of another size, has another number of pages, or a single page of a video without a keyframe.
    """
    entry = store.entry(video)
    pages = _pages(path)
    if pages.shape[1:] != (entry.height, entry.width):
        pages = _cropped(pages, path, store.root / entry.key / META, (entry.height, entry.width))
    known = np.zeros(entry.frames, np.bool_)
    if len(pages) == entry.frames:
        known[:] = True
        return LesionMasks(pages, known)
    if len(pages) != 1 or keyframe is None:
        wanted = f"{entry.frames} pages, one a frame, or one page and a keyframe in the table"
        raise CohortError(f"{path}: holds {len(pages)} pages of masks; {wanted} are expected")
    known[keyframe] = True
    masks = np.zeros((entry.frames, entry.height, entry.width), np.bool_)
    masks[keyframe] = pages[0]
    return LesionMasks(masks, known)


def _pages(path: Path) -> NDArray[np.bool_]:
    """Return every page of an image, (pages, height, width), True above 0."""
    try:
        with Image.open(path) as image:
            if image.width * image.height * getattr(image, "n_frames", 1) > MOST_PIXELS:
                raise CohortError(f"{path}: is too large for masks ({image.width} x {image.height} pixels a page)")
            return np.stack([np.asarray(page.convert("L")) > 0 for page in ImageSequence.Iterator(image)])
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise CohortError(f"{path}: cannot be read as masks ({type(error).__name__}); give PNG or TIFF") from None


def _cropped(pages: NDArray[np.bool_], path: Path, meta: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Cut what was stored of the frames out of masks of the whole frames."""
    box = json.loads(meta.read_text(encoding="utf-8"))["crop"]
    top, left, height, width = box["y"], box["x"], box["h"], box["w"]
    if top + height > pages.shape[1] or left + width > pages.shape[2]:
        shape = f"{pages.shape[2]} x {pages.shape[1]}"
        raise CohortError(
            f"{path}: is {shape} pixels; masks are as large as the video's frames or {size[1]} x {size[0]}"
        )
    return pages[:, top : top + height, left : left + width]
