"""Passwords: Argon2id, and what is asked of a new one.

Source: RFC 9106, section 4 (second recommended parameters, 64 MiB); NIST SP 800-63B, 5.1.1 (length, no composition).
"""

from __future__ import annotations

import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from alnus.errors import UsageError

LEAST, MOST = 12, 256  # characters
_HASHER = PasswordHasher()
_AT_ONCE = threading.Semaphore(4)  # each takes 64 MiB: guesses must not fill the memory


def hashed(password: str) -> str:
    """Return what is kept of a password."""
    return _HASHER.hash(password)


def matches(kept: str, password: str) -> bool:
    """Tell whether a password is the one that was kept. Takes as long for a wrong one."""
    try:
        with _AT_ONCE:
            return len(password) <= MOST and _HASHER.verify(kept, password)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return hashed(secrets.token_urlsafe())


def spend_time(password: str) -> None:
    """Do for a name that does not exist what is done for one that does, so that the answer's time tells nothing."""
    matches(_nobody(), password)


def new_password() -> str:
    """Return a random password, 95 bits, that can be read aloud."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def check_new(password: str, *, name: str) -> None:
    """Refuse a password that is too short, too long, or the name. Raises UsageError."""
    if not LEAST <= len(password) <= MOST:
        raise UsageError(f"a password has {LEAST} to {MOST} characters; this one has {len(password)}")
    if password.strip().lower() in (name.lower(), ""):
        raise UsageError("a password is not the name, nor blank")
