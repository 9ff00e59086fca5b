"""The room's tables. Times are seconds since 1970 (UTC); ids that pages show are random, never counted.

Nothing here holds text out of a file's header, a file's name, or anything else that says who the patient is.
"""

from __future__ import annotations

import secrets
import time
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is taken for another


def new_id(prefix: str) -> str:
    """Return a random id such as "C-7F3K9QXW2M", 49 bits."""
    return f"{prefix}-{''.join(secrets.choice(_LETTERS) for _ in range(10))}"


class Role(StrEnum):
    """What a person may do: an administrator everything, a reader look at cases, upload, and read."""

    ADMIN = "admin"
    READER = "reader"


class State(StrEnum):
    """How far a video's job has come. FAILED: the file cannot be used. DEAD: a step failed too often."""

    RECEIVED = "received"
    INGESTED = "ingested"
    SCORED = "scored"
    EXPLAINED = "explained"
    RETURNED = "returned"
    FAILED = "failed"
    DEAD = "dead"


WAITING = (State.RECEIVED, State.INGESTED, State.SCORED, State.EXPLAINED)


class User(SQLModel, table=True):
    """Somebody who may sign in. password: Argon2id, with its salt and cost."""

    __tablename__ = "user_account"
    id: str = Field(default_factory=lambda: new_id("U"), primary_key=True)
    name: str = Field(unique=True, max_length=64)
    role: str = Role.READER
    password: str
    is_first_password: bool = False
    is_active: bool = True
    language: str | None = None
    created_s: float = Field(default_factory=time.time)


class LoginSession(SQLModel, table=True):
    """A signed-in browser. token_sha256: of the cookie; csrf: what its forms must send along."""

    __tablename__ = "login_session"
    token_sha256: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    csrf: str
    created_s: float = Field(default_factory=time.time)
    seen_s: float = Field(default_factory=time.time)


class ApiKey(SQLModel, table=True):
    """A program that may use the REST service. key_sha256: of its key, which is shown once."""

    __tablename__ = "api_key"
    id: str = Field(default_factory=lambda: new_id("K"), primary_key=True)
    name: str = Field(max_length=64)
    key_sha256: str = Field(unique=True)
    created_by: str = Field(foreign_key="user_account.id")
    created_s: float = Field(default_factory=time.time)
    revoked_s: float | None = None


class Case(SQLModel, table=True):
    """One patient's examination: one or more videos.

    patient_key: the pseudonym of the patient; a case of unknown patient has one of its own. study_key: the pseudonym
    that videos of one examination share, None where nothing tells. origin: upload, api or dicom.
    """

    __tablename__ = "study_case"
    id: str = Field(default_factory=lambda: new_id("C"), primary_key=True)
    patient_key: str = Field(index=True)
    study_key: str | None = Field(default=None, unique=True)
    origin: str
    submitted_by: str
    created_s: float = Field(default_factory=time.time, index=True)
    changed_s: float = Field(default_factory=time.time)


class Video(SQLModel, table=True):
    """One file that was received. sha256: of its bytes; its cine lies in `Folders.cine`. Facts are None until then.

    sop_key: keyed digest of a DICOM instance's UID, None for other files: an instance that is dropped and sent is one
    video, though a file's head is written anew on each way.
    findings: what the quality gate warns of, [{"code", "severity", "text"}].
    """

    __tablename__ = "video"
    id: str = Field(default_factory=lambda: new_id("V"), primary_key=True)
    case_id: str = Field(foreign_key="study_case.id", index=True)
    sha256: str = Field(unique=True)
    sop_key: str | None = Field(default=None, index=True)
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    origin: str
    kind: str | None = None
    frames: int | None = None
    height: int | None = None
    width: int | None = None
    frame_rate_hz: float | None = None
    spacing_row_mm: float | None = None
    spacing_col_mm: float | None = None
    is_phantom: bool = False
    findings: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    received_s: float = Field(default_factory=time.time)


class Job(SQLModel, table=True):
    """What is still to do for a video. reason: one line, why it failed or waits. lease: who works on it, until when.

    died_in: of a dead job, the state that it had come to.
    """

    __tablename__ = "job"
    video_id: str = Field(foreign_key="video.id", primary_key=True)
    state: str = Field(default=State.RECEIVED, index=True)
    attempts: int = 0
    next_try_s: float = Field(default_factory=time.time, index=True)
    reason: str | None = None
    died_in: str | None = None
    lease: str | None = None
    lease_until_s: float = 0.0
    created_s: float = Field(default_factory=time.time, index=True)
    changed_s: float = Field(default_factory=time.time)


class Result(SQLModel, table=True):
    """What a network says of a video. model: `ServedModel.key`, which changes with the weights.

    probability: its output for metastasis, not calibrated. risk, risk_low, risk_high: calibrated on the run's
    validation patients, with the interval; threshold: frozen there, on the probability, and threshold_risk the same as
    a risk; answer: "metastasis", "no metastasis" or "not sure: examine" of the conformal set. Each is None where the
    run states none, and reasons says why, under the same name.
    keyframe: the frame weighed most. importance: of every frame, its share of the evidence, measured as `measure` says.
    """

    __tablename__ = "result"
    __table_args__ = (UniqueConstraint("video_id", "model"),)
    id: str = Field(default_factory=lambda: new_id("R"), primary_key=True)
    video_id: str = Field(foreign_key="video.id", index=True)
    model: str
    model_name: str
    model_version: str
    engine: str
    probability: float
    risk: float | None = None
    risk_low: float | None = None
    risk_high: float | None = None
    threshold: float | None = None
    threshold_risk: float | None = None
    answer: str | None = None
    reasons: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    keyframe: int | None = None
    measure: str | None = None
    importance: list[float] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_s: float = Field(default_factory=time.time)


class AuditEntry(SQLModel, table=True):
    """One line of the audit log; triggers refuse to change or delete it. actor: a user's or key's id, or "system".

    subject: the id that it is about. detail: further ids and numbers, never anything about the patient.
    """

    __tablename__ = "audit_log"
    id: int | None = Field(default=None, primary_key=True)
    at_s: float = Field(default_factory=time.time, index=True)
    actor: str
    action: str
    subject: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
