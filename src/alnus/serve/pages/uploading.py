"""Upload from the browser: one request a file, its bytes as the body, so that each has its own progress and answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from alnus.errors import MediaError
from alnus.serve.intake.accepting import accept
from alnus.serve.intake.receiving import Incoming, NoSpaceError, Received, TooLargeError
from alnus.serve.intake.submission import Origin, QueueFullError, Submitted
from alnus.serve.pages.rendering import language_of, person_of, render, room_of
from alnus.serve.reasons import told
from alnus.serve.room import Room

router = APIRouter(include_in_schema=False)
WAIT_S = "20"  # before an upload that found the room full is tried again


@router.get("/upload")
def page(request: Request) -> Response:
    """Show where files are dropped."""
    return render(request, "upload.html", most_bytes=room_of(request).settings.limits.upload_bytes)


@router.post("/uploads")
async def upload(request: Request) -> Response:
    """Take one file; answer with its case."""
    return await taken(request, origin="upload")


async def taken(request: Request, *, origin: Origin) -> Response:
    """Take the file that is a request's body, for browsers and programs alike; answer with where it went.

    Headers: X-Patient, the patient's id as the hospital has it, percent-encoded; X-Batch, what the sender calls the
    files of one examination.
    """
    room, person = room_of(request), person_of(request)
    code, batch = (unquote(request.headers.get(name, ""))[:200] for name in ("x-patient", "x-batch"))
    try:
        async with _place(room):
            file = await _received(room, request)
            made = await run_in_threadpool(
                accept, room, file, origin=origin, actor=person.id, patient_code=code, batch=batch
            )
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    except (TooLargeError, NoSpaceError, QueueFullError, MediaError) as error:
        said = told(language_of(request), str(error)) if origin == "upload" else str(error)
        return _refusal(error, said)
    return JSONResponse(answer_of(made), 201)


def answer_of(made: list[Submitted]) -> dict[str, object]:
    """Return where files went, as both services answer."""
    videos = [{"case": one.case_id, "video": one.video_id, "is_new": one.is_new} for one in made]
    return {"case": made[0].case_id, "videos": videos}


async def _received(room: Room, request: Request) -> Received:
    with Incoming(room) as coming:
        async for chunk in request.stream():
            await run_in_threadpool(coming.write, chunk)
        return await run_in_threadpool(coming.finished)


@asynccontextmanager
async def _place(room: Room) -> AsyncIterator[None]:
    """Take one of the places for uploads. Raises QueueFullError where all are taken."""
    if not room.uploads.acquire(blocking=False):
        raise QueueFullError("too many files are coming at this moment; send this one later")
    try:
        yield
    finally:
        room.uploads.release()


def _refusal(error: Exception, said: str) -> Response:
    kinds = ((TooLargeError, 413), (NoSpaceError, 507), (QueueFullError, 503))
    status = next((status for kind, status in kinds if isinstance(error, kind)), 422)
    return JSONResponse({"detail": said}, status, {"retry-after": WAIT_S} if status == 503 else None)
