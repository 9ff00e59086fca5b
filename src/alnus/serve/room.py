"""What every part of the reading room is handed: settings, database, folders, the secret, networks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from sqlmodel import Session

from alnus.serve.access.throttle import Throttle
from alnus.serve.database import Database
from alnus.serve.metrics import Metrics
from alnus.serve.settings import ServeSettings

if TYPE_CHECKING:
    from alnus.serve.database.tables import Video
    from alnus.serve.intake.whose import Registrar
    from alnus.serve.networks import ServedModel


class Service(Protocol):
    """Something that runs beside the web server for as long as it does."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self) -> None:
        """End what runs, within seconds; what is half done is taken up again at the next start."""


class Bell:
    """Tells waiting threads that something has happened; nothing that happens while one looks elsewhere is missed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = 0

    @property
    def rung(self) -> int:
        """How often it has been rung: to be asked before one looks for work."""
        return self._rung

    def set(self) -> None:
        """Ring it."""
        with self._changed:
            self._rung += 1
            self._changed.notify_all()

    def wait(self, since: int, timeout_s: float) -> None:
        """Wait until it has been rung since `rung` was asked, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung != since, timeout_s)


Returner = Callable[["Room", Session, "Video"], None]
"""Called in the transaction that finishes a video's job, to enqueue what goes back to where it came from. It must do
nothing but add rows: it is called again where the transaction fails."""


@dataclass(frozen=True)
class Refusal:
    """An association that was refused: when, between which AE titles, from which address, and why."""

    at_s: float
    calling: str
    called: str
    address: str
    reason: str


@dataclass(frozen=True)
class Folders:
    """Where a reading room keeps its files, all below one folder that only its owner may read."""

    root: Path

    @property
    def received(self) -> Path:
        """Files as they came, by their SHA-256: the only place that holds the patient's identity."""
        return self.root / "received"

    @property
    def incoming(self) -> Path:
        """Files that are still coming; emptied at every start."""
        return self.root / "incoming"

    def blob(self, sha256: str) -> Path:
        """Return where a received file lies."""
        return self.received / sha256[:2] / sha256

    def cine(self, sha256: str) -> Path:
        """Return the cine store of one video, which holds it under the name "cine"."""
        return self.root / "cines" / sha256[:2] / sha256

    def heat(self, sha256: str, model: str) -> Path:
        """Return where the explanation of a video by a network lies; model: its `ServedModel.key`."""
        return self.root / "heat" / sha256[:2] / f"{sha256}-{model}"


@dataclass(frozen=True)
class Room:
    """A reading room that is open. secret: 32 bytes that pseudonyms and login tokens are made with.

    registrar: tells whose a received file is.
    """

    settings: ServeSettings
    database: Database
    folders: Folders
    secret: bytes = field(repr=False)
    models: tuple[ServedModel, ...]
    registrar: Registrar
    metrics: Metrics
    returners: list[Returner] = field(default_factory=list)
    login_failures: Throttle = field(default_factory=lambda: Throttle(5, 300.0))
    fetches: SimpleQueue[str | None] = field(default_factory=SimpleQueue, repr=False)
    """UIDs of studies that the DICOM node is to fetch; in memory alone, since a UID names a study. None: it ends."""
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=20), repr=False)
    """The last associations that the DICOM node refused, newest first; in memory alone."""
    uploads: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(32))
    """Places for files that are coming."""
    wake: Bell = field(default_factory=Bell)
    """Rung when there may be work to do."""
