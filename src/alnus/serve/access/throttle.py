"""How often something may happen in a while, by whom; kept in memory, bounded."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

_MOST_KEYS = 10_000


class Throttle:
    """At most `most` events a key within `window_s` seconds."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._events: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Count an event where it is allowed, and return 0; else return after how many seconds the next one is.

        To ask first and to count afterwards would let any number through that come at once.
        """
        with self._lock:
            events = self._recent(key)
            if len(events) >= self._most:
                return max(0.001, events[0] + self._window_s - time.monotonic())
            events.append(time.monotonic())
            self._events[key] = events
            self._events.move_to_end(key)
            while len(self._events) > _MOST_KEYS:
                self._events.popitem(last=False)
            return 0.0

    def give_back(self, key: str) -> None:
        """Let the last event that was counted not count."""
        with self._lock:
            if self._events.get(key):
                self._events[key].pop()

    def forget(self, key: str) -> None:
        """Let a key begin anew."""
        with self._lock:
            self._events.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        events = self._events.get(key, deque())
        while events and events[0] < time.monotonic() - self._window_s:
            events.popleft()
        return events
