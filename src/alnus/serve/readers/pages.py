"""What a reader sees: worklists with nothing of the patients, and one case at a time with what its mode shows."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from sqlmodel import Session, select
from starlette.responses import JSONResponse, RedirectResponse, Response

from alnus.serve.audit import note
from alnus.serve.database.tables import Result
from alnus.serve.pages import pictures
from alnus.serve.pages.rendering import person_of, render, room_of, words
from alnus.serve.readers.desk import Desk, open_desk, own_desk
from alnus.serve.readers.reading import LOCKED, NOT_NEXT, RefusedError, as_answer, lock, save_draft, worklists_of_user
from alnus.serve.readers.timing import Event, tick
from alnus.serve.risk import Assessment
from alnus.serve.room import Room
from alnus.serve.work.ingesting import cine_store

router = APIRouter(include_in_schema=False)
Answer = Annotated[str, Form(max_length=8)]


@router.get("/readings")
def worklists(request: Request, closed: bool = False) -> Response:
    """Show a reader's studies. closed: why they were sent here."""
    with room_of(request).database.reading() as session:
        found = worklists_of_user(session, person_of(request).id)
    return render(request, "readers/worklists.html", worklists=found, now_s=time.time(), closed=closed)


@router.get("/readings/{study_id}/next")
def next_reading(request: Request, study_id: str) -> Response:
    """Lead a reader to the reading that is next, or to the worklists where there is none now."""
    with room_of(request).database.reading() as session:
        for one in worklists_of_user(session, person_of(request).id):
            reading = one.current
            if one.study.id == study_id and reading is not None and not one.refusal(reading, now_s=time.time()):
                return RedirectResponse(f"/reading/{reading.id}", 303)
    return RedirectResponse("/readings", 303)


@router.get("/reading/{reading_id}")
def reading_page(request: Request, reading_id: str, video: Annotated[int, Query(ge=0, le=1000)] = 0) -> Response:
    """Show a case to be read. video: which of its videos, from 0."""
    room = room_of(request)
    try:
        with room.database.reading() as session:
            desk = open_desk(session, request, reading_id)
    except RefusedError:
        return RedirectResponse("/readings", 303)
    with room.database.writing() as session:
        note(session, person_of(request).id, "reading.open", reading_id)
    return _page(request, desk, video)


@router.post("/reading/{reading_id}/timer")
def timer(request: Request, reading_id: str, event: Annotated[Event, Form()]) -> Response:
    """Take what the page tells of its picture: shown, hidden, there."""
    with room_of(request).database.writing() as session:
        try:
            desk = own_desk(session, request, reading_id)
        except RefusedError as error:
            return _refusal(request, error)
        tick(session, desk.reading, event, now_s=time.time())
    return JSONResponse({"running": desk.reading.open_since_s is not None})


@router.post("/reading/{reading_id}/draft")
def draft(request: Request, reading_id: str, call: Answer = "", suspicion: Answer = "") -> Response:
    """Keep what a reader has marked so far."""
    with room_of(request).database.writing() as session:
        try:
            desk = own_desk(session, request, reading_id)
            _save(session, request, desk, call, suspicion)
        except RefusedError as error:
            return _refusal(request, error)
    return JSONResponse({"call": desk.reading.call, "suspicion": desk.reading.suspicion})


@router.post("/reading/{reading_id}/lock")
def submit(request: Request, reading_id: str, call: Answer = "", suspicion: Answer = "") -> Response:
    """Take a reader's answer for good, and go on to the next."""
    with room_of(request).database.writing() as session:
        try:
            desk = own_desk(session, request, reading_id)
        except RefusedError as error:
            study_id = _study_of(session, request, reading_id)
            again = str(error) in (LOCKED, NOT_NEXT)  # a second click
            return RedirectResponse(f"/readings/{study_id}/next" if again else "/readings", 303)
        try:
            _save(session, request, desk, call, suspicion)
            lock(session, desk.worklist, desk.reading, now_s=time.time(), actor=person_of(request).id)
        except RefusedError as error:
            session.commit()  # the draft is kept
            return _page(request, desk, 0, status=400, problem=words(request)(str(error)))
    return RedirectResponse(f"/readings/{desk.study.id}/next", 303)


