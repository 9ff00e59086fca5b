"""A case as everybody is shown it: its videos, their jobs and results, and what they say of the patient together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from alnus.serve.database.tables import Case, Job, Result, State, Video
from alnus.serve.networks import ServedModel
from alnus.serve.risk import Assessment
from alnus.serve.room import Room

ORDER = (State.FAILED, State.DEAD, State.RECEIVED, State.INGESTED, State.SCORED, State.EXPLAINED, State.RETURNED)


@dataclass(frozen=True)
class VideoView:
    """A video with its job and its results, those of the networks that are served now first."""

    video: Video
    job: Job
    results: tuple[Result, ...]

    @property
    def is_readable(self) -> bool:
        """Whether its frames can be shown."""
        return self.video.frames is not None


@dataclass(frozen=True)
class Verdict:
    """What a network says of the patient: of all videos of the case that it has scored, together.

    model: None where the network is not served any more; then there is one video, whose own result this is.
    """

    result: Result
    model: ServedModel | None
    assessment: Assessment
    videos: int


@dataclass(frozen=True)
class CaseView:
    """A case with its videos, in the order in which they came, and the verdict of each network."""

    case: Case
    videos: tuple[VideoView, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def unscored(self) -> int:
        """How many of its videos are still to be scored: until then what is said of the patient is not final."""
        return sum(view.job.state in (State.RECEIVED, State.INGESTED) for view in self.videos)

    @property
    def state(self) -> State:
        """The state that is furthest from done; a failed video counts only where no other is left."""
        states = {State(view.job.state) for view in self.videos}
        good = states - {State.FAILED, State.DEAD}
        return min(good or states or {State.RECEIVED}, key=ORDER.index)


def case_views(session: Session, room: Room, cases: Sequence[Case]) -> list[CaseView]:
    """Return cases with all that is known of them, by three queries in all."""
    ids = [case.id for case in cases]
    rows = session.exec(
        select(Video, Job)
        .join(Job, col(Job.video_id) == col(Video.id))
        .where(col(Video.case_id).in_(ids))
        .order_by(col(Video.received_s), col(Video.id))
    ).all()
    videos = [video.id for video, _ in rows]
    results = session.exec(select(Result).where(col(Result.video_id).in_(videos)).order_by(col(Result.created_s))).all()
    served = {model.key: place for place, model in enumerate(room.models)}
    views = {case.id: list[VideoView]() for case in cases}
    for video, job in rows:
        own = [result for result in results if result.video_id == video.id]
        own.sort(key=lambda result: served.get(result.model, len(served)))
        views[video.case_id].append(VideoView(video, job, tuple(own)))
    return [CaseView(case, tuple(views[case.id]), verdicts(room, views[case.id])) for case in cases]


def verdicts(room: Room, videos: Sequence[VideoView]) -> tuple[Verdict, ...]:
    """Return what each network says of a patient by these videos; first those that are served."""
    by_model: dict[str, list[Result]] = {}
    for view in videos:
        for result in view.results:
            by_model.setdefault(result.model, []).append(result)
    served = {model.key: model for model in room.models}
    found = [_verdict(results, served.get(key)) for key, results in by_model.items()]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.model is None))


def _verdict(results: list[Result], model: ServedModel | None) -> Verdict | None:
    if model is not None:
        scores = [result.probability for result in results]
        score = max(scores) if model.card.aggregation == "max" else sum(scores) / len(scores)
        return Verdict(results[0], model, model.risks.assess(score), len(results))
    return Verdict(results[0], None, assessment_of(results[0]), 1) if len(results) == 1 else None


def assessment_of(result: Result) -> Assessment:
    """Return what was said of one video when it was scored."""
    return Assessment(
        result.probability,
        result.risk,
        result.risk_low,
        result.risk_high,
        result.threshold,
        result.threshold_risk,
        result.answer,
        dict(result.reasons),
    )
