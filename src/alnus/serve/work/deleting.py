"""Delete a case for good: its rows, its pictures, its heat, and whatever is left of the files that came.

What keeps a case: work that is not done, results that are still to be sent, a reader study, whose answers are of it.
The audit log keeps that there was one, and who deleted it.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from sqlmodel import Session, col, delete, select

from alnus.errors import UsageError
from alnus.serve.audit import note
from alnus.serve.database.tables import WAITING, Case, Job, Result, Video
from alnus.serve.node.inbox import inbox_path, outbox_path
from alnus.serve.node.tables import OPEN, NodeInstance, Outbound, OwnObject
from alnus.serve.readers.tables import StudyCase
from alnus.serve.room import Folders, Room

TRASH = "trash"


def delete_case(room: Room, case_id: str, *, actor: str) -> None:
    """Delete a case. Raises UsageError where something still needs it, or there is none."""
    with room.database.writing() as session:
        case = session.get(Case, case_id, with_for_update=True)
        if case is None:
            raise UsageError("there is no such case")
        videos = list(session.exec(select(Video).where(Video.case_id == case_id)).all())
        _check(session, case_id, [video.id for video in videos])
        outbound = _delete_rows(session, case, videos)
        note(session, actor, "case.delete", case_id, {"videos": [video.id for video in videos]})
        session.flush()
        for video in videos:  # in the transaction, as files are put in place: the same bytes may come again at once
            _throw_away(room.folders, video.sha256)
        for one in outbound:
            outbox_path(room.folders, one).unlink(missing_ok=True)
    empty_trash(room.folders)


def empty_trash(folders: Folders) -> None:
    """Remove what was thrown away."""
    shutil.rmtree(folders.root / TRASH, ignore_errors=True)


def _check(session: Session, case_id: str, videos: list[str]) -> None:
    of_case = select(Job.video_id).where(col(Job.video_id).in_(videos), col(Job.state).in_(WAITING))
    if session.exec(of_case).first() is not None:
        raise UsageError("the case is still being worked on; delete it when that is done")
    if session.exec(select(StudyCase.id).where(StudyCase.case_id == case_id)).first() is not None:
        raise UsageError("the case belongs to a reader study, whose answers are of it; it is kept")
    going = (
        select(Outbound.id)
        .join(NodeInstance, col(NodeInstance.id) == col(Outbound.instance_id))
        .where(col(NodeInstance.video_id).in_(videos), col(Outbound.state).in_(OPEN))
    )
    if session.exec(going).first() is not None:
        raise UsageError("results of the case are still to be sent; wait, or give them up on the page DICOM")


def _delete_rows(session: Session, case: Case, videos: list[Video]) -> list[str]:
    """Delete all rows of a case; return the ids of what went back. Whose objects those were stays known."""
    ids = [video.id for video in videos]
    instances = list(session.exec(select(NodeInstance.id).where(col(NodeInstance.video_id).in_(ids))).all())
    sent = session.exec(select(Outbound).where(col(Outbound.instance_id).in_(instances))).all()
    for key in {one.object_key for one in sent if one.object_key is not None}:
        session.merge(OwnObject(object_key=key))
    session.flush()
    session.exec(delete(Outbound).where(col(Outbound.instance_id).in_(instances)))
    session.exec(delete(NodeInstance).where(col(NodeInstance.id).in_(instances)))
    session.exec(delete(Result).where(col(Result.video_id).in_(ids)))
    session.exec(delete(Job).where(col(Job.video_id).in_(ids)))
    session.exec(delete(Video).where(col(Video.id).in_(ids)))
    session.exec(delete(Case).where(col(Case.id) == case.id))
    return [one.id for one in sent]


def _throw_away(folders: Folders, sha256: str) -> None:
    """Move all that is kept of a video to where nothing finds it."""
    trash = folders.root / TRASH
    trash.mkdir(exist_ok=True)
    heat = folders.heat(sha256, "").parent.glob(f"{sha256}-*")
    for path in (folders.cine(sha256), folders.blob(sha256), inbox_path(folders, sha256), *heat):
        _move(path, trash / secrets.token_hex(8))


def _move(path: Path, target: Path) -> None:
    if path.exists():
        path.rename(target)
