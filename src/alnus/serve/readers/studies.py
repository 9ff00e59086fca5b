"""What an administrator does with reader studies: make, start, watch, close, export, analyse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from sqlmodel import Session, col, select
from starlette.responses import RedirectResponse, Response

from alnus.errors import UsageError
from alnus.serve.audit import note
from alnus.serve.database.tables import Role, User, Video
from alnus.serve.pages.rendering import person_of, render, room_of, words
from alnus.serve.readers.analysis import analyse, missing
from alnus.serve.readers.blinding import met_before
from alnus.serve.readers.cases import Readable, listed, names_in, one_a_patient, readable_cases
from alnus.serve.readers.design import SCALES, Design
from alnus.serve.readers.export import Rating, as_csv, done_readings, rows_of
from alnus.serve.readers.making import (
    Wish,
    close_study,
    discard_study,
    make_study,
    start_study,
    study_cases,
    study_readers,
)
from alnus.serve.readers.reading import worklist_of
from alnus.serve.readers.tables import ReaderStudy, StudyReader
from alnus.serve.readers.truth import read_truth, set_truth

router = APIRouter(prefix="/admin/studies", include_in_schema=False)
OFFERED = 300  # cases that can be ticked one by one, the newest; longer studies come from a list
NOTHING_GIVEN: dict[str, Any] = {
    "name": "", "design": Design.INDEPENDENT, "scale": "1-5", "washout_days": 28, "seed": "", "model": "",
    "take": "all", "chosen": [], "listing": "", "readers": [],
}  # fmt: skip
Take = Literal["all", "chosen", "list"]
Deed = Callable[[Session, ReaderStudy], tuple[int, int] | None]


@router.get("")
def studies(request: Request) -> Response:
    """Show all studies, and the form for a new one."""
    return _studies_page(request)


@router.post("")
def make(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    design: Annotated[Design, Form()] = Design.INDEPENDENT,
    scale: Annotated[str, Form(max_length=20)] = "1-5",
    washout_days: Annotated[int, Form(ge=0, le=10_000)] = 0,
    seed: Annotated[str, Form(max_length=12)] = "",
    model: Annotated[str, Form(max_length=200)] = "",
    take: Annotated[Take, Form()] = "all",
    chosen: Annotated[list[str], Form()] = [],  # noqa: B006  FastAPI copies it
    listing: Annotated[str, Form(max_length=200_000)] = "",
    readers: Annotated[list[str], Form()] = [],  # noqa: B006  FastAPI copies it
) -> Response:
    """Make a draft of a study."""
    room = room_of(request)
    given = {"name": name, "design": design, "scale": scale, "washout_days": washout_days, "seed": seed, "model": model}
    given |= {"take": take, "chosen": chosen, "listing": listing, "readers": readers}
    try:
        with room.database.writing() as session:
            wish = Wish(name.strip(), design, scale, washout_days, _seed(seed), model or None)
            cases = _cases(session, take, chosen, listing)
            study = make_study(session, wish, cases, list(dict.fromkeys(readers)), actor=person_of(request).id)
    except UsageError as error:
        return _studies_page(request, status=400, problem=str(error), given=given)
    return RedirectResponse(f"/admin/studies/{study.id}", 303)


@router.get("/{study_id}")
def study_page(request: Request, study_id: str, known: int | None = None, strange: int | None = None) -> Response:
    """Show a study: its cases with their truth, its readers and how far they are.

    known, strange: after a truth was taken over, of how many cases it is known and how many rows were of no case.
    """
    _ = words(request)
    with_truth, of_none = _("Cases with a truth:"), _("Rows of no case of this study:")  # Babel reads no f-strings
    done = "" if known is None else f"{with_truth} {known}. {of_none} {strange or 0}."
    return _study_page(request, study_id, done=done)


@router.post("/{study_id}/truth")
def truth(request: Request, study_id: str, table: Annotated[str, Form(max_length=250_000)] = "") -> Response:
    """Take the truth of the cases."""
    actor = person_of(request).id

    def write(session: Session, study: ReaderStudy) -> tuple[int, int]:
        return set_truth(session, study, read_truth(table), actor=actor)

    return _deed(request, study_id, write, table=table)


@router.post("/{study_id}/start")
def start(request: Request, study_id: str) -> Response:
    """Lay out the worklists: from now on the study is read."""
    room, actor = room_of(request), person_of(request).id
    return _deed(request, study_id, lambda session, study: start_study(session, room, study, actor=actor))


@router.post("/{study_id}/close")
def close(request: Request, study_id: str) -> Response:
    """End the reading for good."""
    return _deed(request, study_id, lambda session, study: close_study(session, study, actor=person_of(request).id))


@router.post("/{study_id}/discard")
def discard(request: Request, study_id: str) -> Response:
    """Delete a draft."""
    try:
        with room_of(request).database.writing() as session:
            discard_study(session, _study(session, study_id), actor=person_of(request).id)
    except UsageError as error:
        return _study_page(request, study_id, status=400, problem=str(error))
    return RedirectResponse("/admin/studies", 303)


@router.get("/{study_id}/readers/{place}")
def worklist(request: Request, study_id: str, place: int) -> Response:
    """Show one reader's worklist with the answers."""
    with room_of(request).database.reading() as session:
        study = _study(session, study_id)
        reader = session.exec(
            select(StudyReader).where(StudyReader.study_id == study_id, StudyReader.place == place)
        ).first()
        if reader is None:
            raise HTTPException(404, "the study has no such reader")
        found = worklist_of(session, study, reader)
        user = session.get_one(User, reader.user_id)
        cases = {item.id: item.case_id for item in study_cases(session, study_id)}
        pauses = {one.reading.id: one.pauses for one in done_readings(session, study)}
    return render(request, "readers/answers.html", worklist=found, user=user, cases=cases, pauses=pauses)


