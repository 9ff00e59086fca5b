"""Every table of the room, imported once, so that SQLModel's metadata is complete whoever asks first."""

from __future__ import annotations

from alnus.serve.database import tables

__all__ = ["tables"]
