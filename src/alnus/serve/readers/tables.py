"""The tables of reader studies. Times are seconds since 1970 (UTC) by the server's clock; ids are random."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from alnus.serve.database.tables import new_id
from alnus.serve.readers.design import SCALES


class Phase(StrEnum):
    """How far a study has come: nobody reads a draft, nobody reads what is closed."""

    DRAFT = "draft"
    RUNNING = "running"
    CLOSED = "closed"


class ReaderStudy(SQLModel, table=True):
    """A reader study. scale: a key of `SCALES`. seed: all orders follow from it. model: whose answers are shown."""

    __tablename__ = "reader_study"
    id: str = Field(default_factory=lambda: new_id("S"), primary_key=True)
    name: str = Field(max_length=120)
    design: str
    scale: str
    washout_days: int = 0
    seed: int
    model: str | None = None
    phase: str = Field(default=Phase.DRAFT, index=True)
    created_by: str = Field(foreign_key="user_account.id")
    created_s: float = Field(default_factory=time.time)
    started_s: float | None = None
    closed_s: float | None = None

    @property
    def least(self) -> int:
        """The least suspicion that can be given."""
        return SCALES[self.scale][0]

    @property
    def most(self) -> int:
        """The most suspicion that can be given."""
        return SCALES[self.scale][1]


class StudyCase(SQLModel, table=True):
    """A case of a study. video_ids: its videos, in the order in which they are shown. truth: 1 = metastasis.

    shown: what the model says of it, as it was when the study was started; empty where the design shows nothing.
    """

    __tablename__ = "reader_study_case"
    __table_args__ = (UniqueConstraint("study_id", "case_id"),)
    id: str = Field(default_factory=lambda: new_id("I"), primary_key=True)
    study_id: str = Field(foreign_key="reader_study.id", index=True)
    case_id: str = Field(foreign_key="study_case.id")
    video_ids: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    truth: int | None = None
    shown: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class StudyReader(SQLModel, table=True):
    """Who reads. place: from 1; exports name the reader "R" and the place. with_model_first: of a crossover."""

    __tablename__ = "reader_study_reader"
    __table_args__ = (UniqueConstraint("study_id", "user_id"), UniqueConstraint("study_id", "place"))
    id: str = Field(default_factory=lambda: new_id("D"), primary_key=True)
    study_id: str = Field(foreign_key="reader_study.id", index=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    place: int
    with_model_first: bool = False


class Reading(SQLModel, table=True):
    """One reading of one case, planned when the study is started. call: 1 = metastasis. Both are drafts until locked.

    begun_s: when its first frame was shown. active_s: seconds with the picture shown until open_since_s, from which on
    it is shown now; None where it stands. seen_s: when the reader's page was last heard of.
    """

    __tablename__ = "reading"
    __table_args__ = (UniqueConstraint("reader_id", "session", "position", "step"),)
    id: str = Field(default_factory=lambda: new_id("G"), primary_key=True)
    reader_id: str = Field(foreign_key="reader_study_reader.id", index=True)
    item_id: str = Field(foreign_key="reader_study_case.id", index=True)
    session: int
    position: int
    step: int
    treatment: str
    call: int | None = None
    suspicion: int | None = None
    begun_s: float | None = None
    active_s: float = 0.0
    open_since_s: float | None = None
    seen_s: float | None = None
    locked_s: float | None = Field(default=None, index=True)


class ReadingPause(SQLModel, table=True):
    """When the picture was not shown. ended_s: None until it is shown again. reason: reader, hidden, lost or idle."""

    __tablename__ = "reading_pause"
    id: int | None = Field(default=None, primary_key=True)
    reading_id: str = Field(foreign_key="reading.id", index=True)
    began_s: float
    ended_s: float | None = None
    reason: str
