"""What a written entry of the cine store holds, and whether it is still whole and still of its sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alnus.errors import MediaError
from alnus.media.checksum import file_checksum
from alnus.media.sources import IngestItem, entry_key, source_state
from alnus.media.store import FRAMES, IMAGE, META, NOTE_SEPARATOR, StoreEntry, cells_of, mapped, parsed_row

FORMAT = 4  # 2 has the sources' checksums, 3 the mask, the findings and the stored still's, 4 XXH3 of what is stored


def stored_meta(store: Path, item: IngestItem, *, rules: str) -> dict[str, Any] | None:
    """Return the meta data of an item's entry where it is whole and its sources are unchanged, else None.

    rules: what it must have been ingested by. The frames are read and held against their checksum. Raises Refused
    where a source is gone.
    """
    folder = store / entry_key(item)
    state = source_state(item)
    meta, row = read_meta(folder), stored_row(folder)
    if meta is None or row is None or row.video != item.video or row.has_image != (item.image is not None):
        return None
    if meta.get("format") != FORMAT or meta.get("source") != state or meta.get("rules") != rules:
        return None
    return meta if _frames_are_whole(folder / FRAMES, row) and _image_is_whole(folder / IMAGE, row) else None


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
        return file_checksum(path) == row.checksum and mapped(path).shape == (row.frames, row.height, row.width)
    except (OSError, MediaError):
        return False


def _image_is_whole(path: Path, row: StoreEntry) -> bool:
    try:
        return not row.has_image or file_checksum(path) == row.still_checksum
    except OSError:
        return False


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
        checksum=meta["checksum"],
        source_sha256=meta["source_sha256"],
        image_sha256=meta["image_sha256"],
        still_checksum=meta["still_checksum"],
        phantom=meta["phantom"],
        has_image=has_image,
        notes=NOTE_SEPARATOR.join(meta["notes"]),
    )
