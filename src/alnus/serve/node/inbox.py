"""What came in over DICOM: on the disk and in the database before success is answered, and each instance once.

A file of the inbox names the patient. It is there until everything that goes back for it has gone.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from enum import Enum
from pathlib import Path

from sqlmodel import Session, col, select

from alnus.serve.audit import note
from alnus.serve.database.tables import WAITING, Job, State, Video
from alnus.serve.intake.receiving import Incoming, Received
from alnus.serve.node.keys import sop_key
from alnus.serve.node.tables import Kept, NodeInstance, Outbound, OwnObject
from alnus.serve.room import Folders, Room

_KEEPING = threading.Lock()  # between a file and its row no other thread may decide about either


class Verdict(Enum):
    """What became of an instance. OTHER: its UID is known with other bytes; nothing of it is kept."""

    NEW = "new"
    KNOWN = "known"
    OTHER = "other"
    OWN = "own"


def inbox_path(folders: Folders, sha256: str) -> Path:
    """Return where a received instance lies for as long as the node needs it."""
    return folders.root / "node" / "inbox" / sha256


def outbox_path(folders: Folders, outbound_id: str) -> Path:
    """Return where an object lies until it is sent; it names the patient too."""
    return folders.root / "node" / "outbox" / f"{outbound_id}.dcm"


def keep(room: Room, coming: Incoming, *, uid: str, sender: str) -> Verdict:
    """Keep an instance for good, or say why there is nothing to keep. uid: its SOP Instance UID.

    Raises TooLargeError or NoSpaceError.
    """
    with coming:
        file = coming.finished()
    try:
        with _KEEPING, room.database.writing() as session:
            return _kept(room, session, file, sop_key(room.secret, uid), sender)
    finally:
        file.path.unlink(missing_ok=True)


def is_own(session: Session, key: str) -> bool:
    """Tell whether an instance is one that went back. key: its `sop_key`."""
    of_present = select(Outbound.id).where(Outbound.object_key == key)
    return session.exec(of_present).first() is not None or session.get(OwnObject, key) is not None


def is_known(session: Session, key: str) -> bool:
    """Tell whether an instance was received before, or is one that went back. key: its `sop_key`."""
    if is_own(session, key):
        return True
    return session.exec(select(NodeInstance.id).where(NodeInstance.sop_key == key)).first() is not None


def _kept(room: Room, session: Session, file: Received, key: str, sender: str) -> Verdict:
    if is_own(session, key):
        return Verdict.OWN  # an archive that forwards whatever it gets
    known = session.exec(select(NodeInstance).where(NodeInstance.sop_key == key)).first()
    if known is None:
        known = NodeInstance(sop_key=key, sha256=file.sha256, size_bytes=file.size_bytes, sender=sender)
        note(session, "system", "node.receive", known.id, {"bytes": file.size_bytes})
    elif known.sha256 != file.sha256:
        note(session, "system", "node.conflict", known.id)
        return Verdict.OTHER
    elif not _is_failed(session, known):
        return Verdict.KNOWN
    else:
        known.state, known.received_s = Kept.KEPT, time.time()  # a file that could not be used is tried once more
    session.add(known)
    session.flush()
    link(file.path, inbox_path(room.folders, file.sha256))
    return Verdict.NEW


def _is_failed(session: Session, instance: NodeInstance) -> bool:
    job = None if instance.video_id is None else session.get(Job, instance.video_id)
    return job is not None and instance.state == Kept.DONE and job.state == State.FAILED


def link(source: Path, target: Path) -> None:
    """Give a file a second name, on the disk for good, unless there is one already. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.link(source, target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def forget(room: Room, instance_id: str) -> None:
    """Remove the file of an instance that is done with, under both its names."""
    with _KEEPING, room.database.writing() as session:
        instance = session.get_one(NodeInstance, instance_id)
        inbox_path(room.folders, instance.sha256).unlink(missing_ok=True)
        instance.state = Kept.DONE
        session.add(instance)
        session.flush()
        _drop_blob(room, session, instance.sha256)


def _drop_blob(room: Room, session: Session, sha256: str) -> None:
    """Remove a received file, unless an instance or a video still needs it, or all are to be kept."""
    of_video = session.exec(select(Job).join(Video, col(Video.id) == col(Job.video_id)).where(Video.sha256 == sha256))
    job = of_video.first()
    is_open = job is not None and job.state in (*WAITING, State.DEAD)
    is_kept = job is not None and room.settings.keep_received
    waiting = select(NodeInstance.id).where(NodeInstance.sha256 == sha256, NodeInstance.state != Kept.DONE)
    if not is_open and not is_kept and session.exec(waiting).first() is None:
        room.folders.blob(sha256).unlink(missing_ok=True)


def sweep_inbox(room: Room) -> None:
    """Remove what lies in the inbox of which no row knows: its sender never got success for an answer.

    To be called before anything is received.
    """
    with room.database.reading() as session:
        needed = set(session.exec(select(NodeInstance.sha256).where(NodeInstance.state != Kept.DONE)))
    for path in inbox_path(room.folders, "any").parent.glob("*"):
        if path.name not in needed:
            path.unlink(missing_ok=True)
