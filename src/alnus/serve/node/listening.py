"""The node's ear: C-ECHO and C-STORE for named callers; what comes is kept, not decoded, before success is answered.

Source: DICOM PS3.4 A.5 (verification), B.2 (storage), PS3.7 C (status codes), PS3.8 9.3 (association).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pydicom.config
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from alnus.errors import MediaError, UsageError
from alnus.serve.intake.receiving import NoSpaceError, TooLargeError
from alnus.serve.node.classes import CLASSES, SYNTAXES
from alnus.serve.node.inbox import Verdict, keep
from alnus.serve.node.spooling import Spool, SpoolingProvider, bounded_socket
from alnus.serve.room import Refusal, Room

SUCCESS: Final = 0x0000
DUPLICATE: Final = 0x0111
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
MOST_PDU: Final = 1 << 17
_TALKATIVE = ("pynetdicom", "pydicom", "urllib3", "dicomweb_client")
log = logging.getLogger(__name__)


class Ear:
    """Listens from start to stop. port: the one that it has, also where any free one was asked for."""

    def __init__(self, room: Room, arrived: Callable[[], object]) -> None:
        """Listen to nothing yet. arrived: called without arguments when an instance was kept."""
        self._room, self._arrived = room, arrived
        self._open = ExitStack()
        self.port = room.settings.node.port

    def start(self) -> None:
        """Begin. Raises UsageError where the port is taken."""
        node = self._room.settings.node
        server: Any
        try:
            server = application(self._room).start_server(
                (node.host, node.port or 0), block=False, evt_handlers=self._events()
            )
        except OSError as error:
            self._open.close()
            raise UsageError(f"--dicom-port {node.port}: cannot be listened on ({error.strerror})") from None
        self._open.callback(server.shutdown)
        self.port = server.socket.getsockname()[1]

    def stop(self) -> None:
        """End; what is on its way gets no success for an answer."""
        self._open.close()

    def _events(self) -> list[Any]:
        return [
            (evt.EVT_CONN_OPEN, self._connected),
            (evt.EVT_CONN_CLOSE, self._closed),
            (evt.EVT_REJECTED, self._refused),
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_C_STORE, self._stored),
        ]

    def _connected(self, event: evt.Event) -> None:
        bounded_socket(event.assoc)
        event.assoc.dimse = SpoolingProvider(event.assoc, self._room)

    def _closed(self, event: evt.Event) -> None:
        if isinstance(event.assoc.dimse, SpoolingProvider):
            event.assoc.dimse.drop_all()

    def _refused(self, event: evt.Event) -> None:
        """Let whoever sets up a scanner see why it is refused; pynetdicom's own lines are not shown."""
        asked: Any = event.assoc.requestor.primitive
        found = refusal_of(self._room, asked.calling_ae_title, asked.called_ae_title, event.assoc.requestor.address)
        self._room.refusals.appendleft(found)
        log.warning("an association was refused: %s (from %r to %r)", found.reason, found.calling, found.called)

    def _stored(self, event: evt.Event) -> int:
        """Keep an instance and return the status that its sender is answered."""
        request: Any = event.request
        spool, uid = request.DataSet, request.AffectedSOPInstanceUID
        try:
            if not isinstance(spool, Spool) or not uid:
                return CANNOT_UNDERSTAND
            verdict = keep(self._room, spool.taken(), uid=str(uid), sender=event.assoc.requestor.ae_title)
        except (NoSpaceError, TooLargeError) as error:
            log.error("an instance was not taken: %s", error)
            return OUT_OF_RESOURCES
        except MediaError as error:
            log.warning("an instance was not taken: %s", error)
            return CANNOT_UNDERSTAND
        except Exception as error:  # the database or the disk; the sender shall try again
            log.error("an instance could not be kept (%s)", type(error).__name__)
            return OUT_OF_RESOURCES
        if verdict is Verdict.OTHER:
            log.warning("an instance came again with other bytes and was refused; the audit log has its id")
            return DUPLICATE
        if verdict is Verdict.NEW:
            self._arrived()
        return SUCCESS


def refusal_of(room: Room, calling: str, called: str, address: str) -> Refusal:
    """Return what is told of an association that was refused, and why it was."""
    node = room.settings.node
    calling, called = calling.strip()[:16], called.strip()[:16]
    if called != node.ae_title:
        reason = "the called AE title is not this node's"
    elif calling not in node.callers:
        reason = "the calling AE title may not send"
    else:
        reason = "too many associations at one time"
    return Refusal(time.time(), calling, called, address or "", reason)


def application(room: Room) -> AE:
    """Return what the node answers to and what it takes."""
    node = room.settings.node
    entity = AE(ae_title=node.ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(node.callers)
    entity.maximum_associations = node.associations
    entity.maximum_pdu_size = MOST_PDU
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = node.timeout_s
    entity.add_supported_context(Verification)
    for sop_class in CLASSES:
        entity.add_supported_context(sop_class, list(SYNTAXES))
    return entity


@contextmanager
def silent() -> Iterator[None]:
    """Let the libraries say nothing: their lines and warnings quote UIDs, headers and addresses.

    Process-wide, since associations are threads; what matters is told by the node's own lines.
    """
    loggers, validation = list(map(logging.getLogger, _TALKATIVE)), pydicom.config.settings.reading_validation_mode
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        pydicom.config.settings.reading_validation_mode = validation
