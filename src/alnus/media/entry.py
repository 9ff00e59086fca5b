"""One video into one entry of the cine store: decoded once, judged, cropped, masked, checksummed, whole or not at all.

The entry's folder is written under a temporary name and renamed when it is complete. Nothing in it but the frames
comes from the file's header as text.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from alnus.media.checksum import file_checksum
from alnus.media.cine import Box, Times
from alnus.media.colour import Pixels, luma_of
from alnus.media.dicom_out import dicom_findings
from alnus.media.frames_file import FramesFile, FramesWriter, StoreWriteError, finished, writing
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Opened, settled_times
from alnus.media.opening import foreign_faults, open_frames, read_cine
from alnus.media.quality import Finding, Observed, Observer, exclusion, only_warnings
from alnus.media.refusal import Refused, quiet
from alnus.media.rules import Rules
from alnus.media.sources import (
    Excluded,
    IngestItem,
    check_keyframe,
    entry_key,
    source_sha256,
    source_state,
    unusable_still,
)
from alnus.media.store import FRAMES, IMAGE, META, PARTIAL
from alnus.media.stored import FORMAT
from alnus.media.view import Seen, View, blackened, judged, look, stated_region, written_box
from alnus.provenance import write_json

__all__ = ["IngestItem", "StoreWriteError", "ingest_one"]


@dataclass(frozen=True)
class _Decoded:
    """What was seen and written of a file whose frames are exhausted. box: of the whole frame, what is written."""

    opened: Opened
    times_s: Times
    is_rate_stated: bool
    observed: Observed
    box: Box
    file: FramesFile

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole frame."""
        height, width = self.observed.size
        return width, height


def ingest_one(item: IngestItem, store: Path, *, limits: DecodeLimits, rules: Rules | None = None) -> dict[str, Any]:
    """Decode one video into the store and return its meta data. Raises Refused, or StoreWriteError.

    A cine is decoded and written frame by frame: memory holds a fixed number of frames, whatever the cine's length.
    """
    partial = store / f".{entry_key(item)}.{os.getpid()}{PARTIAL}"
    with writing(store):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    try:
        meta = _filled(item, partial, limits, rules or Rules())
        with writing(store):
            _put_in_place(partial, store / entry_key(item))
        return meta
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _filled(item: IngestItem, folder: Path, limits: DecodeLimits, rules: Rules) -> dict[str, Any]:
    state = source_state(item)  # before reading: a source that changes meanwhile is read again by the next run
    with foreign_faults(), quiet():
        opened = open_frames(item.path, limits=limits, colours="luma", threads=1)
        checksums: dict[str, str | None] = {"source_sha256": source_sha256(item.path)}
        decoded = _decoded(opened, item, folder)
    check_keyframe(item, len(decoded.times_s))
    seen = look(decoded.opened, decoded.observed, item.roi, decoded.box)
    findings = _judged(decoded, seen, rules)
    with writing(folder.parent):
        file = finished(decoded.file, box=seen.view.box, within=decoded.box, keep=seen.view.keep)
    checksums |= _write_still(item, seen.view, decoded.size, folder, limits)
    meta = _meta(item, decoded, seen) | checksums | {"source": state, "checksum": file.checksum}
    meta |= {"rules": rules.fingerprint(), "dicom": rules.dicom_state(item.patient)}
    meta["findings"] = [asdict(found) for found in findings] + dicom_findings(item, rules, limits)
    with writing(folder.parent):
        meta["frames_bytes"] = file.path.stat().st_size
        write_json(folder / META, meta)
    return meta


def _judged(decoded: _Decoded, seen: Seen, rules: Rules) -> list[Finding]:
    """Return what the quality gate warns of. Raises Excluded for what it excludes."""
    findings = judged(
        decoded.opened,
        decoded.observed,
        seen,
        frame_rate_hz=_rate_hz(decoded.times_s) if decoded.is_rate_stated else None,
        config=rules.quality,
    )
    if not rules.gate:
        return only_warnings(findings)
    reason = exclusion(findings)
    if reason is not None:
        code = next(found.code for found in findings if found.severity == "exclude")
        raise Excluded(reason, code=code, findings=[asdict(found) for found in findings])
    return findings


