"""Whose a received file is: asked of a decoding process, before the file becomes part of a case."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from alnus.media.containers import first_bytes, sniffed
from alnus.media.identity.asking import identify_task
from alnus.media.pool import Worker
from alnus.media.refusal import Refused

TIMEOUT_S = 30.0


class Whose(NamedTuple):
    """Pseudonyms of a patient and an examination; None where the file does not tell."""

    patient: str | None
    study: str | None


NOBODY = Whose(None, None)


class Registrar:
    """A service that keeps one decoding process for this, asked by one request at a time."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._worker = Worker(timeout_s=TIMEOUT_S)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Nothing: the process starts with the first DICOM file."""

    def stop(self) -> None:
        """End the process."""
        self._worker.close()

    def whose(self, path: Path) -> Whose:
        """Return whose a file is; nobody's where it is no DICOM or cannot be read, which ingestion will say."""
        try:
            if sniffed(first_bytes(path)) != "dicom":
                return NOBODY
        except Refused:
            return NOBODY
        with self._lock:
            answer = self._worker.ask(identify_task(path, self._secret))
        return Whose(answer.get("patient"), answer.get("study"))
