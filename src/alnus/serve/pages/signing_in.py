"""Sign in, sign out, one's own password, the language."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlmodel import select
from starlette.responses import RedirectResponse, Response

from alnus.errors import UsageError
from alnus.serve.access.people import checked_user, set_password
from alnus.serve.access.sessions import COOKIE, begin_session, end_session, same
from alnus.serve.audit import note
from alnus.serve.database.tables import User
from alnus.serve.languages import COOKIE as LANGUAGE_COOKIE
from alnus.serve.languages import NAMES
from alnus.serve.pages.rendering import person_of, render, room_of, words
from alnus.serve.room import Room

FORM_COOKIE = "alnus_login"  # what ties a login form to the browser it was sent to
YEAR_S = 365 * 24 * 3600
router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_page(request: Request, next: str = "/", lost: bool = False) -> Response:  # noqa: A002  the query's name
    """Show the form. lost: a form was sent after its session had ended."""
    _ = words(request)
    problem = _("Your session has ended. What you sent last was not taken over; sign in again.") if lost else ""
    return _login_page(request, next, problem)


@router.post("/login")
def login(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=2000)] = "",
    form: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=500)] = "/",  # noqa: A002  the form's name
) -> Response:
    """Sign in, or say why not."""
    _, room = words(request), room_of(request)
    failures = room.login_failures
    if not same(form, _form_token(room, request.cookies.get(FORM_COOKIE, ""))):
        return _login_page(request, next, _("The form was too old. Try again."), 403)
    who = (f"name {name.lower()}", f"address {request.client.host if request.client else ''}")
    waits_s = [failures.take(one) for one in who]
    if max(waits_s) > 0:
        for one, wait_s in zip(who, waits_s, strict=True):
            if not wait_s:
                failures.give_back(one)
        return _login_page(request, next, _("Too many attempts. Wait some minutes."), 429)
    token = _sign_in(room, name, password, address=request.client.host if request.client else "")
    if token is None:
        return _login_page(request, next, _("Name or password is wrong."), 401)
    failures.forget(who[0])
    failures.give_back(who[1])
    return _with_session(RedirectResponse(_inside(next), 303), room, token)


@router.post("/logout")
def logout(request: Request) -> Response:
    """Sign this browser out."""
    with room_of(request).database.writing() as session:
        end_session(session, request.cookies.get(COOKIE, ""), actor=person_of(request).id)
    answer = RedirectResponse("/login", 303, {"clear-site-data": '"cache"'})  # frames that this browser has kept
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/language")
def language(request: Request, to: str = "en", next: str = "/") -> Response:  # noqa: A002  the query's name
    """Remember a language in this browser."""
    answer = RedirectResponse(_inside(next), 303)
    if to in NAMES:
        secure = room_of(request).settings.is_tls
        answer.set_cookie(LANGUAGE_COOKIE, to, max_age=YEAR_S, httponly=True, samesite="lax", secure=secure)
    return answer


@router.get("/account")
def account(request: Request) -> Response:
    """Show one's own account."""
    return render(request, "account.html", problem="", done=False)


@router.post("/account")
def change_password(
    request: Request,
    old: Annotated[str, Form(max_length=2000)] = "",
    new: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Change one's own password."""
    problem = _changed(room_of(request), request, old, new)
    if problem:
        return render(request, "account.html", 400, problem=problem, done=False)
    answer = RedirectResponse("/login", 303)  # every session of the account has ended
    answer.delete_cookie(COOKIE)
    return answer


def _sign_in(room: Room, name: str, password: str, *, address: str) -> str | None:
    with room.database.reading() as session:  # Argon2 takes its time: outside the transaction that writes
        user = checked_user(session, name, password)
        whose = session.exec(select(User.id).where(User.name == name)).first()
    with room.database.writing() as session:
        if user is None:  # a name of nobody is not kept: it may be a password that went into the wrong field
            note(session, "system", "session.refused", whose, {"address": address})
            return None
        return begin_session(session, user, room.settings, address=address)


def _with_session(answer: Response, room: Room, token: str) -> Response:
    answer.set_cookie(
        COOKIE, token, httponly=True, samesite="lax", secure=room.settings.is_tls,
        max_age=int(room.settings.session_h * 3600),
    )  # fmt: skip
    answer.delete_cookie(FORM_COOKIE)
    return answer


def _login_page(request: Request, next_path: str, problem: str = "", status: int = 200) -> Response:
    room = room_of(request)
    cookie = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
    values = {"problem": problem, "next": _inside(next_path), "form": _form_token(room, cookie)}
    answer = render(request, "login.html", status, **values)
    answer.set_cookie(FORM_COOKIE, cookie, httponly=True, samesite="strict", secure=room.settings.is_tls)
    return answer


def _form_token(room: Room, cookie: str) -> str:
    return hmac.new(room.secret, f"login form\n{cookie}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _inside(path: str) -> str:
    """Return a path of this site, "/" for anything that could lead to another."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


def _changed(room: Room, request: Request, old: str, new: str) -> str:
    """Change one's password; return what is wrong, "" where nothing is."""
    person, _ = person_of(request), words(request)
    with room.database.reading() as session:
        if checked_user(session, person.name, old) is None:
            return _("The old password is wrong.")
    try:
        with room.database.writing() as session:
            set_password(session, session.get_one(User, person.id), new, actor=person.id)
    except UsageError as error:
        return str(error)
    return ""
