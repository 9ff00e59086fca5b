"""The gate before every route: nothing is open that is not named here, and no body is read before it is known whose.

It is the outermost layer, so a route that somebody adds and forgets to protect is closed. What is open to whom is told
by the path alone: PUBLIC to all, /admin to administrators, KEYED to programs with an API key, the rest to whoever has
signed in. A request that changes something must carry the session's CSRF token, in the header X-CSRF-Token or in the
form's field `csrf`; a program's key is no cookie, so it needs none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alnus.serve.access.sessions import (
    COOKIE,
    Person,
    mark_seen,
    person_of_key,
    person_of_session,
    same,
)
from alnus.serve.access.throttle import Throttle
from alnus.serve.pages.problems import problem, wants_page
from alnus.serve.room import Room

PUBLIC = ("/login", "/healthz", "/language")
PUBLIC_BELOW = ("/static/",)
KEYED_BELOW = ("/api/",)
KEYED = ("/metrics",)
ADMIN_BELOW = ("/admin",)
UPLOADS = ("/uploads", "/api/v1/videos")
"""Paths whose body is a file: it is streamed by the route, which bounds it itself."""
SAFE = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE, "POST", "PUT", "DELETE")
FORM = "application/x-www-form-urlencoded"
BY_ITSELF = "x-by-itself"
"""Says that a page asks without its reader: that keeps no session alive."""
_MOST_FIELDS = 1000
_MOST_QUERY = 300  # characters

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer. Cache-Control is no-store wherever a route states nothing else."""