@router.get("/{study_id}/readings.csv")
def readings(request: Request, study_id: str, rating: Rating = "suspicion") -> Response:
    """Return the locked readings, as `alnus evaluate` reads them. rating: what stands in the column of that name."""
    room = room_of(request)
    with room.database.reading() as session:
        study = _study(session, study_id)
        text = as_csv(rows_of(session, study, rating=rating))
    with room.database.writing() as session:
        note(session, person_of(request).id, "study.export", study_id, {"rating": rating})
    headers = {"content-disposition": f'attachment; filename="{study.id}-{rating}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{study_id}/analysis")
def analysis(request: Request, study_id: str) -> Response:
    """Show the MRMC analysis, or what is missing for it."""
    room = room_of(request)
    with room.database.reading() as session:  # the statistics take their time: outside the transaction that writes
        study = _study(session, study_id)
        lacks = missing(session, study)
        found = None if lacks else analyse(session, study)
        names = _names(session, study_id)
    with room.database.writing() as session:
        note(session, person_of(request).id, "study.analyse", study_id, {"shown": found is not None})
    return render(request, "readers/analysis.html", study=study, lacks=lacks, found=found, names=names)


def _deed(request: Request, study_id: str, act: Deed, *, table: str = "") -> Response:
    """Do something to a study and lead back to its page, or say there why not. table: what was given, to be mended."""
    try:
        with room_of(request).database.writing() as session:
            done = act(session, _study(session, study_id, is_held=True))
    except UsageError as error:
        return _study_page(request, study_id, status=400, problem=str(error), table=table)
    told = "" if done is None else f"?known={done[0]}&strange={done[1]}"
    return RedirectResponse(f"/admin/studies/{study_id}{told}", 303)


def _study(session: Session, study_id: str, *, is_held: bool = False) -> ReaderStudy:
    study = session.get(ReaderStudy, study_id, with_for_update=is_held)
    if study is None:
        raise HTTPException(404, "there is no such study")
    return study


def _seed(text: str) -> int | None:
    text = text.strip()
    if text and not (text.isascii() and text.isdigit()):
        raise UsageError(f"seed: a whole number is expected, received {text}")
    return int(text) if text else None


def _cases(session: Session, take: Take, chosen: list[str], listing: str) -> list[Readable]:
    found = readable_cases(session)
    if take == "all":
        return one_a_patient(found)
    return listed(found, chosen if take == "chosen" else names_in(listing))


def _names(session: Session, study_id: str) -> dict[int, str]:
    """Return the names of a study's readers by their places."""
    rows = session.exec(
        select(StudyReader.place, User.name)
        .join(User, col(User.id) == col(StudyReader.user_id))
        .where(StudyReader.study_id == study_id)
    ).all()
    return dict(rows)


def _studies_page(
    request: Request, *, status: int = 200, problem: str = "", given: dict[str, Any] | None = None
) -> Response:
    """Return the page. given: what the form held that could not be taken, so that it need not be filled in again."""
    room = room_of(request)
    with room.database.reading() as session:
        found = session.exec(select(ReaderStudy).order_by(col(ReaderStudy.created_s).desc())).all()
        is_reader = (User.role == Role.READER, col(User.is_active))
        people = session.exec(select(User).where(*is_reader).order_by(col(User.name))).all()
        cases = readable_cases(session)
    values: dict[str, Any] = {"people": people, "cases": cases[-OFFERED:][::-1], "ready": len(cases)}
    values["given"] = NOTHING_GIVEN | (given or {})
    values |= {"patients": len(one_a_patient(cases)), "designs": list(Design), "scales": list(SCALES)}
    return render(request, "readers/studies.html", status, studies=found, models=room.models, problem=problem, **values)


def _study_page(
    request: Request, study_id: str, *, status: int = 200, problem: str = "", done: str = "", table: str = ""
) -> Response:
    with room_of(request).database.reading() as session:
        study = _study(session, study_id)
        lists = [worklist_of(session, study, reader) for reader in study_readers(session, study_id)]
        items = study_cases(session, study_id)
        phantoms = set(session.exec(select(Video.id).where(col(Video.is_phantom))).all())
        values: dict[str, Any] = {"names": _names(session, study_id), "lacks": missing(session, study)}
        values["met"] = met_before(session, study)
    values |= {"is_phantom": any(phantoms & set(item.video_ids) for item in items), "items": items, "lists": lists}
    values |= {"here": f"/admin/studies/{study_id}", "table": table}
    return render(request, "readers/study.html", status, study=study, problem=problem, done=done, **values)
