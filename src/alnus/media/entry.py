"""One video into one entry of the cine store: decoded once, cropped, grey, checksummed, whole or not at all.

The entry's folder is written under a temporary name and renamed when it is complete. Nothing in it but the frames
comes from the file's header as text.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from io import FileIO
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.lib import format as npy

from alnus.errors import MediaError
from alnus.media.cine import Box, Times
from alnus.media.colour import Pixels, luma_of
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Opened, settled_times
from alnus.media.opening import foreign_faults, open_frames, read_cine
from alnus.media.refusal import Refused, quiet
from alnus.media.store import FRAMES, IMAGE, META, NOTE_SEPARATOR, StoreEntry, cells_of, mapped, parsed_row
from alnus.provenance import file_sha256, write_json

FORMAT = 2  # 2 has the checksums of the sources
PARTIAL = ".partial"  # suffix of the folder of an entry that is being written


@dataclass(frozen=True)
class IngestItem:
    """A video to ingest. video: its name in the cohort table; path: where it lies; roi: pixels of the whole frame."""

    video: str
    path: Path
    roi: Box | None = None
    image: Path | None = None
    keyframe: int | None = None


class StoreWriteError(MediaError):
    """The store cannot be written: the disk is full or forbids it. No file's fault, so ingestion stops."""


def entry_key(item: IngestItem) -> str:
    """Return the name of an item's folder: from the table's text alone, never from the video's header."""
    roi = "" if item.roi is None else f"{item.roi.x},{item.roi.y},{item.roi.w},{item.roi.h}"
    return hashlib.sha256(f"{item.video}\n{roi}".encode("utf-8", "surrogateescape")).hexdigest()[:20]


def source_state(item: IngestItem) -> dict[str, Any]:
    """Return what tells whether an entry must be made anew: size and time of the sources, ROI. Raises Refused."""
    return {
        "video": _file_state(item.path, ""),
        "image": None if item.image is None else _file_state(item.image, "the still image cannot be used: "),
        "roi": None if item.roi is None else asdict(item.roi),
    }


def _file_state(path: Path, whose: str) -> dict[str, int]:
    """Return size in bytes and the time of the last change; of a folder, the sum and the latest."""
    try:
        states = [path.stat()]
        if path.is_dir():
            states += [entry.stat() for entry in os.scandir(path) if entry.is_file()]
    except (OSError, ValueError):
        raise Refused(f"{whose}there is no such file, or it cannot be opened") from None
    return {"size": sum(state.st_size for state in states), "mtime_ns": max(state.st_mtime_ns for state in states)}


def source_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; of a folder, that of its frames' names and contents.

    A folder's is what `LC_ALL=C; sha256sum * | sha256sum` prints in it: hidden files do not count, as in decoding.
    Call it on what a reader has accepted: a named pipe would never end. Raises OSError.
    """
    if not path.is_dir():
        return file_sha256(path)
    names = (os.fsencode(entry.name) for entry in os.scandir(path) if entry.is_file())
    lines = [
        b"%s  %s\n" % (file_sha256(path / os.fsdecode(name)).encode(), name)
        for name in sorted(names)
        if not name.startswith(b".")
    ]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def stored_meta(store: Path, item: IngestItem) -> dict[str, Any] | None:
    """Return the meta data of an item's entry where it is whole and its sources are unchanged, else None.

    The frames are read and held against their checksum. Raises Refused where a source is gone.
    """
    folder = store / entry_key(item)
    meta, row = read_meta(folder), stored_row(folder)
    if meta is None or row is None or row.video != item.video or row.has_image != (item.image is not None):
        return None
    if meta.get("format") != FORMAT or meta.get("source") != source_state(item):
        return None
    return meta if _frames_are_whole(folder / FRAMES, row) else None


def read_meta(folder: Path) -> dict[str, Any] | None:
    """Return what an entry's meta file holds, None where it is missing, damaged or no mapping."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return meta if isinstance(meta, dict) else None


