"""What an administrator sees of the DICOM node: who may send, what goes back, what was laid aside, what was fetched."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlmodel import Session, col, func, select
from starlette.responses import RedirectResponse, Response

from alnus.errors import UsageError
from alnus.serve.audit import note
from alnus.serve.database.tables import AuditEntry, Video
from alnus.serve.node.deciding import drop, retry
from alnus.serve.node.tables import Kept, NodeInstance, Outbound, Sending
from alnus.serve.pages.rendering import person_of, render, room_of, words

router = APIRouter(prefix="/admin/node", include_in_schema=False)
SHOWN = 100
SHOWN_RECEIVED = 20


@router.get("")
def node(request: Request) -> Response:
    """Show the node."""
    return _page(request)


@router.post("/outbound/{outbound_id}/retry")
def retry_object(request: Request, outbound_id: str) -> Response:
    """Send an object again that was laid aside."""
    with room_of(request).database.writing() as session:
        retry(session, outbound_id, actor=person_of(request).id)
    return RedirectResponse("/admin/node", 303)


@router.post("/outbound/{outbound_id}/drop")
def drop_object(request: Request, outbound_id: str) -> Response:
    """Give up an object that was laid aside."""
    with room_of(request).database.writing() as session:
        drop(session, outbound_id, actor=person_of(request).id)
    return RedirectResponse("/admin/node", 303)


@router.post("/fetch")
def fetch(request: Request, study: Annotated[str, Form(max_length=64)] = "") -> Response:
    """Fetch a study from the DICOMweb service. Its UID is in the form's body, and nowhere else."""
    from alnus.serve.node.pulling import ask

    room, _ = room_of(request), words(request)
    if room.settings.node.web is None:
        return _page(request, status=400, problem=_("No DICOMweb service is set: start with --dicom-web."))
    try:
        ask(room, study)
    except UsageError:
        return _page(request, status=400, problem=_("This is no study instance UID."))
    with room.database.writing() as session:
        note(session, person_of(request).id, "node.ask")
    return RedirectResponse("/admin/node", 303)


def _page(request: Request, *, status: int = 200, problem: str = "") -> Response:
    room = room_of(request)
    with room.database.reading() as session:
        values: dict[str, Any] = {
            "instances": _counted(session, NodeInstance.state, [kept.value for kept in Kept]),
            "objects": _counted(session, Outbound.state, [sending.value for sending in Sending]),
            "dead": _listed(session, Sending.DEAD),
            "waiting": _listed(session, Sending.WAITING),
            "fetches": _fetches(session),
            "received": _received(session),
        }
    told = room.settings.node
    values |= {"problem": problem, "told": told, "refusals": list(room.refusals), "here": "/admin/node"}
    return render(request, "node.html", status, **values)


def _counted(session: Session, column: str, names: list[str]) -> dict[str, int]:
    counts = dict(session.exec(select(column, func.count()).group_by(column)).all())
    return {name: counts.get(name, 0) for name in names}


def _listed(session: Session, state: Sending) -> list[tuple[Outbound, Video]]:
    """Return objects with the video that each is of, the one that changed last first."""
    wanted = (
        select(Outbound, Video)
        .join(NodeInstance, col(NodeInstance.id) == col(Outbound.instance_id))
        .join(Video, col(Video.id) == col(NodeInstance.video_id))
        .where(Outbound.state == state)
        .order_by(col(Outbound.changed_s).desc())
        .limit(SHOWN)
    )
    return list(session.exec(wanted).all())


def _received(session: Session) -> list[tuple[NodeInstance, Video | None]]:
    """Return the instances that came last, with the video that each became."""
    wanted = (
        select(NodeInstance, Video)
        .outerjoin(Video, col(Video.id) == col(NodeInstance.video_id))
        .order_by(col(NodeInstance.received_s).desc())
        .limit(SHOWN_RECEIVED)
    )
    return list(session.exec(wanted).all())


def _fetches(session: Session) -> list[AuditEntry]:
    wanted = select(AuditEntry).where(AuditEntry.action == "node.fetch").order_by(col(AuditEntry.id).desc()).limit(10)
    return list(session.exec(wanted).all())
