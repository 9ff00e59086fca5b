"""First step: the file, decoded in a process that may be lost, becomes a cine of the store, without identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlmodel import Session, select

from alnus.errors import MediaError
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.pool import Worker
from alnus.media.rules import Rules
from alnus.media.sources import IngestItem, entry_key
from alnus.media.store import META, CineStore, StoreEntry, write_index
from alnus.media.stored import stored_row
from alnus.media.tasks import task_of
from alnus.serve.database.tables import Video
from alnus.serve.room import Folders, Room

NAME = "cine"  # of the one video in its store: no file's name is kept


def ingest(room: Room, decoder: Worker, video_id: str) -> Callable[[Session], None]:
    """Decode a received file into its store; the outcome writes what was seen. Raises MediaError for a refusal."""
    with room.database.reading() as session:
        video = session.exec(select(Video).where(Video.id == video_id)).one()
    entry, findings, kind = _ingested(room.folders, decoder, video.sha256)

    def write(session: Session) -> None:
        found = session.get_one(Video, video_id)
        found.kind, found.findings, found.is_phantom = kind, findings, entry.phantom
        found.frames, found.height, found.width = entry.frames, entry.height, entry.width
        found.frame_rate_hz = entry.frame_rate_hz
        found.spacing_row_mm, found.spacing_col_mm = entry.spacing_row_mm, entry.spacing_col_mm
        session.add(found)

    return write


def cine_store(folders: Folders, sha256: str) -> CineStore:
    """Return the store that holds a video, under the name "cine"."""
    return CineStore(folders.cine(sha256))


def _ingested(folders: Folders, decoder: Worker, sha256: str) -> tuple[StoreEntry, list[dict[str, str]], str | None]:
    store = folders.cine(sha256)
    item = IngestItem(NAME, folders.blob(sha256))
    store.mkdir(parents=True, exist_ok=True)
    answer = decoder.ask(task_of(item, store, DEFAULT_LIMITS, Rules()))
    if "refused" in answer:
        raise MediaError(str(answer["refused"]))
    row = stored_row(store / entry_key(item))
    if "store" in answer or row is None:
        raise OSError("the cine cannot be written")
    write_index(store, [row])
    meta: dict[str, Any] = json.loads((store / row.key / META).read_text(encoding="utf-8"))
    return row, list(meta.get("findings", [])), meta.get("kind")