def stored_row(folder: Path) -> StoreEntry | None:
    """Return the index row of an entry, None where its meta data lack a part of it or hold what the index cannot."""
    meta = read_meta(folder)
    if meta is None:
        return None
    try:
        row = index_row(folder.name, meta, has_image=(folder / IMAGE).exists())
        return row if parsed_row(cells_of(row)) == row else None
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _frames_are_whole(path: Path, row: StoreEntry) -> bool:
    try:
        return file_sha256(path) == row.sha256 and mapped(path).shape == (row.frames, row.height, row.width)
    except (OSError, MediaError):
        return False


def check_keyframe(item: IngestItem, frames: int) -> None:
    """Refuse a keyframe outside the cine. Raises Refused."""
    if item.keyframe is not None and not 0 <= item.keyframe < frames:
        raise Refused(f"keyframe {item.keyframe} is outside the cine, whose {frames} frames count from 0")


def ingest_one(item: IngestItem, store: Path, *, limits: DecodeLimits) -> dict[str, Any]:
    """Decode one video into the store and return its meta data. Raises Refused, or StoreWriteError.

    A cine is decoded and written frame by frame: memory holds one frame, whatever the cine's length.
    """
    partial = store / f".{entry_key(item)}.{os.getpid()}{PARTIAL}"
    with _writing(store):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        meta = _filled(item, partial, limits)
        with _writing(store):
            _put_in_place(partial, store / entry_key(item))
        return meta
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _writing(store: Path) -> Iterator[None]:
    """Turn an OSError from writing into StoreWriteError: reading faults never pass through here."""
    try:
        yield
    except OSError as error:
        raise StoreWriteError(
            f"{store}: the cine store cannot be written ({error.strerror or error}); free space and run again"
        ) from None


def _filled(item: IngestItem, folder: Path, limits: DecodeLimits) -> dict[str, Any]:
    state = source_state(item)  # before reading: a source that changes meanwhile is read again by the next run
    with foreign_faults(), quiet():
        opened = open_frames(item.path, limits=limits, colours="luma", threads=1)
        checksums: dict[str, str | None] = {"source_sha256": source_sha256(item.path), "image_sha256": None}
        times, crop, full = _write_frames(opened, item, folder)
    check_keyframe(item, len(times))
    if item.image is not None:
        image = _still(item.image, crop, full, limits)
        with foreign_faults():
            checksums["image_sha256"] = source_sha256(item.image)
        with _writing(folder.parent):
            np.save(folder / IMAGE, image, allow_pickle=False)
    meta = _meta(item, opened, times, crop, state) | checksums
    with _writing(folder.parent):
        meta["frames_bytes"] = (folder / FRAMES).stat().st_size
        meta["sha256"] = file_sha256(folder / FRAMES)
        write_json(folder / META, meta)
    return meta


def _write_frames(opened: Opened, item: IngestItem, folder: Path) -> tuple[Times, Box, tuple[int, int]]:
    """Write the cropped frames as .npy; return their times, the crop and the whole frame's (width, height)."""
    times_s: list[float] = []
    crop, size = Box(0, 0, 0, 0), (0, 0)
    with _writing(folder.parent):
        stream = (folder / FRAMES).open("wb", buffering=0)  # so that closing has nothing left to fail with
    with stream:
        for time_s, frame in opened.frames:
            if not times_s:
                size = (frame.shape[1], frame.shape[0])
                crop = crop_box(size, opened.region, item.roi, opened.notes)
            cut = frame[crop.y : crop.y + crop.h, crop.x : crop.x + crop.w]
            with _writing(folder.parent):
                if not times_s:
                    _write_header(stream, (0, *cut.shape))
                _write_whole(stream, np.ascontiguousarray(cut).data.cast("B"))
            times_s.append(time_s)
        with _writing(folder.parent):
            stream.seek(0)
            _write_header(stream, (len(times_s), crop.h, crop.w))
    return settled_times(times_s, opened), crop, size


def _write_whole(stream: FileIO, data: memoryview) -> None:
    """Write all of the data: an unbuffered write may take a part, as on a disk that is nearly full."""
    while data:
        data = data[stream.write(data) :]


