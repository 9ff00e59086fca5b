"""Last step: what goes back to where the video came from is enqueued, and the file with the patient's identity goes."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session, col, select

from alnus.media.pool import Worker
from alnus.serve.audit import note
from alnus.serve.database.tables import WAITING, Job, State, Video
from alnus.serve.room import Room

NEEDED = (*WAITING, State.DEAD)
"""States of a job that still needs the file, or will when it is tried again."""


def give_back(room: Room, decoder: Worker, video_id: str) -> Callable[[Session], None]:
    """Enqueue what goes back. A video from the DICOM node keeps its file until the node has sent its answer."""

    def write(session: Session) -> None:
        video = session.get_one(Video, video_id)
        for returner in room.returners:
            returner(room, session, video)
        drop_file(room, session, video_id)
        note(session, "system", "video.done", video_id)

    return write


def drop_file(room: Room, session: Session, video_id: str) -> None:
    """Remove a video's file, which names the patient, in the transaction that ends its job.

    What the DICOM node received is the node's to remove.
    """
    video = session.get_one(Video, video_id)
    if video.origin != "dicom" and not room.settings.keep_received:
        room.folders.blob(video.sha256).unlink(missing_ok=True)


def drop_orphans(room: Room) -> None:
    """Remove files that no job needs: of submissions that were cut off before they were answered. At start only."""
    with room.database.reading() as session:
        rows = session.exec(select(Video.sha256, Video.origin, Job.state).join(Job, col(Job.video_id) == col(Video.id)))
        kept = {
            sha for sha, origin, state in rows if origin == "dicom" or state in NEEDED or room.settings.keep_received
        }
    for path in room.folders.received.glob("??/*"):
        if path.name not in kept:
            path.unlink(missing_ok=True)
