"""What an administrator does: people, API keys, jobs that were laid aside, the audit log."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from sqlmodel import Session, col, select
from starlette.responses import RedirectResponse, Response

from alnus.errors import UsageError
from alnus.serve.access.passwords import hashed, new_password
from alnus.serve.access.people import add_user, end_sessions
from alnus.serve.access.sessions import new_key
from alnus.serve.audit import note
from alnus.serve.database.tables import ApiKey, AuditEntry, Job, Role, State, User, Video
from alnus.serve.pages.auditing import names_of
from alnus.serve.pages.problems import problem
from alnus.serve.pages.rendering import person_of, render, room_of, words
from alnus.serve.work.deleting import delete_case

router = APIRouter(prefix="/admin", include_in_schema=False)
SHOWN = 100  # jobs on one page
SHOWN_LINES = 20  # of the audit log


@router.get("")
def administration(request: Request) -> Response:
    """Show everything that an administrator looks after."""
    return _page(request)


@router.post("/users")
def make_user(
    request: Request, name: Annotated[str, Form(max_length=64)] = "", role: Annotated[Role, Form()] = Role.READER
) -> Response:
    """Make an account; its first password is shown this once."""
    try:
        with room_of(request).database.writing() as session:
            user, password = add_user(session, name.strip(), role, actor=person_of(request).id)
    except UsageError as error:
        return _page(request, status=400, problem=str(error))
    return _page(request, secret=f"{user.name}: {password}")


@router.post("/users/{user_id}/password")
def reset_password(request: Request, user_id: str) -> Response:
    """Give somebody a new first password, shown this once, and sign them out everywhere."""
    password = new_password()
    with room_of(request).database.writing() as session:
        user = _user(session, user_id)
        user.password, user.is_first_password = hashed(password), True
        session.add(user)
        end_sessions(session, user_id)
        note(session, person_of(request).id, "user.reset", user_id)
    return _page(request, secret=f"{user.name}: {password}")


@router.post("/users/{user_id}/active")
def set_active(request: Request, user_id: str, active: Annotated[bool, Form()] = False) -> Response:
    """Let somebody in again, or no more. Nobody locks out themselves."""
    person, _ = person_of(request), words(request)
    if user_id == person.id:
        return _page(request, status=400, problem=_("You cannot lock yourself out."))
    with room_of(request).database.writing() as session:
        user = _user(session, user_id)
        user.is_active = active
        session.add(user)
        end_sessions(session, user_id)
        note(session, person.id, "user.active", user_id, {"active": active})
    return RedirectResponse("/admin", 303)


@router.post("/keys")
def make_key(request: Request, name: Annotated[str, Form(max_length=64)] = "") -> Response:
    """Make an API key; it is shown this once."""
    _ = words(request)
    if not name.strip() or not name.isprintable():
        return _page(request, status=400, problem=_("Name the program that the key is for."))
    with room_of(request).database.writing() as session:
        _key, text = new_key(session, name.strip(), actor=person_of(request).id)
    return _page(request, secret=text)


@router.post("/keys/{key_id}/revoke")
def revoke_key(request: Request, key_id: str) -> Response:
    """Make a key worthless, at once and for good."""
    with room_of(request).database.writing() as session:
        key = session.get(ApiKey, key_id)
        if key is None:
            raise HTTPException(404, "there is no such key")
        key.revoked_s = key.revoked_s or time.time()
        session.add(key)
        note(session, person_of(request).id, "key.revoke", key_id)
    return RedirectResponse("/admin", 303)


@router.post("/jobs/{video_id}/retry")
def retry(request: Request, video_id: str) -> Response:
    """Try a job again that was laid aside, from the step that failed."""
    room = room_of(request)
    with room.database.writing() as session:
        job = session.get(Job, video_id)
        if job is None or job.state != State.DEAD:
            raise HTTPException(404, "no such job was laid aside")
        job.state, job.died_in = job.died_in or State.RECEIVED, None
        job.attempts, job.next_try_s = 0, time.time()
        session.add(job)
        note(session, person_of(request).id, "job.retry", video_id)
    room.wake.set()
    return RedirectResponse("/admin", 303)


@router.post("/cases/{case_id}/delete")
def delete(request: Request, case_id: str) -> Response:
    """Delete a case and all that the room has of it."""
    room = room_of(request)
    try:
        delete_case(room, case_id, actor=person_of(request).id)
    except UsageError as error:
        return problem(request, 409, str(error))
    return RedirectResponse("/", 303)


def _user(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "there is no such account")
    return user


def _page(request: Request, *, status: int = 200, problem: str = "", secret: str = "") -> Response:
    """Return the page. secret: a password or key that is shown this once."""
    with room_of(request).database.reading() as session:
        laid_aside = session.exec(
            select(Job, Video)
            .join(Video, col(Video.id) == col(Job.video_id))
            .where(col(Job.state).in_((State.DEAD, State.FAILED)))
            .order_by((col(Job.state) == State.DEAD).desc(), col(Job.changed_s).desc())  # first what can be tried again
            .limit(SHOWN)
        ).all()
        users = session.exec(select(User).order_by(col(User.name))).all()
        keys = session.exec(select(ApiKey).order_by(col(ApiKey.created_s))).all()
        audit = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(SHOWN_LINES)).all()
        names = names_of(session)
    parts = {"users": users, "keys": keys, "laid_aside": laid_aside, "audit": audit, "names": names}
    return render(
        request, "admin.html", status, problem=problem, secret=secret, roles=list(Role), here="/admin", **parts
    )
