"""The audit log: who did what to which case, when. Lines are added, never changed; the database refuses the rest."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from alnus.serve.database.tables import AuditEntry


def note(
    session: Session, actor: str, action: str, subject: str | None = None, detail: dict[str, Any] | None = None
) -> None:
    """Add a line within a transaction, so that the deed and its line are there together or not at all.

    actor: the id of a user or key, or "system". detail: ids and numbers; nothing about a patient, ever.
    """
    session.add(AuditEntry(actor=actor, action=action, subject=subject, detail=detail or {}))
