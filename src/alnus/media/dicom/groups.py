"""Enhanced US Volume: times, order and spacing of the frames, which its functional groups hold.

Source: DICOM PS3.3 C.7.6.16.1 (multi-frame functional groups), C.7.6.16.2.1 (pixel measures), C.7.6.16.2.2 (frame
content), C.8.24.6.1 to .3 (plane position, temporal position, image data type).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydicom.dataset import Dataset
from pydicom.valuerep import DT

from alnus.media.cine import Box
from alnus.media.dicom.facts import Pane, PaneKind
from alnus.media.dicom.geometry import Spacing, pixel_spacing
from alnus.media.dicom.header import items_of, value_of
from alnus.media.refusal import CORRECT, Refused

_KINDS: dict[str, PaneKind] = {  # DataType, PS3.3 C.8.24.6.3.1
    "TISSUE_INTENSITY": "tissue",
    "FLOW_VELOCITY": "colour",
    "FLOW_POWER": "colour",
    "FLOW_VARIANCE": "colour",
    "DIRECTION_POWER": "colour",
    "TISSUE_VELOCITY": "colour",
}


@dataclass(frozen=True)
class Groups:
    """What the functional groups say of the frames.

    order: the stored frames' numbers, from 0, in order of time and then of the plane. times_s: of the stored frames,
    None where the groups state none; source: the element that gave them.
    """

    order: list[int]
    times_s: list[float] | None
    source: str
    spacing_mm: Spacing | None
    kind: PaneKind | None


def groups_of(header: Dataset, count: int, notes: list[str]) -> Groups:
    """Read the functional groups of a file of `count` frames. Raises Refused over times that are not finite."""
    shared = items_of(header, "SharedFunctionalGroupsSequence")[:1]
    frames = items_of(header, "PerFrameFunctionalGroupsSequence")
    if len(frames) != count:
        if frames:
            notes.append(f"the functional groups of {len(frames)} frames are not used for {count} frames")
        frames = []
    times_s, source = _times(frames)
    order = list(range(count))
    if times_s is not None:
        order.sort(key=lambda index: (times_s[index], _plane(frames[index])))
        if order != sorted(order):
            notes.append("the frames are put in order of time and plane; they are stored in another")
        if len(set(times_s)) < count:
            notes.append(f"{count} frames hold {len(set(times_s))} time points: a volume, its planes one after another")
    return Groups(order, times_s, source, _spacing([*shared, *frames[:1]]), _kind([*shared, *frames[:1]]))


def _times(frames: list[Dataset]) -> tuple[list[float] | None, str]:
    """Return the frames' times in seconds and their element: the first one that all frames have."""
    for sequence, keyword, seconds in _TIME_ELEMENTS:
        values = [_nested(frame, sequence, keyword) for frame in frames]
        if values and all(value not in (None, "") for value in values):
            times_s = [_seconds(value, seconds, keyword) for value in values]
            return [time_s - min(times_s) for time_s in times_s], keyword
    return None, ""


def _seconds(value: Any, seconds: Callable[[Any], float], keyword: str) -> float:
    try:
        time_s = seconds(value)
    except Exception:  # pydicom and datetime raise several kinds
        raise Refused(f"its {keyword} is not a time; {CORRECT}") from None
    if not isfinite(time_s):
        raise Refused(f"its {keyword} is {time_s:g}; it must be finite; {CORRECT}")
    return time_s


def _clock_s(value: Any) -> float:
    moment = DT(str(value))
    if moment is None:
        raise ValueError
    return moment.timestamp()


_TIME_ELEMENTS: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("TemporalPositionSequence", "TemporalPositionTimeOffset", float),  # seconds
    ("FrameContentSequence", "FrameReferenceDateTime", _clock_s),
    ("FrameContentSequence", "FrameAcquisitionDateTime", _clock_s),
)


def _nested(group: Dataset, sequence: str, keyword: str) -> Any:
    """Return an element of a group's macro, None where it is absent or malformed."""
    try:
        return next((value_of(item, keyword) for item in items_of(group, sequence)), None)
    except Exception:  # pydicom raises many kinds over a malformed element
        return None


def _plane(frame: Dataset) -> tuple[float, ...]:
    """Return a frame's position in its volume, for comparison; () where it has none."""
    try:
        position = _nested(frame, "PlanePositionVolumeSequence", "ImagePositionVolume")
        return tuple(float(value) for value in reversed(position)) if position is not None else ()
    except Exception:  # malformed numbers
        return ()


def _spacing(groups: list[Dataset]) -> Spacing | None:
    measures = [item for group in groups for item in items_of(group, "PixelMeasuresSequence")]
    return next((spacing for item in measures if (spacing := pixel_spacing(item))), None)


def _kind(groups: list[Dataset]) -> PaneKind | None:
    stated = next((value for group in groups if (value := _nested(group, "ImageDataTypeSequence", "DataType"))), None)
    return None if stated is None else _KINDS.get(str(stated), "other")


def pane_of(groups: Groups, width: int, height: int) -> tuple[Pane, ...]:
    """Return the whole frame as the one pane that the groups tell the kind of."""
    return () if groups.kind is None else (Pane(Box(0, 0, width, height), groups.kind),)
