"""A data set on its way in goes to the disk piece by piece: memory holds one PDU of each association, no more.

Departures: pynetdicom's own STORE_RECV_CHUNKED_DATASET writes into the system's temporary folder, without a bound on
the size, and leaves the file there when the association is cut; patients' data belong into the room's folder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA

from alnus.errors import MediaError
from alnus.media.identity.header import IMPLEMENTATION
from alnus.serve.intake.receiving import Incoming
from alnus.serve.room import Room

MOST_COMMAND_BYTES = 1 << 16  # of a message's command set; a C-STORE's has some 200
MOST_PDU_BYTES = 1 << 20  # an association request with every context there is has half of it


class Spool(BytesIO):
    """The data set of a message, as pynetdicom sees it; what is written to it goes to the disk, after a file's head.

    Nothing is raised while it comes: `taken` says what went wrong, so that the sender gets an answer.
    """

    def __init__(self, room: Room, head: Callable[[], bytes]) -> None:
        super().__init__()
        self._room, self._head = room, head
        self._coming: Incoming | None = None
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    def write(self, data: Any) -> int:
        """Add a piece; after a failure pieces are dropped."""
        with self._lock:
            if self._failure is None:
                try:
                    self._opened().write(bytes(data))
                except Exception as failure:
                    self._failure = failure
                    self._drop()
        return len(data)

    def taken(self) -> Incoming:
        """Return the whole file, which is the caller's from now on. Raises what went wrong meanwhile."""
        with self._lock:
            coming, self._coming = self._coming, None
        if self._failure is not None:
            raise self._failure
        if coming is None:
            raise MediaError("the data set is empty")
        return coming

    def drop(self) -> None:
        """Remove what came, where nobody has taken it."""
        with self._lock:
            self._failure = self._failure or MediaError("the association was cut")
            self._drop()

    def _opened(self) -> Incoming:
        if self._coming is None:
            self._coming = Incoming(self._room)
            self._coming.write(self._head())
        return self._coming

    def _drop(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.__exit__(None, None, None)


class SpoolingProvider(DIMSEServiceProvider):
    """Receives messages as pynetdicom does, their data sets into spools; a command that never ends is cut off."""

    def __init__(self, association: Association, room: Room) -> None:
        super().__init__(association)
        self._room = room
        self._command_bytes = 0
        self._spools: list[Spool] = []

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a piece of a message."""
        if self.message is None:
            self.message, self._command_bytes = DIMSEMessage(), 0
            self.message.data_set = self._spool(self.message)
        for _, data in primitive.presentation_data_value_list:
            self._command_bytes += len(data) if data[0] & 1 else 0  # PS3.8 E.2: bit 0 marks a command
        if self._command_bytes > MOST_COMMAND_BYTES:
            self.dul.event_queue.put("Evt19")  # what pynetdicom does with a message that cannot be
            return
        super().receive_primitive(primitive)

    def drop_all(self) -> None:
        """Remove what nobody has taken: the connection is gone."""
        for spool in self._spools:
            spool.drop()
        self._spools.clear()

    def _spool(self, message: DIMSEMessage) -> Spool:
        spool = Spool(self._room, lambda: _head(message, self.assoc))
        self._spools = [*self._spools[-1:], spool]  # the one before may still be on its way to its handler
        return spool


def _head(message: DIMSEMessage, association: Association) -> bytes:
    contexts = {context.context_id: context for context in association.accepted_contexts}
    command, syntaxes = message.command_set, contexts[message.context_id].transfer_syntax
    return file_head(command.AffectedSOPClassUID, command.AffectedSOPInstanceUID, syntaxes[0])


def file_head(sop_class: str, uid: str, syntax: str) -> bytes:
    """Return what a file begins with before its data set: the same for the same instance, however it comes.

    Source: DICOM PS3.10 7.1.
    """
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(uid)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "ALNUS"
    buffer = BytesIO()
    buffer.write(bytes(128) + b"DICM")
    write_file_meta_info(DicomFileLike(buffer), meta)
    return buffer.getvalue()


def bounded_socket(association: Association) -> None:
    """Let no PDU claim more than MOST_PDU_BYTES: pynetdicom would read up to 4 GB into memory, whoever sends it."""
    socket: Any = association.dul.socket
    receive = socket.recv

    def recv(count: int) -> bytearray:
        if count > MOST_PDU_BYTES:
            raise OSError("the PDU is too long")
        found: bytearray = receive(count)
        return found

    socket.recv = recv
