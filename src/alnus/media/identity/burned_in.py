"""Text in the pixels, as tesseract reads it: what stands still in a cine, and the brightest of every pixel.

Departures: reading is no proof of absence. Small, faint or slanted text is missed, and speckle is read as a word now
and then, so a find is a frame to look at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alnus.errors import UsageError
from alnus.media.identity.traces import Kind, Known
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opening import open_frames
from alnus.media.quality import Observer

Picture = NDArray[np.uint8]  # (height, width), grey

_TIMEOUT_S = 60
_SURE = 70.0  # tesseract's confidence, 0-100, below which speckle is read as text
_LETTERS, _DIGITS = 4, 5  # in a row, from which a word may be a name or a number an id
_LONG_SIDE = 1600  # px; smaller pictures are enlarged, letters of 8 px are too small for tesseract
_MOST_FRAMES = 32  # of a store's cine
_WORD = re.compile(rf"[^\W\d_]{{{_LETTERS},}}|\d{{{_DIGITS},}}|\d{{1,4}}[-./]\d{{1,2}}[-./]\d{{1,4}}")
# what machines burn in about themselves
_MACHINE = re.compile(
    r"depth|gain|freq|frame|frames|zoom|breast|axilla|abdomen|thyroid|lung|small|parts|"
    r"left|right|long|trans|general|power|focus|compound|dynamic|range|persist|harmonic|"
    r"linear|convex|sector|tissue|colour|color|doppler|cine|live|frozen|store|clip|probe|"
    r"dist|area|mean"
)


def ocr_available(ocr: Literal["auto"] | bool) -> bool:
    """Tell whether frames are read. Raises UsageError where they must be and tesseract is not installed."""
    installed = shutil.which("tesseract") is not None
    if ocr is True and not installed:
        raise UsageError(
            "tesseract is not installed, so burned-in text cannot be read; install it or leave ocr to auto"
        )
    return installed and ocr is not False


def ocr_note(ocr: Literal["auto"] | bool) -> str | None:
    """Return what to tell the user where frames are not read, else None."""
    if ocr_available(ocr):
        return None
    asked = "as asked" if ocr is False else "tesseract is not installed"
    return f"burned-in text was not looked for ({asked})"


def burned_in_finds(path: Path, known: Sequence[Known]) -> Iterator[tuple[str, Kind, str]]:
    """Yield text in a file's frames: known values of the sources first, else words and numbers long enough for one."""
    for place, picture in _pictures(path):
        words = _read(picture)
        bare = "".join(re.sub(r"[\W_]+", "", word.lower()) for word in words)
        for value in known:
            sought = re.sub(r"[\W_]+", "", value.text)
            if len(sought) >= _LETTERS and sought in bare:
                yield place, "burned-in", f"*** ({value.kind} of a source, {len(value.text)} characters)"
        for word in words:
            if _WORD.search(word) and not _MACHINE.fullmatch(word.strip(".,:;()").lower()):
                yield place, "burned-in", f"*** ({len(word)} characters)"


def _pictures(path: Path) -> Iterator[tuple[str, Picture]]:
    if path.suffix == ".npy":
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
        if frames.dtype != np.uint8 or frames.ndim not in (2, 3) or frames.size == 0:
            return
        frames = frames.reshape(-1, *frames.shape[-2:])
        chosen = frames[:: max(1, len(frames) // _MOST_FRAMES)]
        yield from _of_frames(iter(chosen), *frames.shape[1:])
        return
    if _is_a_plot(path):
        return
    opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
    luma = (frame for _, frame in opened.frames)
    first = next(luma)
    yield from _of_frames(_chained(first, luma), *first.shape[:2])


def _chained(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def _of_frames(frames: Iterator[Picture], height: int, width: int) -> Iterator[tuple[str, Picture]]:
    observer = Observer(height, width)
    for frame in frames:
        observer.add(np.asarray(frame))
    observed = observer.observed()
    yield "pixels", observed.median
    if observed.frames > 1:
        yield "pixels, brightest of all frames", observed.high


def _is_a_plot(path: Path) -> bool:
    """Tell a figure that matplotlib drew: it is full of words."""
    try:
        with Image.open(path) as picture:
            return "atplotlib" in str(picture.info.get("Software", ""))
    except OSError:
        return False


def _read(picture: Picture) -> list[str]:
    """Return the words that tesseract is sure of. Raises OSError or subprocess.SubprocessError where it fails."""
    scale = max(1, min(4, round(_LONG_SIDE / max(picture.shape))))
    image = Image.fromarray(np.asarray(picture))
    content = BytesIO()
    image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC).save(content, "PNG")
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "--psm", "11", "tsv"],
        input=content.getvalue(),
        capture_output=True,
        timeout=_TIMEOUT_S,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.decode("utf-8", "replace").splitlines()[1:]]
    return [row[11].strip() for row in rows if len(row) > 11 and row[11].strip() and float(row[10]) >= _SURE]
