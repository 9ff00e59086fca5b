"""The quality gate's configuration as a decoding process needs it: plain values, checked where they were configured.

Importing the configuration's own class takes a process 0.15 s, as long as it needs to decode 100 frames.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alnus.config import QualityConfig


@dataclass(frozen=True)
class Thresholds:
    """The values of `alnus.config.QualityConfig`, which says what they mean."""

    exclude: tuple[str, ...]
    min_frames: int
    min_frame_rate_hz: float
    min_changed_share: float
    min_moving_share: float
    black_level: int
    black_share: float
    saturated_level: int
    saturated_share: float
    min_region_px: int
    min_region_share: float
    colour_level: int
    colour_share: float
    natural_colour_share: float


def thresholds_of(config: QualityConfig) -> Thresholds:
    """Return a configuration's values."""
    return Thresholds(**{field.name: getattr(config, field.name) for field in fields(Thresholds)})


def usual_thresholds() -> Thresholds:
    """Return the values of the configuration that nobody has changed."""
    from alnus.config import QualityConfig  # see above

    return thresholds_of(QualityConfig())
