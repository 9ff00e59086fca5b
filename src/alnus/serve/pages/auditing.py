"""The whole audit log for administrators: page by page, of one id where it is asked for, and as a table to keep."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import or_
from sqlmodel import Session, col, select
from starlette.responses import Response, StreamingResponse

from alnus.serve.audit import note
from alnus.serve.database.tables import ApiKey, AuditEntry, User
from alnus.serve.pages.rendering import moment, person_of, render, room_of
from alnus.serve.room import Room

router = APIRouter(prefix="/admin/audit", include_in_schema=False)
PAGE = 200  # lines of a page
BLOCK = 2000  # lines that are in memory at one time while the table is sent
COLUMNS = ("number", "at", "who", "name", "what", "about", "detail")


@router.get("")
def log(
    request: Request,
    about: Annotated[str, Query(max_length=64)] = "",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """Show a page of the log, newest first. about: of one id or deed; before: lines that are older than this one."""
    about = about.strip()
    with room_of(request).database.reading() as session:
        found = _lines(session, about, before, PAGE + 1)
        names = names_of(session)
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return render(request, "audit.html", audit=found[:PAGE], names=names, about=about, older=older, before=before)


@router.get(".csv")
def table(request: Request) -> Response:
    """Return the whole log as CSV, newest first."""
    room = room_of(request)
    with room.database.writing() as session:
        note(session, person_of(request).id, "audit.export")
    headers = {"content-disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_rows(room), media_type="text/csv; charset=utf-8", headers=headers)


def names_of(session: Session) -> dict[str, str]:
    """Return the names of people and programs by their ids."""
    users, keys = session.exec(select(User)).all(), session.exec(select(ApiKey)).all()
    return {user.id: user.name for user in users} | {key.id: key.name for key in keys}


def _lines(session: Session, about: str, before: int | None, count: int) -> list[AuditEntry]:
    wanted = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(count)
    if about:
        entry = AuditEntry
        wanted = wanted.where(or_(col(entry.subject) == about, col(entry.actor) == about, col(entry.action) == about))
    if before is not None:
        wanted = wanted.where(col(AuditEntry.id) < before)
    return list(session.exec(wanted).all())


def _rows(room: Room) -> Iterator[str]:
    """Yield the log in blocks, so that memory holds one of them."""
    yield _as_csv([COLUMNS])
    before: int | None = None
    while True:
        with room.database.reading() as session:
            found, names = _lines(session, "", before, BLOCK), names_of(session)
        if not found:
            return
        yield _as_csv([_row(entry, names) for entry in found])
        before = found[-1].id


def _row(entry: AuditEntry, names: dict[str, str]) -> tuple[object, ...]:
    detail = json.dumps(entry.detail, sort_keys=True)
    name = names.get(entry.actor, "").lstrip("=+@-")  # a spreadsheet takes such a cell for a formula
    return (entry.id, moment(entry.at_s), entry.actor, name, entry.action, entry.subject or "", detail)


def _as_csv(rows: list[tuple[object, ...]]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
