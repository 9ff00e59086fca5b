"""The routes of the REST service, version 1. A program sends its key: `Authorization: Bearer alnus_…`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.security import HTTPBearer
from sqlmodel import Session, col, select
from starlette.responses import FileResponse, Response

from alnus.errors import MediaError
from alnus.media import write_mp4
from alnus.serve.api import shapes
from alnus.serve.audit import note
from alnus.serve.database.tables import Case, Result, Video
from alnus.serve.pages.pictures import UNKNOWN_RATE_HZ, as_png
from alnus.serve.pages.rendering import language_of, person_of, room_of
from alnus.serve.pages.reporting import report_bytes
from alnus.serve.pages.uploading import taken
from alnus.serve.room import Room
from alnus.serve.view import CaseView, case_views
from alnus.serve.work.drawing import DrawnCine
from alnus.serve.work.explaining import heat_path

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": shapes.Problem, "description": "No valid API key"},
    422: {"model": shapes.Problem, "description": "The request cannot be used"},
    429: {"model": shapes.Problem, "description": "Too many requests"},
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": shapes.Problem, "description": "There is none"}}
SUBMIT: dict[int | str, dict[str, Any]] = {
    413: {"model": shapes.Problem, "description": "Too large"},
    503: {"model": shapes.Problem, "description": "Too much waits already; try again later"},
    507: {"model": shapes.Problem, "description": "The room's disk is full"},
}
FILE = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": FILE}}}

# The gate has checked the key already; this only tells OpenAPI of it.
router = APIRouter(prefix="/api/v1", responses=REFUSALS, dependencies=[Depends(HTTPBearer(auto_error=False))])
CaseId = Annotated[str, Path(pattern="^C-[2-9A-Z]{10}$", description="A case's id")]
VideoId = Annotated[str, Path(pattern="^V-[2-9A-Z]{10}$", description="A video's id")]


@router.get("/networks", tags=["networks"])
def networks(request: Request) -> list[shapes.Network]:
    """List the networks that are served."""
    return [shapes.network_of(model) for model in room_of(request).models]


@router.post(
    "/videos",
    tags=["videos"],
    status_code=201,
    response_model=shapes.SubmittedFiles,
    responses=SUBMIT,
    openapi_extra=BODY,
)
async def submit_video(request: Request) -> Response:
    """Submit a DICOM file, a video, or a ZIP file of them: the request's body. The same bytes again are the same video.

    Headers, both optional: X-Patient, the patient's id in the hospital, percent-encoded, kept as a pseudonym only;
    X-Batch, a name of your own for the files of one examination.
    """
    return await taken(request, origin="api")


@router.get("/cases", tags=["cases"])
def cases(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    before: Annotated[str | None, Query(pattern="^C-[2-9A-Z]{10}$", description="`next` of the page before")] = None,
) -> shapes.Cases:
    """List cases, newest first."""
    room = room_of(request)
    with room.database.reading() as session:
        found = _page(session, limit, before)
        views = case_views(session, room, found[:limit])
    following = found[limit - 1].id if len(found) > limit else None
    return shapes.Cases(cases=[shapes.status_of(view) for view in views], next=following)


@router.get("/cases/{case}", tags=["cases"], responses=MISSING)
def status(request: Request, case: CaseId) -> shapes.CaseStatus:
    """Say how far a case is."""
    return shapes.status_of(_view(room_of(request), case))


@router.get("/cases/{case}/result", tags=["cases"], responses=MISSING)
def result(request: Request, case: CaseId) -> shapes.CaseResult:
    """Return what each network says of a case: of the patient, and of each video."""
    view = _view(room_of(request), case)
    _noted(request, "case.result", case)
    return shapes.result_of(view)


@router.get(
    "/cases/{case}/report",
    tags=["cases"],
    response_class=Response,
    responses=MISSING | {200: {"content": {"application/pdf": {}}, "description": "One page"}},
)
def report(request: Request, case: CaseId) -> Response:
    """Return a case's report, a PDF of one page."""
    room = room_of(request)
    view = _view(room, case)
    _noted(request, "case.report", case)
    return Response(report_bytes(room, view, language_of(request)), media_type="application/pdf")


@router.get(
    "/videos/{video}/heatmap",
    tags=["videos"],
    response_class=Response,
    responses=MISSING
    | {200: {"content": {"image/png": {}, "video/mp4": {}}, "description": "The keyframe, or the whole cine"}},
)
def heatmap(
    request: Request,
    video: VideoId,
    network: Annotated[str | None, Query(max_length=200, description="Of `/networks`; default: the first")] = None,
    form: Annotated[Literal["png", "mp4"], Query(description="One frame, or the whole cine")] = "png",
    frame: Annotated[int | None, Query(ge=0, le=1_000_000, description="Default: the keyframe")] = None,
) -> Response:
    """Return a video's heatmap: a frame as PNG, or the cine as MP4."""
    room = room_of(request)
    try:
        found, answer = _result(room, video, network)
        drawn = DrawnCine(room, found, answer)
    except MediaError:
        raise HTTPException(404, "the heatmap is not there yet") from None
    _noted(request, "video.heatmap", video)
    if form == "png":
        number = (answer.keyframe or 0) if frame is None else frame
        if number >= len(drawn):
            raise HTTPException(404, f"there is no frame {number}; the cine has {len(drawn)}")
        return Response(as_png(drawn.frame(number)), media_type="image/png")
    path = heat_path(room.folders, found.sha256, answer.model).with_suffix(".mp4")
    if not path.exists():
        write_mp4(path, drawn.frames(), frame_rate_hz=found.frame_rate_hz or UNKNOWN_RATE_HZ)
    return FileResponse(path, media_type="video/mp4")


def _noted(request: Request, action: str, subject: str) -> None:
    """Note in the audit log what a program was shown."""
    with room_of(request).database.writing() as session:
        note(session, person_of(request).id, action, subject)


def _page(session: Session, limit: int, before: str | None) -> list[Case]:
    """Return the cases of a page, and one more where there is one."""
    wanted = select(Case).order_by(col(Case.created_s).desc(), col(Case.id).desc()).limit(limit + 1)
    start = None if before is None else session.get(Case, before)
    if start is not None:
        older, same = col(Case.created_s) < start.created_s, col(Case.created_s) == start.created_s
        wanted = wanted.where(older | (same & (col(Case.id) < start.id)))
    return list(session.exec(wanted).all())


def _view(room: Room, case_id: str) -> CaseView:
    with room.database.reading() as session:
        case = session.get(Case, case_id)
        if case is None:
            raise HTTPException(404, "there is no such case")
        return case_views(session, room, [case])[0]


def _result(room: Room, video_id: str, network: str | None) -> tuple[Video, Result]:
    """Return a video and its result by a network. Raises HTTPException."""
    with room.database.reading() as session:
        video = session.get(Video, video_id)
        found = session.exec(select(Result).where(Result.video_id == video_id)).all()
    keys = [model.key for model in room.models] if network is None else [network]
    answer = next((one for key in keys for one in found if one.model == key), None)
    if video is None or answer is None:
        raise HTTPException(404, "there is no such video, or no result of that network yet")
    return video, answer
