"""The worklist: every case, newest first."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlmodel import col, select
from starlette.responses import Response

from alnus.serve.database.tables import Case
from alnus.serve.pages.rendering import render, room_of

router = APIRouter(include_in_schema=False)
PAGE = 50


@router.get("/")
def worklist(request: Request) -> Response:
    """Show the newest cases."""
    with room_of(request).database.reading() as session:
        cases = session.exec(select(Case).order_by(col(Case.created_s).desc()).limit(PAGE)).all()
    return render(request, "worklist.html", cases=cases)
