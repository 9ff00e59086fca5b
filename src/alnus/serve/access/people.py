"""Accounts: the first administrator, further people, and a password that has been changed."""

from __future__ import annotations

import re

from sqlmodel import Session, col, select

from alnus.errors import UsageError
from alnus.serve.access.passwords import check_new, hashed, matches, new_password, spend_time
from alnus.serve.audit import note
from alnus.serve.database.tables import LoginSession, Role, User

FIRST_NAME = "admin"
_NAME = re.compile(r"[\w.@-]{2,64}")


def make_first_admin(session: Session, *, password: str | None = None) -> str | None:
    """Make the administrator where nobody is there yet; return the password to show once, None where none was made.

    password: a person's own; it is then not shown. For an administrator who is there already it is the new one.
    """
    admin = session.exec(select(User).where(User.name == FIRST_NAME)).first()
    if admin is None:
        shown = password or new_password()
        if password is not None:
            check_new(password, name=FIRST_NAME)
        session.add(User(name=FIRST_NAME, role=Role.ADMIN, password=hashed(shown), is_first_password=password is None))
        note(session, "system", "user.first", detail={"name": FIRST_NAME})
        return None if password else shown
    if password is not None and not matches(admin.password, password):
        set_password(session, admin, password, actor="system")
    return None


def add_user(session: Session, name: str, role: Role, *, actor: str) -> tuple[User, str]:
    """Make an account; return it with its first password, to be shown once. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError("a name has 2 to 64 letters, digits and . _ - @")
    if session.exec(select(User).where(User.name == name)).first() is not None:
        raise UsageError(f"the name {name} is taken")
    password = new_password()
    user = User(name=name, role=role, password=hashed(password), is_first_password=True)
    session.add(user)
    note(session, actor, "user.add", user.id, {"name": name, "role": str(role)})
    return user, password


def set_password(session: Session, user: User, password: str, *, actor: str) -> None:
    """Change a password and end all sessions of its owner. Raises UsageError."""
    check_new(password, name=user.name)
    user.password, user.is_first_password = hashed(password), False
    session.add(user)
    end_sessions(session, user.id)
    note(session, actor, "user.password", user.id)


def end_sessions(session: Session, user_id: str) -> None:
    """Sign somebody out everywhere."""
    for one in session.exec(select(LoginSession).where(col(LoginSession.user_id) == user_id)):
        session.delete(one)


def has_own_password(session: Session) -> bool:
    """Tell whether an administrator who may sign in has set a password of their own.

    One is enough: a room that others use must start again also on the day on which a further administrator was added,
    whose first password is as random as any.
    """
    admins = session.exec(select(User).where(User.role == Role.ADMIN, col(User.is_active))).all()
    return not all(admin.is_first_password for admin in admins)


def checked_user(session: Session, name: str, password: str) -> User | None:
    """Return the account that a name and password belong to, else None."""
    user = session.exec(select(User).where(User.name == name)).first()
    if user is None or not user.is_active:
        spend_time(password)
        return None
    return user if matches(user.password, password) else None
