"""Third step: the heat of every frame, and which frames the network weighed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, select

from alnus.errors import MediaError
from alnus.media.pool import Worker
from alnus.provenance import write_atomic
from alnus.serve.database.tables import Result, Video
from alnus.serve.room import Folders, Room
from alnus.serve.work.ingesting import cine_store
from alnus.serve.work.looking import look_at


def explain(room: Room, decoder: Worker, video_id: str) -> Callable[[Session], None]:
    """Explain each network's answer to a video; the outcome writes keyframe and importance."""
    with room.database.reading() as session:
        video = session.exec(select(Video).where(Video.id == video_id)).one()
    store = cine_store(room.folders, video.sha256)
    looks = {}
    for model in room.models:
        look = looks[model.key] = look_at(model, store)
        _write_heat(heat_path(room.folders, video.sha256, model.key), look.heat)

    def write(session: Session) -> None:
        for result in session.exec(select(Result).where(Result.video_id == video_id)):
            if result.model in looks:
                result.keyframe = looks[result.model].keyframe
                result.importance = looks[result.model].importance
                result.measure = looks[result.model].measure
                session.add(result)

    return write


def heat_path(folders: Folders, sha256: str, model: str) -> Path:
    """Return the file of a video's heat by a network: (T, height, width) uint8."""
    folder = folders.heat(sha256, model)
    return folder.with_name(f"{folder.name}.npy")


def read_heat(folders: Folders, sha256: str, model: str) -> NDArray[np.uint8]:
    """Return the heat (T, height, width), 255 = most of the video; mapped. Raises MediaError where none is there."""
    path = heat_path(folders, sha256, model)
    try:
        heat: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise MediaError(f"video {sha256[:12]}: its heat is not there yet") from None
    return heat


def _write_heat(path: Path, heat: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, heat, allow_pickle=False)
    write_atomic(path, buffer.getvalue())