class Gate:
    """Security headers, host names, size of bodies, who is asking, CSRF, rights: before any route."""

    def __init__(self, app: ASGIApp, *, room: Room) -> None:
        self._app, self._room = app, room
        self._keys = Throttle(room.settings.limits.requests_a_minute, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here
        method = scope["method"] if scope["method"] in METHODS else "other"
        answered: list[int] = []
        send = self._with_headers(send, method, answered)
        try:
            refusal, receive = await self._checked(scope, receive)
            await (refusal or self._app)(scope, receive, send)
        except Exception:
            if not answered:  # here, so that this answer has its headers too
                await _problem(scope, 500, "an error in Alnus; what it was stands in the server's log")(
                    scope, receive, send
                )
            raise

    def _with_headers(self, send: Send, method: str, answered: list[int]) -> Send:
        extra = dict(HEADERS)
        if self._room.settings.is_tls:
            extra["strict-transport-security"] = "max-age=31536000"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.append(message["status"])
                self._room.metrics.answers.labels(method, str(message["status"])).inc()
                present = {name.lower() for name, _ in message["headers"]}
                more = extra if b"cache-control" in present else extra | {"cache-control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in more.items()),
                ]
            await send(message)

        return sent

    async def _checked(self, scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
        """Return why a request is refused, or None and what its body is to be received from."""
        headers, path = Headers(scope=scope), scope["path"]
        scope.setdefault("state", {}).update(room=self._room, person=None)
        if not self._is_our_name(headers.get("host", "")):
            return _problem(scope, 400, "this host name is not served; see --name"), receive
        person = await self._person(headers, path)
        scope["state"]["person"] = person
        refusal = self._refusal(scope, headers, person)
        if refusal is not None or path in UPLOADS:
            return refusal, receive
        body = await _body(headers, receive, self._room.settings.limits.form_bytes)
        if body is None:
            return _problem(scope, 413, "the request is larger than the room takes"), receive
        if _needs_form_token(scope, headers, person) and not _has_form_token(headers, body, person):
            return _problem(scope, 403, "the form has no valid token: load the page again"), receive
        return None, _replayed(body, receive)

    def _is_our_name(self, host: str) -> bool:
        name = (host.rsplit(":", 1)[0] if not host.endswith("]") else host).lower()
        settings = self._room.settings
        ours = {"127.0.0.1", "localhost", "[::1]", settings.host, f"[{settings.host}]", *settings.names}
        return name in {one.lower() for one in ours} or (settings.host in ("0.0.0.0", "::") and not settings.names)

    async def _person(self, headers: Headers, path: str) -> Person | None:
        if _is_below(path, PUBLIC, PUBLIC_BELOW):
            return None
        if _is_below(path, KEYED, KEYED_BELOW):
            kind, _, key = headers.get("authorization", "").partition(" ")
            return await run_in_threadpool(self._of_key, key.strip()) if kind.lower() == "bearer" else None
        token = cookie_of(headers)
        is_asked_by_itself = BY_ITSELF in headers
        return None if not token else await run_in_threadpool(self._of_session, token, is_asked_by_itself)

    def _of_key(self, key: str) -> Person | None:
        with self._room.database.reading() as session:
            return person_of_key(session, key)

    def _of_session(self, token: str, is_asked_by_itself: bool) -> Person | None:
        with self._room.database.reading() as session:
            found = person_of_session(session, token, self._room.settings)
        if found is None:
            return None
        person, is_to_be_marked = found
        if is_to_be_marked and not is_asked_by_itself:
            with self._room.database.writing() as session:
                mark_seen(session, token)
        return person

    def _refusal(self, scope: Scope, headers: Headers, person: Person | None) -> Response | None:
        path = scope["path"]
        if _is_below(path, PUBLIC, PUBLIC_BELOW):
            return None
        if person is None:
            return _unknown(scope, headers, keyed=_is_below(path, KEYED, KEYED_BELOW))
        if _is_below(path, (), ADMIN_BELOW) and not person.is_admin:
            return _problem(scope, 403, "only an administrator may do this")
        if person.via == "key":
            wait_s = self._keys.take(person.id)
            later = {"retry-after": str(int(wait_s) + 1)}
            return _problem(scope, 429, "too many requests", later) if wait_s else None
        token = headers.get("x-csrf-token")
        if scope["method"] not in SAFE and path in UPLOADS and not same(token or "", person.csrf):
            return _problem(scope, 403, "the upload has no valid token: load the page again")
        return None


def cookie_of(headers: Headers) -> str | None:
    """Return the session's token that a browser sent, if any."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _is_below(path: str, exact: tuple[str, ...], below: tuple[str, ...]) -> bool:
    return path in exact or path.startswith(below)


def _problem(scope: Scope, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return problem(Request(scope), status, detail, headers)


def _unknown(scope: Scope, headers: Headers, *, keyed: bool) -> Response:
    """Send a browser to the login page, everything else away."""
    if not keyed and wants_page(Request(scope)):
        lost = "" if scope["method"] == "GET" else "&lost=1"
        return RedirectResponse(f"/login?next={quote(_wished(scope), safe='/')}{lost}", 303)
    wanted = {"www-authenticate": "Bearer"} if keyed else None
    return _problem(scope, 401, "give an API key: Authorization: Bearer …" if keyed else "sign in first", wanted)


def _wished(scope: Scope) -> str:
    """Return where somebody goes on after signing in: where they wanted to, or near to the form that they sent."""
    if scope["method"] == "GET":
        query = scope["query_string"].decode("ascii", "replace")
        return f"{scope['path']}?{query}" if 0 < len(query) <= _MOST_QUERY else str(scope["path"])
    return "/readings" if scope["path"].startswith("/reading/") else "/"


def _needs_form_token(scope: Scope, headers: Headers, person: Person | None) -> bool:
    return scope["method"] not in SAFE and person is not None and person.via == "session"


def _has_form_token(headers: Headers, body: bytes, person: Person | None) -> bool:
    assert person is not None
    given = headers.get("x-csrf-token")
    if given is None and headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        given = dict(form_fields(body)).get("csrf")
    return given is not None and same(given, person.csrf)


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form's body; [] for one that is none."""
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []


async def _body(headers: Headers, receive: Receive, most: int) -> bytes | None:
    """Return a request's whole body, None where it is larger than allowed."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        size += len(message.get("body", b""))
        if size > most:
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Any]]:
    """Return a receive that gives the body that was read already, then what the connection says."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return waiting.pop() if waiting else await receive()

    return replay
