"""Every table of the room, imported once, so that SQLModel's metadata is complete whoever asks first."""

from __future__ import annotations

from alnus.serve.database import tables
from alnus.serve.node import tables as node

__all__ = ["node", "tables"]
