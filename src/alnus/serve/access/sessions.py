"""Signed-in browsers and programs with keys. Only hashes of tokens are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session, col, delete, select

from alnus.serve.audit import note
from alnus.serve.database.tables import ApiKey, LoginSession, Role, User
from alnus.serve.settings import ServeSettings

COOKIE = "alnus_session"
KEY_PREFIX = "alnus_"
SEEN_EVERY_S = 60.0  # a session's last use is written no more often


@dataclass(frozen=True)
class Person:
    """Who asks: a person in a browser, or a program with a key. csrf: what a browser's forms must send along."""

    id: str
    name: str
    role: Role
    via: Literal["session", "key"]
    csrf: str = ""
    language: str | None = None
    has_first_password: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether the person is an administrator."""
        return self.role is Role.ADMIN


def token_sha256(token: str) -> str:
    """Return what is kept of a session's or key's token; it is random, so a plain hash will do."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def begin_session(session: Session, user: User, settings: ServeSettings, *, address: str = "") -> str:
    """Sign a user in; return the token for the cookie. Sessions that have run out are swept. address: where from."""
    now_s = time.time()
    session.exec(delete(LoginSession).where(col(LoginSession.created_s) < now_s - settings.session_h * 3600))
    token = secrets.token_urlsafe(32)
    session.add(LoginSession(token_sha256=token_sha256(token), user_id=user.id, csrf=secrets.token_urlsafe(32)))
    note(session, user.id, "session.begin", None, {"address": address})
    return token


def end_session(session: Session, token: str, *, actor: str) -> None:
    """Sign one browser out."""
    session.exec(delete(LoginSession).where(col(LoginSession.token_sha256) == token_sha256(token)))
    note(session, actor, "session.end")


def person_of_session(session: Session, token: str, settings: ServeSettings) -> tuple[Person, bool] | None:
    """Return who a cookie belongs to, and whether its last use should be written; None where it has run out."""
    found = session.exec(
        select(LoginSession, User)
        .join(User, col(User.id) == col(LoginSession.user_id))
        .where(LoginSession.token_sha256 == token_sha256(token))
    ).first()
    if found is None:
        return None
    kept, user = found
    now_s = time.time()
    too_old = now_s - kept.created_s > settings.session_h * 3600 or now_s - kept.seen_s > settings.idle_min * 60
    if too_old or not user.is_active:
        return None
    person = Person(user.id, user.name, Role(user.role), "session", kept.csrf, user.language, user.is_first_password)
    return person, now_s - kept.seen_s > SEEN_EVERY_S


def mark_seen(session: Session, token: str) -> None:
    """Write that a session was used."""
    kept = session.get(LoginSession, token_sha256(token))
    if kept is not None:
        kept.seen_s = time.time()
        session.add(kept)


def new_key(session: Session, name: str, *, actor: str) -> tuple[ApiKey, str]:
    """Make an API key; return it and its text, to be shown once."""
    text = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(name=name, key_sha256=token_sha256(text), created_by=actor)
    session.add(key)
    note(session, actor, "key.add", key.id, {"name": name})
    return key, text


def person_of_key(session: Session, text: str) -> Person | None:
    """Return the program that a key belongs to, None where there is none or it was revoked."""
    key = session.exec(select(ApiKey).where(ApiKey.key_sha256 == token_sha256(text))).first()
    if key is None or key.revoked_s is not None:
        return None
    return Person(key.id, key.name, Role.READER, "key")


def same(one: str, other: str) -> bool:
    """Compare secrets in a time that tells nothing."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
