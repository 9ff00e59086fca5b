"""What an administrator decides about an object that was laid aside: try again, or give it up."""

from __future__ import annotations

import time

from sqlmodel import Session

from alnus.serve.audit import note
from alnus.serve.node.tables import Outbound, Sending


def retry(session: Session, outbound_id: str, *, actor: str) -> None:
    """Send an object that was laid aside again, as if for the first time."""
    _decided(session, outbound_id, Sending.WAITING, actor, "outbound.retry")


def drop(session: Session, outbound_id: str, *, actor: str) -> None:
    """Give an object up that was laid aside."""
    _decided(session, outbound_id, Sending.DROPPED, actor, "outbound.drop")


def _decided(session: Session, outbound_id: str, state: Sending, actor: str, action: str) -> None:
    row = session.get(Outbound, outbound_id)
    if row is None or row.state != Sending.DEAD:
        return  # another administrator was faster
    row.state, row.attempts, row.next_try_s, row.changed_s = state, 0, time.time(), time.time()
    session.add(row)
    note(session, actor, action, row.id)
