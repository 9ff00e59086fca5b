"""Whether the room works, for whoever watches over it: /healthz for all, /metrics for Prometheus with an API key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from alnus.serve.pages.rendering import room_of

router = APIRouter(include_in_schema=False)


@router.api_route("/healthz", methods=["GET", "HEAD"])  # load balancers ask by HEAD
def healthz(request: Request) -> Response:
    """Answer 200 where the database does, else 503."""
    try:
        with room_of(request).database.reading() as session:
            session.execute(text("SELECT 1"))
    except Exception:  # whatever the database's driver raises: the room is not well
        return JSONResponse({"status": "the database does not answer"}, 503)
    return JSONResponse({"status": "ok"})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Return what Prometheus asks for; it sends an API key as its bearer token."""
    return Response(generate_latest(room_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
