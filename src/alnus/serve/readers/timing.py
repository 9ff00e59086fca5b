"""How long a reading takes: by the server's clock, from the first frame shown, without the pauses, which are kept.

The reader's page says when its picture is shown, hidden or shown again, and every few seconds that it is still there.
If it falls silent, the reading stood from when it was last heard of.
"""

from __future__ import annotations

from typing import Literal

from sqlmodel import Session, col, select

from alnus.serve.readers.tables import Reading, ReadingPause

Event = Literal["shown", "resume", "alive", "pause", "hidden", "idle"]
IDLE_S = 300.0
"""Whoever touches nothing for so long has gone: the page pauses, and the time stands from the last touch."""
LOST_S = 30.0
"""A page that was not heard of for so long was closed, or its machine slept; it tells every 10 s that it is there."""


def tick(session: Session, reading: Reading, event: Event, *, now_s: float) -> None:
    """Write what the reader's page tells. Before the first frame is shown nothing else counts."""
    if reading.begun_s is None:
        if event != "shown":
            return
        reading.begun_s = now_s
    settle(session, reading, now_s=now_s)
    if event in ("pause", "hidden"):
        _stand(session, reading, at_s=now_s, reason="reader" if event == "pause" else "hidden")
    elif event == "idle":
        _stand(session, reading, at_s=max(now_s - IDLE_S, reading.open_since_s or 0.0), reason="idle")
    elif reading.open_since_s is None:
        _go_on(session, reading, now_s=now_s)
    reading.seen_s = now_s
    session.add(reading)


def settle(session: Session, reading: Reading, *, now_s: float) -> None:
    """Let a reading stand from when its page was last heard of, where that is too long ago."""
    if reading.open_since_s is not None and reading.seen_s is not None and now_s - reading.seen_s > LOST_S:
        _stand(session, reading, at_s=reading.seen_s, reason="lost")


def finish(session: Session, reading: Reading, *, now_s: float) -> None:
    """Stop the clock for good."""
    settle(session, reading, now_s=now_s)
    if reading.open_since_s is not None:
        reading.active_s += max(0.0, now_s - reading.open_since_s)
        reading.open_since_s = None
    _end_pause(session, reading, now_s=now_s)


def _stand(session: Session, reading: Reading, *, at_s: float, reason: str) -> None:
    if reading.open_since_s is None:
        return
    reading.active_s += max(0.0, at_s - reading.open_since_s)
    reading.open_since_s = None
    session.add(ReadingPause(reading_id=reading.id, began_s=at_s, reason=reason))
    session.flush()


def _go_on(session: Session, reading: Reading, *, now_s: float) -> None:
    reading.open_since_s = now_s
    _end_pause(session, reading, now_s=now_s)


def _end_pause(session: Session, reading: Reading, *, now_s: float) -> None:
    of_it = (ReadingPause.reading_id == reading.id, col(ReadingPause.ended_s).is_(None))
    for pause in session.exec(select(ReadingPause).where(*of_it)):
        pause.ended_s = now_s
        session.add(pause)
