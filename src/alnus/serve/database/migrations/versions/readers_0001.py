"""The tables of reader studies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "readers_0001"
down_revision = None
branch_labels = ("readers",)
depends_on = "room_0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "reader_study",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("design", sa.String(), nullable=False),
        sa.Column("scale", sa.String(), nullable=False),
        sa.Column("washout_days", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_s", sa.Float(), nullable=False),
        sa.Column("started_s", sa.Float(), nullable=True),
        sa.Column("closed_s", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "reader_study_case",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("study_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("video_ids", sa.JSON(), nullable=False),
        sa.Column("truth", sa.Integer(), nullable=True),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["reader_study.id"]),
        sa.ForeignKeyConstraint(["case_id"], ["study_case.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_id", "case_id"),
    )
    op.create_table(
        "reader_study_reader",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("study_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("with_model_first", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["reader_study.id"]),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_id", "user_id"),
        sa.UniqueConstraint("study_id", "place"),
    )
    _make_readings()
    for table, column in (
        ("reader_study", "phase"),
        ("reader_study_case", "study_id"),
        ("reader_study_reader", "study_id"),
        ("reader_study_reader", "user_id"),
        ("reading", "reader_id"),
        ("reading", "item_id"),
        ("reading", "locked_s"),
        ("reading_pause", "reading_id"),
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def _make_readings() -> None:
    op.create_table(
        "reading",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("treatment", sa.String(), nullable=False),
        sa.Column("call", sa.Integer(), nullable=True),
        sa.Column("suspicion", sa.Integer(), nullable=True),
        sa.Column("begun_s", sa.Float(), nullable=True),
        sa.Column("active_s", sa.Float(), nullable=False),
        sa.Column("open_since_s", sa.Float(), nullable=True),
        sa.Column("seen_s", sa.Float(), nullable=True),
        sa.Column("locked_s", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["reader_id"], ["reader_study_reader.id"]),
        sa.ForeignKeyConstraint(["item_id"], ["reader_study_case.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reader_id", "session", "position", "step"),
    )
    op.create_table(
        "reading_pause",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reading_id", sa.String(), nullable=False),
        sa.Column("began_s", sa.Float(), nullable=False),
        sa.Column("ended_s", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["reading.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