def _write_header(stream: FileIO, shape: tuple[int, ...]) -> None:
    """Write .npy's header; it is as long for any number of frames, so it can be written again at the end."""
    npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})


def crop_box(size: tuple[int, int], region: Box | None, roi: Box | None, notes: list[str]) -> Box:
    """Return what is kept of a frame: the file's region, within it the table's ROI. Raises Refused.

    size: (width, height) of the frame. Both boxes count in pixels of the whole frame.
    """
    width, height = size
    kept = region or Box(0, 0, width, height)
    if roi is None:
        return kept
    if roi.x < 0 or roi.y < 0 or roi.w < 1 or roi.h < 1 or roi.x + roi.w > width or roi.y + roi.h > height:
        raise Refused(f"the ROI ({roi.x}, {roi.y}, {roi.w}x{roi.h}) is outside the {width}x{height} frame")
    left, top = max(roi.x, kept.x), max(roi.y, kept.y)
    right, bottom = min(roi.x + roi.w, kept.x + kept.w), min(roi.y + roi.h, kept.y + kept.h)
    if right <= left or bottom <= top:
        raise Refused(f"the ROI ({roi.x}, {roi.y}, {roi.w}x{roi.h}) lies outside the file's scanned region")
    box = Box(left, top, right - left, bottom - top)
    if box != roi:
        notes.append("the ROI reaches beyond the scanned region and was cut to it")
    return box


def _still(path: Path, crop: Box, full: tuple[int, int], limits: DecodeLimits) -> Pixels:
    """Return the chosen still's luma (H, W): cropped as the cine where both are of one size."""
    try:
        cine = read_cine(path, limits=replace(limits, max_frames=1))
    except Refused as refused:
        raise Refused(f"the still image cannot be used: {refused}") from None
    frame = cine.frames[0]
    luma = luma_of(frame) if frame.ndim == 3 else frame
    whole = Box(0, 0, luma.shape[1], luma.shape[0])
    box = crop if (whole.w, whole.h) == full else cine.region or whole
    return np.ascontiguousarray(luma[box.y : box.y + box.h, box.x : box.x + box.w])


def _meta(item: IngestItem, opened: Opened, times: Times, crop: Box, state: dict[str, Any]) -> dict[str, Any]:
    interval_s = float(median(np.diff(times))) if len(times) > 1 else None
    rate_hz = 1 / interval_s if interval_s and isfinite(1 / interval_s) else None
    return {
        "format": FORMAT,
        "video": item.video,
        "kind": opened.kind,
        "frames": len(times),
        "height": crop.h,
        "width": crop.w,
        "crop": asdict(crop),
        "frame_times_s": times.tolist(),
        "duration_s": float(times[-1]) + (interval_s or 0.0),
        "frame_rate_hz": rate_hz,
        "spacing_mm": opened.spacing_mm,
        "phantom": opened.phantom,
        "notes": opened.notes,
        "source": state,
    }


def _put_in_place(partial: Path, final: Path) -> None:
    """Give the finished folder its name; an entry of an older source makes way."""
    if final.exists():
        old = partial.with_name(f"{partial.name}.old{PARTIAL}")
        final.rename(old)
        partial.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(final)


def index_row(key: str, meta: dict[str, Any], *, has_image: bool) -> StoreEntry:
    """Return an entry's row of the index. Raises KeyError, TypeError or ValueError for foreign meta data."""
    row_mm, column_mm = meta["spacing_mm"] or (None, None)
    return StoreEntry(
        video=meta["video"],
        key=key,
        frames=meta["frames"],
        height=meta["height"],
        width=meta["width"],
        duration_s=round(meta["duration_s"], 6),
        frame_rate_hz=None if meta["frame_rate_hz"] is None else round(meta["frame_rate_hz"], 6),
        spacing_row_mm=row_mm,
        spacing_col_mm=column_mm,
        sha256=meta["sha256"],
        source_sha256=meta["source_sha256"],
        image_sha256=meta["image_sha256"],
        phantom=meta["phantom"],
        has_image=has_image,
        notes=NOTE_SEPARATOR.join(meta["notes"]),
    )