def _decoded(opened: Opened, item: IngestItem, folder: Path) -> _Decoded:
    """Watch the frames and write them, cropped already where the file states its region."""
    times_s: list[float] = []
    box, is_whole, observer = Box(0, 0, 0, 0), False, Observer(1, 1)
    region = stated_region(opened)
    with writing(folder.parent):
        writer = FramesWriter(folder / FRAMES, expected=None if region is None else opened.frame_count)
    try:
        for time_s, frame in opened.frames:
            if not times_s:
                observer = Observer(*frame.shape)
                box = written_box((frame.shape[1], frame.shape[0]), region, item.roi, opened.notes)
                is_whole = box == Box(0, 0, frame.shape[1], frame.shape[0])
                opened.room = writer.room if is_whole else opened.room
            with writing(folder.parent):
                held = writer.add(frame[box.y : box.y + box.h, box.x : box.x + box.w])
            observer.add(frame if held is None or not is_whole else held, lasts=held is not None and is_whole)
            times_s.append(time_s)
        with writing(folder.parent):
            written = writer.written()
    finally:
        writer.close()
    is_stated = opened.frame_rate_hz is not None or bool(np.isfinite(times_s).all())
    observed = observer.observed(written.held if is_whole else None)
    return _Decoded(opened, settled_times(times_s, opened), is_stated, observed, box, written)


def _write_still(
    item: IngestItem, view: View, full: tuple[int, int], folder: Path, limits: DecodeLimits
) -> dict[str, str | None]:
    """Write the chosen still and return the checksums of its source and of what is written. Raises Refused."""
    if item.image is None:
        return {"image_sha256": None, "still_checksum": None}
    image = _still(item.image, view, full, limits)
    with foreign_faults():
        source = source_sha256(item.image)
    with writing(folder.parent):
        np.save(folder / IMAGE, image, allow_pickle=False)
        return {"image_sha256": source, "still_checksum": file_checksum(folder / IMAGE)}


def _still(path: Path, view: View, full: tuple[int, int], limits: DecodeLimits) -> Pixels:
    """Return the chosen still's luma (H, W): cropped and masked as the cine where both are of one size."""
    try:
        cine = read_cine(path, limits=replace(limits, max_frames=1))
    except Refused as refused:
        raise unusable_still(refused) from None
    frame = cine.frames[0]
    luma = luma_of(frame) if frame.ndim == 3 else frame
    whole = Box(0, 0, luma.shape[1], luma.shape[0])
    return blackened(luma, view if (whole.w, whole.h) == full else View(cine.region or whole))


def _rate_hz(times_s: Times) -> float | None:
    """Return the rate of the median interval; None for one frame, or where it is beyond all numbers."""
    interval_s = _interval_s(times_s)
    return 1 / interval_s if interval_s and isfinite(1 / interval_s) else None


def _interval_s(times_s: Times) -> float | None:
    return float(median(np.diff(times_s))) if len(times_s) > 1 else None


def _meta(item: IngestItem, decoded: _Decoded, seen: Seen) -> dict[str, Any]:
    opened, times_s, view = decoded.opened, decoded.times_s, seen.view
    return {
        "format": FORMAT,
        "video": item.video,
        "kind": opened.kind,
        "frames": len(times_s),
        "height": view.box.h,
        "width": view.box.w,
        "crop": asdict(view.box),
        "region": seen.facts,
        "frame_times_s": times_s.tolist(),
        "duration_s": float(times_s[-1]) + (_interval_s(times_s) or 0.0),
        "frame_rate_hz": _rate_hz(times_s),
        "spacing_mm": opened.spacing_mm,
        "phantom": opened.phantom,
        "notes": opened.notes,
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
