"""When each frame of a DICOM cine was taken, and which of its frames are meant to be seen.

Source: DICOM PS3.3 C.7.6.5 (cine module: FrameTime, CineRate, RecommendedDisplayFrameRate, StartTrim, StopTrim) and
C.7.6.5.1.2 (FrameTimeVector: increments in ms, the first one 0).
"""

from __future__ import annotations

from itertools import accumulate
from math import isfinite

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from alnus.media.dicom.header import number_of, value_of
from alnus.media.refusal import CORRECT, Refused

SHORTEST_MS, LONGEST_MS = 0.001, 600_000.0
"""Between two frames. No scanner reaches either; a value beyond is a damaged one."""

_VECTOR_BYTES = 1 << 20  # of 20,000 decimal strings of 16 characters and their separators, and more


def frame_times(header: Dataset, count: int) -> tuple[list[float] | None, str]:
    """Return each frame's time in seconds from the first and the element that gave it.

    (None, "") where the file states none or has one frame. FrameTime, else FrameTimeVector, else CineRate, else
    RecommendedDisplayFrameRate, else ActualFrameDuration; the first that is there counts, whatever
    FrameIncrementPointer points at. Raises Refused, naming the element, for a value that is not finite and positive.
    """
    if count == 1:
        return None, ""
    if values := _numbers(header, "FrameTime"):
        return _evenly(_interval_ms(values[0], "FrameTime") / 1000, count), "FrameTime"
    if values := _numbers(header, "FrameTimeVector"):
        return _from_vector(values, count), "FrameTimeVector"
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        if values := _numbers(header, keyword):
            rate_hz = _positive(values[0], keyword)
            if not SHORTEST_MS <= 1000 / rate_hz <= LONGEST_MS:
                raise Refused(f"its {keyword} is {rate_hz:g}, which no cine has; {CORRECT}")
            return _evenly(1 / rate_hz, count), keyword
    if values := _numbers(header, "ActualFrameDuration"):
        return _evenly(_interval_ms(values[0], "ActualFrameDuration") / 1000, count), "ActualFrameDuration"
    return None, ""


def trimmed(header: Dataset, count: int, notes: list[str]) -> range:
    """Return the frames to keep, from 0: those from StartTrim to StopTrim, which count from 1 and are both kept.

    Values that make no range within the cine are not used, with a note: nothing is lost over a display preference.
    """
    first, last = _frame_number(header, "StartTrim", 1), _frame_number(header, "StopTrim", count)
    if first is None or last is None or not 1 <= first <= last <= count:
        notes.append(f"its StartTrim and StopTrim are no range within its {count} frames and are not used")
        return range(count)
    if (first, last) != (1, count):
        notes.append(f"frames {first} to {last} of {count} are kept, as its StartTrim and StopTrim say")
    return range(first - 1, last)


def _frame_number(header: Dataset, keyword: str, default: int) -> int | None:
    try:
        return number_of(header, keyword, default=default)
    except Refused:
        return None


def _numbers(header: Dataset, keyword: str) -> list[float]:
    """Return an element's numbers, [] where it is absent or empty. Raises Refused where they are no numbers."""
    try:
        value = value_of(header, keyword, most_bytes=_VECTOR_BYTES)
        if value is None or value == "":
            return []
        return [float(item) for item in value] if isinstance(value, MultiValue | list) else [float(value)]
    except Exception:  # pydicom raises many kinds over a malformed element
        raise Refused(f"its {keyword} is not a number; {CORRECT}") from None


def _positive(value: float, keyword: str) -> float:
    if not (isfinite(value) and value > 0):
        raise Refused(f"its {keyword} is {value:g}; it must be finite and positive; {CORRECT}")
    return value


def _interval_ms(value: float, keyword: str) -> float:
    if not SHORTEST_MS <= _positive(value, keyword) <= LONGEST_MS:
        raise Refused(f"its {keyword} is {value:g} ms, which no cine has; {CORRECT}")
    return value


def _evenly(interval_s: float, count: int) -> list[float]:
    return [index * interval_s for index in range(count)]


def _from_vector(values: list[float], count: int) -> list[float]:
    if len(values) != count:
        raise Refused(f"its FrameTimeVector has {len(values)} values for {count} frames; {CORRECT}")
    increments = [_interval_ms(value, "FrameTimeVector") for value in values[1:]]
    return [time_ms / 1000 for time_ms in accumulate([0.0, *increments])]
