"""Make a study, start it, close it. What is read, by whom and in which order is fixed in the moment it starts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session, col, select

from alnus.errors import UsageError
from alnus.serve.audit import note
from alnus.serve.database.tables import Job, Result, Role, User, Video
from alnus.serve.readers.cases import DONE, MOST, Readable
from alnus.serve.readers.design import SCALES, Design, begin_with_model, needs_model, planned
from alnus.serve.readers.tables import Phase, ReaderStudy, Reading, StudyCase, StudyReader
from alnus.serve.room import Room
from alnus.serve.view import VideoView, verdicts

MOST_SEED = 2**31 - 1
MOST_DAYS = 366


@dataclass(frozen=True)
class Wish:
    """What an administrator asks for. seed: None for a random one. model: whose answers are shown, by its key."""

    name: str
    design: Design
    scale: str
    washout_days: int = 0
    seed: int | None = None
    model: str | None = None


def make_study(
    session: Session, wish: Wish, cases: Sequence[Readable], readers: Sequence[str], *, actor: str
) -> ReaderStudy:
    """Make a draft. readers: ids of accounts. Raises UsageError."""
    _check(session, wish, cases, readers)
    seed = secrets.randbelow(MOST_SEED) if wish.seed is None else wish.seed
    study = ReaderStudy(
        name=wish.name,
        design=wish.design,
        scale=wish.scale,
        washout_days=wish.washout_days if wish.design is Design.CROSSOVER else 0,
        seed=seed,
        model=wish.model if needs_model(wish.design) else None,
        created_by=actor,
    )
    session.add(study)
    session.flush()
    for one in cases:
        session.add(StudyCase(study_id=study.id, case_id=one.case.id, video_ids=[video.id for video in one.videos]))
    first = begin_with_model(seed=seed, readers=len(readers))
    for place, user_id in enumerate(readers, start=1):
        begins = wish.design is Design.CROSSOVER and first[place - 1]
        session.add(StudyReader(study_id=study.id, user_id=user_id, place=place, with_model_first=begins))
    note(session, actor, "study.make", study.id, {"design": wish.design, "cases": len(cases), "readers": len(readers)})
    return study


def start_study(session: Session, room: Room, study: ReaderStudy, *, actor: str) -> None:
    """Lay out every reading of every reader, with what the model says by now. Raises UsageError."""
    _in_phase(study, Phase.DRAFT, "has been started already")
    _check_readers(session, [reader.user_id for reader in study_readers(session, study.id)])
    items = study_cases(session, study.id)
    if needs_model(Design(study.design)):
        for item in items:
            item.shown = _shown(session, room, study, item)
            session.add(item)
    by_case = {item.case_id: item for item in items}
    for reader in study_readers(session, study.id):
        plan = planned(
            Design(study.design),
            list(by_case),
            seed=study.seed,
            reader=reader.place,
            with_model_first=reader.with_model_first,
        )
        session.add_all(
            Reading(
                reader_id=reader.id,
                item_id=by_case[one.case].id,
                session=one.session,
                position=one.position,
                step=one.step,
                treatment=one.treatment,
            )
            for one in plan
        )
    study.phase, study.started_s = Phase.RUNNING, time.time()
    session.add(study)
    note(session, actor, "study.start", study.id, {"seed": study.seed, "model": study.model})


def close_study(session: Session, study: ReaderStudy, *, actor: str) -> None:
    """End the reading for good; readings that are not locked do not count. Raises UsageError."""
    _in_phase(study, Phase.RUNNING, "is not running")
    study.phase, study.closed_s = Phase.CLOSED, time.time()
    session.add(study)
    note(session, actor, "study.close", study.id)


def discard_study(session: Session, study: ReaderStudy, *, actor: str) -> None:
    """Delete a draft; what was read once is never deleted. Raises UsageError."""
    _in_phase(study, Phase.DRAFT, "has been started; close it instead")
    for one in [*study_cases(session, study.id), *study_readers(session, study.id)]:
        session.delete(one)
    session.flush()
    session.delete(study)
    note(session, actor, "study.discard", study.id)


def study_cases(session: Session, study_id: str) -> list[StudyCase]:
    """Return the cases of a study, by their ids."""
    return list(
        session.exec(select(StudyCase).where(StudyCase.study_id == study_id).order_by(col(StudyCase.case_id))).all()
    )


def study_readers(session: Session, study_id: str) -> list[StudyReader]:
    """Return the readers of a study, in their places."""
    return list(
        session.exec(select(StudyReader).where(StudyReader.study_id == study_id).order_by(col(StudyReader.place))).all()
    )


def _in_phase(study: ReaderStudy, phase: Phase, otherwise: str) -> None:
    if study.phase != phase:
        raise UsageError(f"study {study.id} {otherwise}")


def _check(session: Session, wish: Wish, cases: Sequence[Readable], readers: Sequence[str]) -> None:
    if not wish.name or not wish.name.isprintable() or len(wish.name) > 120:
        raise UsageError("name: give the study a name of 1 to 120 characters")
    if wish.scale not in SCALES:
        raise UsageError(f"scale: {', '.join(SCALES)} are the choices, received {wish.scale[:20]}")
    if wish.design is Design.CROSSOVER and not 1 <= wish.washout_days <= MOST_DAYS:
        raise UsageError(f"wash-out: a crossover needs 1 to {MOST_DAYS} days, received {wish.washout_days}")
    if wish.seed is not None and not 0 <= wish.seed <= MOST_SEED:
        raise UsageError(f"seed: a whole number from 0 to {MOST_SEED} is expected, received {wish.seed}")
    if needs_model(wish.design) and wish.model is None:
        raise UsageError(f"network: the design {wish.design} shows what a network says; choose one")
    if not 1 <= len(cases) <= MOST:
        raise UsageError(f"cases: a study has 1 to {MOST} whose work is done, this one has {len(cases)}")
    if not readers:
        raise UsageError("readers: choose at least one; five or more carry a conclusion about readers in general")
    _check_readers(session, readers)


def _check_readers(session: Session, readers: Sequence[str]) -> None:
    """Refuse whoever could not read: the study would never be done. Raises UsageError."""
    for user_id in readers:
        user = session.get(User, user_id)
        if user is None or not user.is_active or user.role != Role.READER:
            raise UsageError(
                f"readers: {user_id[:20]} is no active account of a reader; administrators see labels and cannot read"
            )


def _shown(session: Session, room: Room, study: ReaderStudy, item: StudyCase) -> dict[str, Any]:
    """Return what the study's network says of a case, of all its videos together. Raises UsageError."""
    rows = session.exec(
        select(Video, Job, Result)
        .join(Job, col(Job.video_id) == col(Video.id))
        .join(Result, col(Result.video_id) == col(Video.id))
        .where(col(Video.id).in_(item.video_ids), Result.model == study.model, col(Job.state).in_(DONE))
    ).all()
    said = verdicts(room, [VideoView(video, job, (result,)) for video, job, result in rows])
    if len(rows) < len(item.video_ids) or not said or said[0].model is None:
        raise UsageError(
            f"case {item.case_id}: the network {study.model} has not explained all its videos, or is served no more; "
            "serve it, or make a study with another"
        )
    return {"name": said[0].result.model_name, "videos": len(rows), **asdict(said[0].assessment)}
