"""The DICOM node's tables: what was received, and what is to be sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "node_0001"
down_revision = None
branch_labels = ("node",)
depends_on = "room_0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "node_instance",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sop_key", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("study_key", sa.String(), nullable=True),
        sa.Column("video_id", sa.String(), nullable=True),
        sa.Column("received_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sop_key"),
    )
    for column in ("sha256", "state", "study_key", "video_id"):
        op.create_index(op.f(f"ix_node_instance_{column}"), "node_instance", [column], unique=False)
    op.create_table(
        "outbound",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("result_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_s", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("changed_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["node_instance.id"]),
        sa.ForeignKeyConstraint(["result_id"], ["result.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("instance_id", "result_id", "kind"),
    )
    for column in ("instance_id", "object_key", "state", "next_try_s"):
        op.create_index(op.f(f"ix_outbound_{column}"), "outbound", [column], unique=False)
