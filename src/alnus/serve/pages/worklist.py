"""The worklist: every case, found by its id or its patient, sorted, by how far it has come."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from sqlalchemy import func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar
from starlette.responses import RedirectResponse, Response

from alnus.serve.database.tables import WAITING, Case, Job, Result, State, Video
from alnus.serve.intake.accepting import MOST_CODE, patients_of_code
from alnus.serve.networks import ServedModel
from alnus.serve.pages.rendering import render, room_of
from alnus.serve.room import Room
from alnus.serve.view import CaseView, case_views

router = APIRouter(include_in_schema=False)
PAGE = 50
Shown = Literal["all", "waiting", "done", "failed"]
Sort = Literal["newest", "oldest", "risk"]
STATES: dict[str, tuple[State, ...]] = {
    "waiting": WAITING,
    "done": (State.RETURNED,),
    "failed": (State.FAILED, State.DEAD),
}


@router.get("/")
def worklist(
    request: Request,
    q: Annotated[str, Query(max_length=100)] = "",
    show: Shown = "all",
    sort: Sort = "newest",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Show a page of the worklist."""
    room = room_of(request)
    with room.database.reading() as session:
        cases, total = _found(session, q.strip().upper(), show, _order(room, sort), page)
        views = case_views(session, room, cases)
    pages = max(1, -(-total // PAGE))
    if page > pages:
        return RedirectResponse(f"/?{request.url.include_query_params(page=pages).query}", 303)
    values: dict[str, Any] = {"q": q, "show": show, "sort": sort, "page": page, "pages": pages, "total": total}
    return render(request, "worklist.html", views=views, is_busy=any(map(_is_busy, views)), **values)


@router.post("/patient")
def patient(request: Request, code: Annotated[str, Form(max_length=MOST_CODE)] = "") -> Response:
    """Find a patient by the id that a DICOM header states; only the pseudonym ever stands in an address."""
    room = room_of(request)
    keys = patients_of_code(room, code)
    with room.database.reading() as session:
        known = session.exec(select(Case.patient_key).where(col(Case.patient_key).in_(keys))).all()
    found = next((key for key in keys if key in known), keys[0] if keys else None)
    return RedirectResponse(f"/?q={found}" if found else "/", 303)


def _is_busy(view: CaseView) -> bool:
    return any(one.job.state in WAITING for one in view.videos)


def _found(session: Session, text: str, show: Shown, order: list[Any], page: int) -> tuple[list[Case], int]:
    """Return the cases of a page of the worklist, and how many there are in all."""
    wanted = _matching(select(Case), text, show)
    total = session.exec(select(func.count()).select_from(wanted.subquery())).one()
    shown = wanted.order_by(*order).offset((page - 1) * PAGE).limit(PAGE)
    return list(session.exec(shown).all()), total


def _matching(query: SelectOfScalar[Case], text: str, show: Shown) -> SelectOfScalar[Case]:
    if text:
        by_id, by_patient = (col(one).startswith(text, autoescape=True) for one in (Case.id, Case.patient_key))
        query = query.where(or_(by_id, by_patient))
    if show != "all":
        in_state = (
            select(Video.case_id).join(Job, col(Job.video_id) == col(Video.id)).where(col(Job.state).in_(STATES[show]))
        )
        query = query.where(col(Case.id).in_(in_state))
    return query


def _order(room: Room, sort: Sort) -> list[Any]:
    if sort == "oldest":
        return [col(Case.created_s).asc(), col(Case.id)]
    newest = [col(Case.created_s).desc(), col(Case.id)]
    return newest if sort == "newest" else [func.coalesce(_score(room.models[0]), -1).desc(), *newest]


def _score(model: ServedModel) -> Any:
    """Return the score that a case's shown risk is of: the first network's, of all its videos; risks rise with it."""
    together = func.max if model.card.aggregation == "max" else func.avg
    return (
        select(together(Result.probability))
        .join(Video, col(Video.id) == col(Result.video_id))
        .where(col(Video.case_id) == col(Case.id), Result.model == model.key)
        .scalar_subquery()
    )
