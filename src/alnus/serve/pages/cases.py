"""The case view: the cine with its heat, the risk and what it rests on, the patient's other videos."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from sqlmodel import Session, col, select
from starlette.responses import JSONResponse, Response

from alnus.serve.audit import note
from alnus.serve.database.tables import WAITING, Case
from alnus.serve.pages.pictures import frame_times_s
from alnus.serve.pages.rendering import person_of, render, room_of
from alnus.serve.room import Room
from alnus.serve.view import CaseView, VideoView, case_views
from alnus.serve.work.ingesting import cine_store

router = APIRouter(include_in_schema=False)
OTHERS = 20


@router.get("/cases/{case_id}")
def case_page(request: Request, case_id: str, video: str = "", live: bool = False) -> Response:
    """Show a case, and the video that was chosen. live: the page asks again by itself, which is no new look."""
    room = room_of(request)
    with room.database.reading() as session:
        view = found_case(session, room, case_id)
        others = _others(session, room, view.case)
    if not live:
        with room.database.writing() as session:
            note(session, person_of(request).id, "case.open", case_id)
    chosen = next((one for one in view.videos if one.video.id == video), view.videos[0])
    values: dict[str, Any] = {"view": view, "chosen": chosen, "others": others, "data": viewer_data(room, chosen)}
    return render(request, "case.html", is_busy=is_busy(view), **values)


@router.get("/cases/{case_id}/status")
def status(request: Request, case_id: str) -> Response:
    """Return how far each video of a case has come."""
    room = room_of(request)
    with room.database.reading() as session:
        view = found_case(session, room, case_id)
    return JSONResponse({"busy": is_busy(view), "videos": {one.video.id: one.job.state for one in view.videos}})


def found_case(session: Session, room: Room, case_id: str) -> CaseView:
    """Return a case. Raises HTTPException where there is none."""
    case = session.get(Case, case_id)
    views = [] if case is None else case_views(session, room, [case])
    if not views or not views[0].videos:
        raise HTTPException(404, "there is no such case")
    return views[0]


def is_busy(view: CaseView) -> bool:
    """Tell whether something is still to be done for a case."""
    return any(one.job.state in WAITING for one in view.videos)


def viewer_data(room: Room, chosen: VideoView) -> dict[str, Any]:
    """Return what the page's script needs of a video."""
    video = chosen.video
    data: dict[str, Any] = {"video": video.id, "state": chosen.job.state, "frames": video.frames or 0, "networks": []}
    if not chosen.is_readable:
        return data
    store = cine_store(room.folders, video.sha256)
    data |= {"width": video.width, "height": video.height, "times_s": frame_times_s(store)}
    data["networks"] = [
        {
            "key": result.model,
            "name": result.model_name,
            "keyframe": result.keyframe,
            "importance": result.importance,
        }
        for result in chosen.results
    ]
    return data


def _others(session: Session, room: Room, case: Case) -> list[CaseView]:
    """Return the patient's other cases, newest first."""
    same = select(Case).where(Case.patient_key == case.patient_key, Case.id != case.id)
    return case_views(session, room, session.exec(same.order_by(col(Case.created_s).desc()).limit(OTHERS)).all())
