"""The files that an entry of the cine store is made from: which they are, and whether they have changed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alnus.media.cine import Box
from alnus.media.containers import files_of
from alnus.media.refusal import Refused
from alnus.provenance import file_sha256

UNREADABLE = "unreadable"  # the code of every refusal that has none of its own


@dataclass(frozen=True)
class IngestItem:
    """A video to ingest. video: its name in the cohort table; path: where it lies; roi: pixels of the whole frame.

    patient: the study's own id, from which de-identified DICOM gets its pseudonym; None: from the header.
    """

    video: str
    path: Path
    roi: Box | None = None
    image: Path | None = None
    keyframe: int | None = None
    patient: str | None = None


class Excluded(Refused):
    """A video is left out for a reason that has a code of its own; every other Refused counts as "unreadable".

    findings: what the quality gate says beside it.
    """

    def __init__(self, reason: str, *, code: str, findings: list[dict[str, str]] | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.findings = findings or []


def entry_key(item: IngestItem) -> str:
    """Return the name of an item's folder: from the table's text alone, never from the video's header."""
    roi = "" if item.roi is None else f"{item.roi.x},{item.roi.y},{item.roi.w},{item.roi.h}"
    return hashlib.sha256(f"{item.video}\n{roi}".encode("utf-8", "surrogateescape")).hexdigest()[:20]


def check_keyframe(item: IngestItem, frames: int) -> None:
    """Refuse a keyframe outside the cine. Raises Excluded."""
    if item.keyframe is not None and not 0 <= item.keyframe < frames:
        reason = (
            f"keyframe {item.keyframe} is outside the cine, whose {frames} frames count from 0; correct it in the table"
        )
        raise Excluded(reason, code="keyframe_outside")


def source_state(item: IngestItem) -> dict[str, Any]:
    """Return what tells whether an entry must be made anew: size and time of the sources, ROI. Raises Refused."""
    return {
        "video": _file_state(item.path),
        "image": None if item.image is None else _still_state(item.image),
        "roi": None if item.roi is None else asdict(item.roi),
    }


def _still_state(path: Path) -> dict[str, int]:
    try:
        return _file_state(path)
    except Refused as refused:
        raise unusable_still(refused) from None


def unusable_still(refused: Refused) -> Excluded:
    """Return the reason against a video whose still cannot be used."""
    return Excluded(f"the still image cannot be used: {refused}", code="still_unusable")


def _file_state(path: Path) -> dict[str, int]:
    """Return size in bytes and the time of the last change; of a folder, the sum and the latest."""
    try:
        states = [path.stat()]
        if path.is_dir():
            states += [entry.stat() for entry in files_of(path)]
    except (OSError, ValueError):
        raise Refused("there is no such file, or it cannot be opened; correct its path or permissions") from None
    return {"size": sum(state.st_size for state in states), "mtime_ns": max(state.st_mtime_ns for state in states)}


def source_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; of a folder, that of its frames' names and contents.

    A folder's is what `LC_ALL=C; sha256sum * | sha256sum` prints in it: hidden files do not count, as in decoding.
    Call it on what a reader has accepted: a named pipe would never end. Raises OSError.
    """
    if not path.is_dir():
        return file_sha256(path)
    names = (os.fsencode(entry.name) for entry in files_of(path))
    lines = [
        b"%s  %s\n" % (file_sha256(path / os.fsdecode(name)).encode(), name)
        for name in sorted(names)
        if not name.startswith(b".")
    ]
    return hashlib.sha256(b"".join(lines)).hexdigest()
