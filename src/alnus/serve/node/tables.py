"""The node's tables: what was received, and what is to be sent. UIDs stand in them as keyed digests alone."""

from __future__ import annotations

import time
from enum import StrEnum

from sqlalchemy import BigInteger, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from alnus.serve.database.tables import new_id


class Kept(StrEnum):
    """How far a received instance has come. KEPT: on the disk. SUBMITTED: a video of a case. DONE: its file is gone."""

    KEPT = "kept"
    SUBMITTED = "submitted"
    DONE = "done"


class Sending(StrEnum):
    """How far an object has come on its way out. DEAD: it failed too often. DROPPED: an administrator gave it up."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    DROPPED = "dropped"


class Kind(StrEnum):
    """What goes back: a structured report, and the cine under its heat."""

    REPORT = "report"
    HEATMAP = "heatmap"


OPEN = (Sending.WAITING, Sending.DEAD)


class NodeInstance(SQLModel, table=True):
    """A DICOM instance that was received. sop_key: keyed digest of its UID. sha256: of its file in the inbox.

    sender: the AE title that sent it, or "web". study_key, video_id: None until it is a video of a case.
    """

    __tablename__ = "node_instance"
    id: str = Field(default_factory=lambda: new_id("I"), primary_key=True)
    sop_key: str = Field(unique=True)
    sha256: str = Field(index=True)
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    sender: str
    state: str = Field(default=Kept.KEPT, index=True)
    study_key: str | None = Field(default=None, index=True)
    video_id: str | None = Field(default=None, foreign_key="video.id", index=True)
    received_s: float = Field(default_factory=time.time)


class Outbound(SQLModel, table=True):
    """An object that goes back. object_key: keyed digest of its UID, once it is made: if it comes, it is our own.

    reason: one line, why it was not sent.
    """

    __tablename__ = "outbound"
    __table_args__ = (UniqueConstraint("instance_id", "result_id", "kind"),)
    id: str = Field(default_factory=lambda: new_id("O"), primary_key=True)
    instance_id: str = Field(foreign_key="node_instance.id", index=True)
    result_id: str = Field(foreign_key="result.id")
    kind: str
    object_key: str | None = Field(default=None, index=True)
    state: str = Field(default=Sending.WAITING, index=True)
    attempts: int = 0
    next_try_s: float = Field(default_factory=time.time, index=True)
    reason: str | None = None
    created_s: float = Field(default_factory=time.time)
    changed_s: float = Field(default_factory=time.time)


class OwnObject(SQLModel, table=True):
    """An object that went back, of a case that was deleted since. object_key: as in `Outbound`."""

    __tablename__ = "own_object"
    object_key: str = Field(primary_key=True)
