"""The way out: each object is made, sent, and only then ticked off; whatever ends the server, it goes on from there.

An object that was sent but not ticked off is sent again: it is the same object, bit for bit, which archives have once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import aliased
from sqlmodel import col, func, select

from alnus.errors import AlnusError, MediaError
from alnus.media.pool import Worker
from alnus.serve.audit import note
from alnus.serve.database.tables import Job, State, Video
from alnus.serve.node.builder_task import CannotBeMadeError, build_task
from alnus.serve.node.inbox import forget, outbox_path
from alnus.serve.node.keys import sop_key
from alnus.serve.node.sending import send
from alnus.serve.node.settings import NodeSettings
from alnus.serve.node.tables import OPEN, Kept, NodeInstance, Outbound, Sending
from alnus.serve.room import Room

log = logging.getLogger(__name__)


def due(room: Room, *, now_s: float | None = None) -> list[Outbound]:
    """Return what is to be sent now, the oldest first: of studies of which nothing new has come for a while."""
    now_s = time.time() if now_s is None else now_s
    other = aliased(NodeInstance)
    last_s = (
        select(func.max(other.received_s)).where(other.study_key == NodeInstance.study_key).correlate(NodeInstance)
    ).scalar_subquery()
    wanted = (
        select(Outbound)
        .join(NodeInstance, col(NodeInstance.id) == col(Outbound.instance_id))
        .where(Outbound.state == Sending.WAITING, Outbound.next_try_s <= now_s)
        .where(NodeInstance.study_key.is_not(None), last_s <= now_s - room.settings.node.complete_after_s)  # type: ignore[union-attr]  # a column
        .order_by(col(Outbound.created_s), col(Outbound.id))
        .limit(20)
    )
    with room.database.reading() as session:
        return list(session.exec(wanted))


def deliver(room: Room, builder: Worker, outbound: Outbound, *, is_ending: Callable[[], bool] = lambda: False) -> None:
    """Make an object where it is not made yet, send it, and tick it off; or put it off, with the reason.

    is_ending: whether the server is; then a failure is its end's, and nothing is held against the object.
    """
    path = outbox_path(room.folders, outbound.id)
    try:
        if outbound.object_key is None or not path.exists():
            _make(room, builder, outbound, path)
        send(room.settings.node, path)
    except Exception as error:
        if not is_ending():
            reason = str(error) if isinstance(error, AlnusError) else f"an error in Alnus ({type(error).__name__})"
            _put_off(room, outbound.id, reason, is_final=isinstance(error, CannotBeMadeError))
        return
    _tick_off(room, outbound.id)
    path.unlink(missing_ok=True)


def _make(room: Room, builder: Worker, outbound: Outbound, path: Path) -> None:
    """Make an object; its UID is known to the room before anybody else sees it.

    Raises CannotBeMadeError, or MediaError where the building process failed over it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    answer = builder.ask(build_task(room, outbound, path))
    if "unmade" in answer:
        raise CannotBeMadeError(str(answer["unmade"]))
    if "uid" not in answer:
        raise MediaError(f"the object could not be made: {answer.get('refused')}")
    with room.database.writing() as session:
        row = session.get_one(Outbound, outbound.id)
        row.object_key = sop_key(room.secret, answer["uid"])
        session.add(row)


def _tick_off(room: Room, outbound_id: str) -> None:
    with room.database.writing() as session:
        row = session.get_one(Outbound, outbound_id)
        row.state, row.reason, row.changed_s = Sending.SENT, None, time.time()
        session.add(row)
        note(session, "system", "outbound.sent", row.id, {"instance": row.instance_id, "kind": row.kind})


def _put_off(room: Room, outbound_id: str, reason: str, *, is_final: bool) -> None:
    """Try again later, ever later; or lay the object aside where trying again would change nothing, or did not."""
    node = room.settings.node
    with room.database.writing() as session:
        row = session.get_one(Outbound, outbound_id)
        row.attempts += 1
        row.reason, row.changed_s = reason, time.time()
        row.next_try_s = time.time() + wait_s(node, row.attempts)
        if is_final or row.attempts >= node.attempts:
            row.state = Sending.DEAD
        session.add(row)
        state = row.state
    log.warning("object %s: %s; it is %s", outbound_id, reason, state)


def wait_s(node: NodeSettings, attempts: int) -> float:
    """Return how long to wait after so many failed attempts: doubled each time, up to the longest."""
    return min(node.longest_wait_s, node.first_wait_s * 2.0 ** min(attempts - 1, 60))


def tidy(room: Room) -> None:
    """Remove the files of instances that are done with: all went back, or was given up, or cannot be used."""
    ended = (State.RETURNED, State.FAILED)
    still_open = select(Outbound.id).where(
        col(Outbound.instance_id) == col(NodeInstance.id), col(Outbound.state).in_(OPEN)
    )
    done = (
        select(NodeInstance.id)
        .join(Video, col(Video.id) == col(NodeInstance.video_id))
        .join(Job, col(Job.video_id) == col(Video.id))
        .where(NodeInstance.state == Kept.SUBMITTED, col(Job.state).in_(ended), ~still_open.exists())
    )
    with room.database.reading() as session:
        found = list(session.exec(done))
    for instance_id in found:
        forget(room, instance_id)


def sweep_outbox(room: Room) -> None:
    """Remove objects that were sent or dropped when an earlier server ended, and what was half made."""
    with room.database.reading() as session:
        needed = set(session.exec(select(Outbound.id).where(col(Outbound.state).in_(OPEN))))
    for path in outbox_path(room.folders, "any").parent.glob("*"):
        if path.stem not in needed:
            path.unlink(missing_ok=True)
