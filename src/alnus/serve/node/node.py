"""The DICOM node as a service of the room: what listens, fetches, takes in, and sends back."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack

from alnus.media.pool import Worker
from alnus.serve.intake.submission import QueueFullError
from alnus.serve.node.builder_task import MODULE
from alnus.serve.node.courier import deliver, due, sweep_outbox, tidy
from alnus.serve.node.inbox import sweep_inbox
from alnus.serve.node.listening import Ear, silent
from alnus.serve.node.pulling import Puller
from alnus.serve.node.registering import enqueue, kept_instances, register
from alnus.serve.room import Room

IDLE_S = 1.0
BUILD_TIMEOUT_S = 300.0
_BUSY_S = 5.0  # where the room's queue is full
log = logging.getLogger(__name__)


class Node:
    """Everything of the node, from start to stop."""

    def __init__(self, room: Room) -> None:
        """Do nothing yet, but say what goes back when a video's job ends."""
        self._room = room
        self._arrived = threading.Event()
        self._is_ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open = ExitStack()
        self._builder = Worker(timeout_s=BUILD_TIMEOUT_S, module=MODULE)
        self.ear = Ear(room, self._arrived.set)
        self.puller = Puller(room, self._arrived.set)
        room.returners.append(enqueue)

    def start(self) -> None:
        """Clear up after an earlier server, then begin. Raises UsageError where the port is taken."""
        sweep_inbox(self._room)
        sweep_outbox(self._room)
        self._open.enter_context(silent())
        if self._room.settings.node.port is not None:
            self.ear.start()
        if self._room.settings.node.web is not None:
            self.puller.start()
        for target in (self._take_in, self._send_back):
            thread = threading.Thread(target=target, name=f"node{target.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End; what is half done is done again at the next start."""
        self._is_ending.set()
        self._arrived.set()
        if self._room.settings.node.port is not None:
            self.ear.stop()
        if self._room.settings.node.web is not None:
            self.puller.stop()
        self._builder.close()
        for thread in self._threads:
            thread.join(timeout=20)
        self._open.close()

    def _take_in(self) -> None:
        while not self._is_ending.is_set():
            self._arrived.clear()
            try:
                for instance in kept_instances(self._room):
                    register(self._room, instance)
            except QueueFullError:
                self._is_ending.wait(_BUSY_S)
            except Exception as error:
                log.error("an instance could not be taken in (%s)", type(error).__name__)
                self._is_ending.wait(_BUSY_S)
            self._arrived.wait(IDLE_S)

    def _send_back(self) -> None:
        while not self._is_ending.is_set():
            started_s = time.monotonic()
            try:
                for outbound in due(self._room):
                    if not self._is_ending.is_set():
                        deliver(self._room, self._builder, outbound, is_ending=self._is_ending.is_set)
                tidy(self._room)
            except Exception as error:
                log.error("what goes back could not be seen to (%s)", type(error).__name__)
            self._is_ending.wait(max(0.0, IDLE_S - (time.monotonic() - started_s)))
