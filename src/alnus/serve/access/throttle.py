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

    def wait_s(self, key: str) -> float:
        """Return after how many seconds the next event is allowed; 0 for at once."""
        with self._lock:
            events = self._recent(key)
            return 0.0 if len(events) < self._most else max(0.0, events[0] + self._window_s - time.monotonic())

    def add(self, key: str) -> None:
        """Count an event."""
        with self._lock:
            events = self._recent(key)
            events.append(time.monotonic())
            while len(events) > self._most:
                events.popleft()
            self._events[key] = events
            self._events.move_to_end(key)
            while len(self._events) > _MOST_KEYS:
                self._events.popitem(last=False)

    def forget(self, key: str) -> None:
        """Let a key begin anew."""
        with self._lock:
            self._events.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        events = self._events.get(key, deque())
        while events and events[0] < time.monotonic() - self._window_s:
            events.popleft()
        return events
