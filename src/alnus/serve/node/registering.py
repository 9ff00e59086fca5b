"""From the inbox into the room: whose an instance is, its video and its job; and at the job's end what goes back."""

from __future__ import annotations

import logging
import secrets

from sqlmodel import Session, col, or_, select

from alnus.serve.database.tables import Job, Result, State, Video
from alnus.serve.intake.receiving import Received
from alnus.serve.intake.submission import submit
from alnus.serve.node.inbox import inbox_path, link
from alnus.serve.node.tables import Kept, Kind, NodeInstance, Outbound
from alnus.serve.room import Room

log = logging.getLogger(__name__)


def kept_instances(room: Room) -> list[NodeInstance]:
    """Return what is on the disk and no video yet, the oldest first."""
    waiting = select(NodeInstance).where(NodeInstance.state == Kept.KEPT).order_by(col(NodeInstance.received_s))
    with room.database.reading() as session:
        return list(session.exec(waiting))


def register(room: Room, instance: NodeInstance) -> None:
    """Make a received instance a video of a case, with its job. Killed on the way, it is done again, to the same end.

    Raises QueueFullError where too many wait.
    """
    source = inbox_path(room.folders, instance.sha256)
    whose = room.registrar.whose(source)
    file = Received(instance.sha256, instance.size_bytes, room.folders.incoming / secrets.token_hex(16))
    link(source, file.path)  # the room moves it away; the node keeps its own name of it until all went back
    made = submit(
        room,
        file,
        origin="dicom",
        actor="system",
        patient_key=whose.patient,
        study_key=whose.study,
        sop_key=instance.sop_key,
    )
    with room.database.writing() as session:
        job = session.exec(select(Job).where(Job.video_id == made.video_id).with_for_update()).one()
        found = session.get_one(NodeInstance, instance.id)
        found.state, found.video_id, found.study_key = Kept.SUBMITTED, made.video_id, whose.study or f"I {instance.id}"
        session.add(found)
        session.flush()
        if job.state == State.RETURNED:  # the same picture was here before: its job will not end again
            enqueue(room, session, session.get_one(Video, made.video_id))


def enqueue(room: Room, session: Session, video: Video) -> None:
    """Add what goes back for a video: of each network a report and a heatmap, once. A `Returner` of the room."""
    if room.settings.node.return_to is None:
        return
    of_video = or_(col(NodeInstance.sha256) == video.sha256, col(NodeInstance.video_id) == video.id)
    wanted = select(NodeInstance).where(of_video, NodeInstance.state != Kept.DONE)
    for instance in session.exec(wanted).all():
        for result in session.exec(select(Result).where(Result.video_id == video.id)).all():
            for kind in Kind:
                _enqueued(session, Outbound(instance_id=instance.id, result_id=result.id, kind=kind))


def _enqueued(session: Session, row: Outbound) -> None:
    known = select(Outbound.id).where(
        Outbound.instance_id == row.instance_id, Outbound.result_id == row.result_id, Outbound.kind == row.kind
    )
    if session.exec(known).first() is None:
        session.add(row)
