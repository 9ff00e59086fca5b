"""When each frame of a DICOM cine was taken.

Source: DICOM PS3.3 C.7.6.5 (cine module: FrameTime, CineRate, RecommendedDisplayFrameRate) and C.7.6.5.1.2
(FrameTimeVector: increments in ms, the first one 0).
"""

from __future__ import annotations

from itertools import accumulate
from math import isfinite

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from alnus.media.refusal import Refused


def frame_times(dataset: Dataset, count: int) -> list[float] | None:
    """Return each frame's time in seconds from the first, or None where the file states none or has one frame.

    FrameTime, else FrameTimeVector, else CineRate, else RecommendedDisplayFrameRate; the first that is there counts.
    Raises Refused, naming the element, for a value that is not finite and positive.
    """
    if count == 1:
        return None
    if values := _numbers(dataset, "FrameTime"):
        return _evenly(_positive(values[0], "FrameTime") / 1000, count, "FrameTime")
    if values := _numbers(dataset, "FrameTimeVector"):
        return _from_vector(values, count)
    for keyword in ("CineRate", "RecommendedDisplayFrameRate"):
        if values := _numbers(dataset, keyword):
            return _evenly(1 / _positive(values[0], keyword), count, keyword)
    return None


def _numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return an element's numbers, [] where it is absent or empty. Raises Refused where they are no numbers."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return []
        return [float(item) for item in value] if isinstance(value, MultiValue | list) else [float(value)]
    except Exception:  # pydicom raises many kinds over a malformed element
        raise Refused(f"its {keyword} is not a number") from None


def _positive(value: float, keyword: str) -> float:
    if not (isfinite(value) and value > 0):
        raise Refused(f"its {keyword} is {value:g}; it must be finite and positive")
    return value


def _evenly(interval_s: float, count: int, keyword: str) -> list[float]:
    times_s = [index * interval_s for index in range(count)]
    if not (isfinite(times_s[-1]) and interval_s > 0):
        raise Refused(f"its {keyword} gives no finite frame times")
    return times_s


def _from_vector(values: list[float], count: int) -> list[float]:
    if len(values) != count:
        raise Refused(f"its FrameTimeVector has {len(values)} values for {count} frames")
    increments = [_positive(value, "FrameTimeVector") for value in values[1:]]
    times_s = [time_ms / 1000 for time_ms in accumulate([0.0, *increments])]
    if not isfinite(times_s[-1]):
        raise Refused("its FrameTimeVector gives no finite frame times")
    return times_s
