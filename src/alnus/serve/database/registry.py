"""Every table of the room, imported once, so that SQLModel's metadata is complete whoever asks first."""

from __future__ import annotations

from alnus.serve.database import tables
from alnus.serve.node import tables as node
from alnus.serve.readers import tables as readers

__all__ = ["node", "readers", "tables"]
