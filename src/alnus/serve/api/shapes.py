"""What the REST service answers, as OpenAPI states it. null where the run states none; `reasons` says why."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from alnus.serve.database.tables import Result, State
from alnus.serve.networks import ServedModel
from alnus.serve.risk import Assessment
from alnus.serve.view import CaseView, Verdict, VideoView, assessment_of

NOTICE = "Research use only. Accuracy on lymph nodes not measured."
StateName = Literal["received", "ingested", "scored", "explained", "returned", "failed", "dead"]


class Shape(BaseModel):
    """A part of an answer; nothing is in it that is not stated here."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """Why a request is refused."""

    detail: str


class SubmittedVideo(Shape):
    """Where a file went. is_new: false for bytes that were here already."""

    case: str
    video: str
    is_new: bool


class SubmittedFiles(Shape):
    """Where a file, or each video of a ZIP file, went."""

    case: str
    videos: list[SubmittedVideo]


class VideoStatus(Shape):
    """How far a video is. reason: why it failed or waits."""

    video: str
    state: StateName
    attempts: int
    reason: str | None
    frames: int | None
    height: int | None
    width: int | None
    frame_rate_hz: float | None
    is_phantom: bool
    warnings: list[str]


class CaseStatus(Shape):
    """How far a case is. done: nothing more happens by itself. patient: a pseudonym."""

    case: str
    patient: str
    state: StateName
    done: bool
    received_s: float = Field(description="Seconds since 1970, UTC")
    videos: list[VideoStatus]


class Cases(Shape):
    """A page of cases, newest first. next: where the next page begins, null at the end."""

    cases: list[CaseStatus]
    next: str | None


class Said(Shape):
    """What a network and its run say. probability is not calibrated; risk is, on the run's validation patients."""

    probability: float = Field(ge=0, le=1)
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    threshold: float | None
    threshold_risk: float | None
    above_threshold: bool | None
    answer: Literal["metastasis", "no metastasis", "not sure: examine"] | None
    reasons: dict[str, str]


class VideoResult(Said):
    """What a network says of one video. keyframe: counted from 0. importance: each frame's share of the evidence."""

    video: str
    keyframe: int | None
    importance: list[float]
    engine: str


class NetworkResult(Shape):
    """What a network says of the patient, from all videos of the case together, and of each."""

    network: str
    name: str
    version: str
    trained_on_phantoms: bool | None
    patient: Said
    videos: list[VideoResult]


class CaseResult(Shape):
    """The result of a case; empty until a video is scored."""

    case: str
    notice: str = NOTICE
    networks: list[NetworkResult]


class Network(Shape):
    """A network that is served."""

    network: str
    name: str
    version: str
    threshold: float | None
    trained_on_phantoms: bool
    note: str


def network_of(model: ServedModel) -> Network:
    """Return a served network."""
    card = model.card
    return Network(
        network=model.key,
        name=card.source,
        version=model.version,
        threshold=card.threshold,
        trained_on_phantoms=card.phantom,
        note=card.note,
    )


def status_of(view: CaseView) -> CaseStatus:
    """Return how far a case is."""
    over = {State.RETURNED, State.FAILED, State.DEAD}
    return CaseStatus(
        case=view.case.id,
        patient=view.case.patient_key,
        state=view.state.value,
        done=all(one.job.state in over for one in view.videos),
        received_s=view.case.created_s,
        videos=[_video_status(one) for one in view.videos],
    )


def result_of(view: CaseView) -> CaseResult:
    """Return the result of a case."""
    return CaseResult(case=view.case.id, networks=[_network_result(view, verdict) for verdict in view.verdicts])


def _video_status(one: VideoView) -> VideoStatus:
    video, job = one.video, one.job
    return VideoStatus(
        video=video.id,
        state=State(job.state).value,
        attempts=job.attempts,
        reason=job.reason,
        frames=video.frames,
        height=video.height,
        width=video.width,
        frame_rate_hz=video.frame_rate_hz,
        is_phantom=video.is_phantom,
        warnings=[finding["text"] for finding in video.findings],
    )


def _network_result(view: CaseView, verdict: Verdict) -> NetworkResult:
    result = verdict.result
    own = [each for one in view.videos for each in one.results if each.model == result.model]
    return NetworkResult(
        network=result.model,
        name=result.model_name,
        version=result.model_version,
        trained_on_phantoms=None if verdict.model is None else verdict.model.card.phantom,
        patient=Said.model_validate(said(verdict.assessment)),
        videos=[_video_result(each) for each in own],
    )


def _video_result(result: Result) -> VideoResult:
    return VideoResult.model_validate(
        said(assessment_of(result))
        | {
            "video": result.video_id,
            "keyframe": result.keyframe,
            "importance": result.importance,
            "engine": result.engine,
        }
    )


def said(assessment: Assessment) -> dict[str, object]:
    """Return an assessment as the answers have it."""
    return {
        "probability": assessment.probability,
        "risk": assessment.risk,
        "risk_low": assessment.risk_low,
        "risk_high": assessment.risk_high,
        "threshold": assessment.threshold,
        "threshold_risk": assessment.threshold_risk,
        "above_threshold": assessment.call,
        "answer": assessment.answer,
        "reasons": assessment.reasons,
    }
