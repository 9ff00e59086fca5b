"""Which DICOM instance a video is, so that one which comes on two ways is one video."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "room_0002"
down_revision = "room_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("video", sa.Column("sop_key", sa.String(), nullable=True))
    op.create_index(op.f("ix_video_sop_key"), "video", ["sop_key"], unique=False)
