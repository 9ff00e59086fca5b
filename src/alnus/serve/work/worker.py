"""The workers: threads that take jobs and do their steps, each with a decoding process of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sqlmodel import Session

from alnus.errors import AlnusError, MediaError
from alnus.media.identity.asking import identify_task
from alnus.media.pool import Worker
from alnus.serve.database.tables import WAITING, State
from alnus.serve.room import Room
from alnus.serve.work import leases
from alnus.serve.work.explaining import explain
from alnus.serve.work.ingesting import ingest
from alnus.serve.work.leases import Lease, LeaseLost
from alnus.serve.work.looking import prepare
from alnus.serve.work.returning import drop_file, give_back
from alnus.serve.work.scoring import score

FILE_TIMEOUT_S = 900.0
IDLE_S = 1.0  # between looks for a job whose time to be tried again has come
log = logging.getLogger(__name__)


Outcome = Callable[[Session], None]
Step = Callable[[Room, Worker, str], Outcome]
"""Does a step's work for a video (its id) and returns what is to be written, in one transaction, when it is done."""

STEPS: dict[State, tuple[Step, State]] = {
    State.RECEIVED: (ingest, State.INGESTED),
    State.INGESTED: (score, State.SCORED),
    State.SCORED: (explain, State.EXPLAINED),
    State.EXPLAINED: (give_back, State.RETURNED),
}


QUICK = (State.RECEIVED, State.INGESTED, State.EXPLAINED)
SLOW = (State.SCORED,)
"""An explanation takes several times as long as a score: it has a worker of its own, so that no score waits for it."""


class Workers:
    """A service: so many threads as the settings say, and one that explains."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._is_ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._decoders: list[Worker] = []

    def start(self) -> None:
        """Free what a dead server held, and begin."""
        leases.release_all(self._room.database, is_crash=True)
        for number in range(self._room.settings.work.workers):
            self._begin(f"worker-{number}", QUICK)
        self._begin("explainer", SLOW)
        threading.Thread(target=self._prepare, name="preparation", daemon=True).start()

    def _begin(self, name: str, states: Sequence[State]) -> None:
        decoder = Worker(timeout_s=FILE_TIMEOUT_S)
        thread = threading.Thread(target=self._run, args=(decoder, states), name=name, daemon=True)
        self._decoders.append(decoder)
        self._threads.append(thread)
        thread.start()

    def _prepare(self) -> None:
        """Let no first case wait for what every case needs; what goes wrong here goes wrong there again."""
        for model in self._room.models:
            if self._is_ending.is_set():
                return
            try:
                prepare(model)
            except Exception as error:
                log.error("network %s: cannot be prepared (%s)", model.key, type(error).__name__)

    def stop(self) -> None:
        """End after the step at hand; what is decoded is dropped and done again at the next start."""
        self._is_ending.set()
        self._room.wake.set()
        for decoder in self._decoders:
            decoder.close()
        for thread in self._threads:
            thread.join(timeout=20)
        leases.release_all(self._room.database, is_crash=False)

    def _run(self, decoder: Worker, states: Sequence[State]) -> None:
        if State.RECEIVED in states:
            with suppress(AlnusError):  # the room may be closed again already
                decoder.ask(identify_task(Path(__file__), b""))  # starts its process before the first file comes
        while not self._is_ending.is_set():
            rung = self._room.wake.rung
            try:
                lease = leases.take(self._room.database, self._room.settings.work, states)
                if lease is not None:
                    self.work(lease, decoder, states)
                    continue
            except Exception as error:  # the database may be away for a while; a worker never ends over it
                log.error("a worker could not go on (%s)", type(error).__name__)
            self._room.wake.wait(rung, IDLE_S)

    def work(self, lease: Lease | None, decoder: Worker, states: Sequence[State] = WAITING) -> None:
        """Do the steps of a job that are in these states."""
        try:
            while lease is not None and not self._is_ending.is_set():
                lease = self._stepped(lease, decoder, states)
        except LeaseLost:
            log.warning("a video's job has gone to another worker")
        self._room.wake.set()

    def _stepped(self, lease: Lease, decoder: Worker, states: Sequence[State]) -> Lease | None:
        """Do one step; return the lease for the next, None where there is none for this worker."""
        room, (step, following) = self._room, STEPS[lease.state]
        if lease.attempt >= room.settings.work.attempts:
            leases.put_off(room.database, lease, "its worker was ended too often in this step", room.settings.work)
            return None
        try:
            with _KeptAlive(room, lease), room.metrics.step_s.labels(lease.state.value).time():
                outcome = step(room, decoder, lease.video_id)
            return leases.settle(room.database, lease, following, outcome, states=states)
        except MediaError as error:
            if not self._is_ending.is_set():  # else the decoder was closed under it
                room.metrics.step_failures.labels(lease.state.value, "refused").inc()
                leases.fail(room.database, lease, str(error), lambda session: drop_file(room, session, lease.video_id))
                log.warning("video %s: %s", lease.video_id, error)
        except LeaseLost:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, AlnusError) else f"an error in Alnus ({type(error).__name__})"
            room.metrics.step_failures.labels(lease.state.value, "error").inc()
            state = leases.put_off(room.database, lease, reason, room.settings.work)
            log.error("video %s: %s; its job is %s", lease.video_id, reason, state)
        return None


class _KeptAlive:
    """Says every third of a lease's time that the work goes on."""

    def __init__(self, room: Room, lease: Lease) -> None:
        self._room, self._lease = room, lease
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._is_done.wait(self._room.settings.work.lease_s / 3):
            try:
                leases.keep(self._room.database, self._lease, self._room.settings.work)
            except Exception as error:  # the step's own outcome will tell
                log.error("a lease could not be kept (%s)", type(error).__name__)
