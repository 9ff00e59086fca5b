"""The parts of the room: what answers requests, and what runs beside the server. A new part is entered here."""

from __future__ import annotations

from fastapi import APIRouter

from alnus.serve.api import routes
from alnus.serve.node import pages as node_pages
from alnus.serve.pages import (
    administration,
    auditing,
    cases,
    health,
    pictures,
    reporting,
    signing_in,
    uploading,
    worklist,
)
from alnus.serve.readers import pages as reader_pages
from alnus.serve.readers import studies
from alnus.serve.readers.blinding import closed_while_reading
from alnus.serve.room import Room, Service
from alnus.serve.work.worker import Workers


def routers(room: Room) -> list[APIRouter]:
    """Return every route of the room. Who may use which is told by its path (`alnus.serve.access.gate`)."""
    return [
        signing_in.router,
        health.router,
        uploading.router,
        *map(closed_while_reading, (worklist.router, cases.router, pictures.router, reporting.router)),
        administration.router,
        auditing.router,
        reader_pages.router,
        studies.router,
        node_pages.router,
        routes.router,
    ]


def services(room: Room) -> list[Service]:
    """Return what runs from the server's start to its end, in the order in which it starts."""
    return [room.registrar, *_node(room), Workers(room)]


def _node(room: Room) -> list[Service]:
    """Return the DICOM node where there is one; its libraries are imported for that alone."""
    if not room.settings.node.is_on:
        return []
    from alnus.serve.node.node import Node

    return [Node(room)]
