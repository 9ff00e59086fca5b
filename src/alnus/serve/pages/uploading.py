"""Upload from the browser: one request a file, its bytes as the body, so that each has its own progress and answer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from alnus.serve.intake.receiving import Incoming, NoSpaceError, TooLargeError
from alnus.serve.intake.submission import QueueFullError, submit
from alnus.serve.pages.rendering import person_of, render, room_of

router = APIRouter(include_in_schema=False)


@router.get("/upload")
def page(request: Request) -> Response:
    """Show where files are dropped."""
    return render(request, "upload.html")


@router.post("/uploads")
async def upload(request: Request) -> Response:
    """Take one file; answer with its case."""
    room = room_of(request)
    try:
        with Incoming(room) as coming:
            async for chunk in request.stream():
                await run_in_threadpool(coming.write, chunk)
            file = await run_in_threadpool(coming.finished)
        done = await run_in_threadpool(submit, room, file, origin="upload", actor=person_of(request).id)
    except TooLargeError as error:
        return JSONResponse({"detail": str(error)}, 413)
    except NoSpaceError as error:
        return JSONResponse({"detail": str(error)}, 507)
    except QueueFullError as error:
        return JSONResponse({"detail": str(error)}, 503, {"retry-after": "60"})
    return JSONResponse({"case": done.case_id, "video": done.video_id, "is_new": done.is_new}, 201)
