"""The workers: threads that take jobs and do their steps, each with a decoding process of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlmodel import Session

from alnus.errors import AlnusError, MediaError
from alnus.media.pool import Worker
from alnus.serve.database.tables import State
from alnus.serve.room import Room
from alnus.serve.work import leases
from alnus.serve.work.explaining import explain
from alnus.serve.work.ingesting import ingest
from alnus.serve.work.leases import Lease, LeaseLost
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


class Workers:
    """A service: so many threads as the settings say."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._is_ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._decoders: list[Worker] = []

    def start(self) -> None:
        """Free what a dead server held, and begin."""
        leases.release_all(self._room.database)
        for number in range(self._room.settings.work.workers):
            decoder = Worker(timeout_s=FILE_TIMEOUT_S)
            thread = threading.Thread(target=self._run, args=(decoder,), name=f"worker-{number}", daemon=True)
            self._decoders.append(decoder)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End after the step at hand; what is decoded is dropped and done again at the next start."""
        self._is_ending.set()
        self._room.wake.set()
        for decoder in self._decoders:
            decoder.close()
        for thread in self._threads:
            thread.join(timeout=20)

    def _run(self, decoder: Worker) -> None:
        while not self._is_ending.is_set():
            try:
                lease = leases.take(self._room.database, self._room.settings.work)
                if lease is not None:
                    self._room.wake.set()  # for the next worker: there may be more
                    self._work(lease, decoder)
                    continue
            except Exception as error:  # the database may be away for a while; a worker never ends over it
                log.error("a worker could not go on (%s)", type(error).__name__)
            self._room.wake.clear()
            self._room.wake.wait(IDLE_S)

    def _work(self, lease: Lease, decoder: Worker) -> None:
        """Do all steps that are left of a job."""
        try:
            while lease.state in STEPS and not self._is_ending.is_set():
                lease = self._stepped(lease, decoder)
        except LeaseLost:
            log.warning("video %s: another worker has it", lease.video_id)
        except _Ended:
            pass

    def _stepped(self, lease: Lease, decoder: Worker) -> Lease:
        room, (step, following) = self._room, STEPS[lease.state]
        if lease.attempt >= room.settings.work.attempts:
            leases.put_off(room.database, lease, "its worker was ended too often in this step", room.settings.work)
            raise _Ended
        try:
            with _KeptAlive(room, lease), room.metrics.step_s.labels(lease.state.value).time():
                outcome = step(room, decoder, lease.video_id)
            return leases.settle(room.database, lease, following, outcome)
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
        raise _Ended


class _Ended(Exception):  # noqa: N818  no error
    """Nothing more is to be done for a job now."""


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
