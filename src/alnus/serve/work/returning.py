"""Last step: what goes back to where the video came from is enqueued, and the file with the patient's identity goes."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session, select

from alnus.media.pool import Worker
from alnus.serve.audit import note
from alnus.serve.database.tables import Video
from alnus.serve.room import Room


def give_back(room: Room, decoder: Worker, video_id: str) -> Callable[[Session], None]:
    """Enqueue what goes back. A video from the DICOM node keeps its file until the node has sent its answer."""
    with room.database.reading() as session:
        video = session.exec(select(Video).where(Video.id == video_id)).one()
    if video.origin != "dicom" and not room.settings.keep_received:
        room.folders.blob(video.sha256).unlink(missing_ok=True)

    def write(session: Session) -> None:
        found = session.get_one(Video, video_id)
        for returner in room.returners:
            returner(room, session, found)
        note(session, "system", "video.done", video_id)

    return write