@router.get("/reading/{reading_id}/cine/{place}/frames")
def frames(
    request: Request,
    reading_id: str,
    place: int,
    first: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    count: Annotated[int, Query(ge=1, le=pictures.PACK_FRAMES)] = pictures.PACK_FRAMES,
) -> Response:
    """Return some frames as `pictures.frames` does, under an address that says nothing about the case."""
    video_id = _video_id(request, reading_id, place)
    return video_id if isinstance(video_id, Response) else pictures.frames(request, video_id, first, count)


@router.get("/reading/{reading_id}/cine/{place}/frames/{number}.png")
def frame(request: Request, reading_id: str, place: int, number: int) -> Response:
    """Return one frame without loss."""
    video_id = _video_id(request, reading_id, place)
    return video_id if isinstance(video_id, Response) else pictures.frame(request, video_id, number)


@router.get("/reading/{reading_id}/cine/{place}/heat/{model}")
def heat(request: Request, reading_id: str, place: int, model: str) -> Response:
    """Return the heat of the study's network, in a reading that shows it."""
    video_id = _video_id(request, reading_id, place, model=model)
    return video_id if isinstance(video_id, Response) else pictures.heat(request, video_id, model)


def _video_id(request: Request, reading_id: str, place: int, *, model: str | None = None) -> str | Response:
    """Return a video of a reading that is open, or why it is not shown. model: whose heat is asked for."""
    with room_of(request).database.reading() as session:
        try:
            desk = open_desk(session, request, reading_id)
        except RefusedError as error:
            return _refusal(request, error)
        if model is not None and not (desk.shows_model and model == desk.study.model):
            return JSONResponse({"detail": "this reading shows no heat"}, 403)
        return desk.video(session, place).id


def _refusal(request: Request, error: RefusedError) -> Response:
    return JSONResponse({"detail": words(request)(str(error))}, 409)


def _study_of(session: Session, request: Request, reading_id: str) -> str:
    """Return the study of one of the reader's own readings."""
    for one in worklists_of_user(session, person_of(request).id):
        if any(each.id == reading_id for each in one.readings):
            return one.study.id
    return "-"


def _save(session: Session, request: Request, desk: Desk, call: str, suspicion: str) -> None:
    marked = as_answer(call, least=0, most=1)
    graded = as_answer(suspicion, least=desk.study.least, most=desk.study.most)
    save_draft(session, desk.reading, call=marked, suspicion=graded, actor=person_of(request).id)


def _page(request: Request, desk: Desk, place: int, *, status: int = 200, problem: str = "") -> Response:
    room = room_of(request)
    with room.database.reading() as session:
        data = _viewer_data(session, room, desk, place)
    shown = dict(desk.item.shown) if desk.shows_model else {}
    said = Assessment(**{name: shown[name] for name in Assessment.__dataclass_fields__}) if shown else None
    of_session = desk.worklist.of(desk.reading.session)
    values: dict[str, Any] = {
        "desk": desk,
        "place": place,
        "data": data,
        "said": said,
        "network": shown.get("name"),
        "cases": max(one.position for one in of_session),
        "problem": problem,
        "here": f"/reading/{desk.reading.id}?video={place}",
    }
    return render(request, "readers/reading.html", status, **values)


def _viewer_data(session: Session, room: Room, desk: Desk, place: int) -> dict[str, Any]:
    """Return what the viewer needs of a video; of the network only in a reading that shows it."""
    video = desk.video(session, place)
    data: dict[str, Any] = {
        "at": f"/reading/{desk.reading.id}/cine/{place}",
        "frames": video.frames,
        "width": video.width,
        "height": video.height,
        "times_s": pictures.frame_times_s(cine_store(room.folders, video.sha256)),
        "networks": [],
    }
    if desk.shows_model:
        own = (Result.video_id == video.id, Result.model == desk.study.model)
        data["networks"] = [
            {"key": one.model, "name": one.model_name, "keyframe": one.keyframe, "importance": one.importance}
            for one in session.exec(select(Result).where(*own))
        ]
    return data
