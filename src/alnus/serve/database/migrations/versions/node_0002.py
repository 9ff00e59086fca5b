"""Objects of the room's own whose case was deleted: they are known when they come back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "node_0002"
down_revision = "node_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "own_object",
        sa.Column("object_key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("object_key"),
    )
