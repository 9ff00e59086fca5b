"""Who works on which job: a lease is taken in one transaction, kept alive, and lost when its holder is not heard of.

A step's outcome is written only by whoever still holds the lease, in the same transaction that moves the job on. What a
killed worker has half done is done again: files are put in place whole, rows under unique constraints.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, or_, select, update

from alnus.serve.database import Database
from alnus.serve.database.tables import WAITING, Job, State
from alnus.serve.settings import WorkSettings


@dataclass(frozen=True)
class Lease:
    """The right to work on a job. attempt: how often its present step was tried before."""

    video_id: str
    state: State
    token: str
    attempt: int


class LeaseLost(Exception):  # noqa: N818  no error: another worker has the job
    """Somebody else works on the job by now; what was done is dropped."""


def take(database: Database, settings: WorkSettings, states: Sequence[State] = WAITING) -> Lease | None:
    """Take the job in one of these states that has waited longest, None where there is none to do now."""
    now_s, token = time.time(), secrets.token_hex(16)
    with database.writing() as session:
        free = or_(col(Job.lease).is_(None), col(Job.lease_until_s) < now_s)
        wanted = (
            select(Job)
            .where(col(Job.state).in_(states), col(Job.next_try_s) <= now_s, free)
            .order_by(col(Job.created_s))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        job = session.exec(wanted).first()
        if job is None:
            return None
        crashed = job.lease is not None  # its last worker died over this step: that counts as an attempt
        job.attempts += crashed
        job.lease, job.lease_until_s = token, now_s + settings.lease_s
        session.add(job)
        return Lease(job.video_id, State(job.state), token, job.attempts)


def keep(database: Database, lease: Lease, settings: WorkSettings) -> bool:
    """Say that the work goes on; False where the lease is lost."""
    with database.writing() as session:
        job = session.get(Job, lease.video_id)
        if job is None or job.lease != lease.token:
            return False
        job.lease_until_s = time.time() + settings.lease_s
        session.add(job)
        return True


def settle(
    database: Database,
    lease: Lease,
    state: State,
    write: Callable[[Session], None],
    *,
    states: Sequence[State] = WAITING,
) -> Lease | None:
    """Write a step's outcome and move the job on, together or not at all; return the lease for the next step.

    states: those that the holder does the steps of; in another the job is free again, and None is returned. Raises
    LeaseLost where the lease is another's by now; nothing is written then.
    """
    with database.writing() as session:
        job = _held(session, lease)
        write(session)
        job.state, job.attempts, job.reason, job.changed_s = state, 0, None, time.time()
        if state not in states:
            job.lease, job.lease_until_s = None, 0.0
        session.add(job)
    return Lease(lease.video_id, state, lease.token, 0) if state in states else None


def put_off(database: Database, lease: Lease, reason: str, settings: WorkSettings) -> State:
    """Try a step again later, or lay the job aside where it failed too often; return its state. Raises LeaseLost."""
    with database.writing() as session:
        job = _held(session, lease)
        job.attempts += 1
        job.reason, job.changed_s = reason, time.time()
        job.lease, job.lease_until_s = None, 0.0
        if job.attempts >= settings.attempts:
            job.died_in, job.state = job.state, State.DEAD
        else:
            job.next_try_s = time.time() + settings.first_wait_s * 2 ** (job.attempts - 1)
        session.add(job)
        return State(job.state)


def fail(database: Database, lease: Lease, reason: str, write: Callable[[Session], None]) -> None:
    """End a job whose file cannot be used: trying again would change nothing. Raises LeaseLost."""
    with database.writing() as session:
        job = _held(session, lease)
        write(session)
        job.state, job.reason, job.changed_s = State.FAILED, reason, time.time()
        job.lease, job.lease_until_s = None, 0.0
        session.add(job)


def release_all(database: Database, *, is_crash: bool) -> None:
    """Free every job: at the start of the only server of a data folder whoever held one is dead.

    is_crash: count it as an attempt, for the step may be what killed the server; at an orderly end it was not.
    """
    with database.writing() as session:
        held = update(Job).where(col(Job.lease).is_not(None))
        session.exec(held.values(lease=None, lease_until_s=0.0, attempts=Job.attempts + int(is_crash)))


def _held(session: Session, lease: Lease) -> Job:
    job = session.exec(select(Job).where(Job.video_id == lease.video_id).with_for_update()).first()
    if job is None or job.lease != lease.token:
        raise LeaseLost
    return job
