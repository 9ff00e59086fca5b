"""What a network says of a video, as it goes to the process that puts it into DICOM objects: no patient in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from alnus import __version__
from alnus.explanation.drawing import NOTICE

SOFTWARE = "Alnus"
RESEARCH = "Alnus, research use only"


@dataclass(frozen=True)
class Statement:
    """A result. All numbers in [0, 1]; None where the network's run states none. model: what UIDs are made with.

    keyframe: of the room's cine, from 0. made_s: when it was scored, seconds since 1970: the objects' date, so that an
    object that is made again is the same.
    """

    model: str
    name: str
    version: str
    engine: str
    is_phantom_network: bool
    is_phantom_video: bool
    probability: float
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    threshold: float | None
    answer: str | None
    keyframe: int | None
    measure: str | None
    made_s: float
    software: str = __version__

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Statement:
        """Return what `to_json` made."""
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    @property
    def made_at(self) -> datetime:
        """The local time of scoring; DICOM's dates and times without a zone are local (PS3.3 C.12.1.1)."""
        return datetime.fromtimestamp(self.made_s).astimezone()

    @property
    def call(self) -> str | None:
        """Whether the score reaches the frozen threshold, None without one."""
        if self.threshold is None:
            return None
        return "at or above the threshold" if self.probability >= self.threshold else "below the threshold"

    @property
    def caption(self) -> list[str]:
        """Lines for the picture."""
        score = f"{self.name} {self.version}: score {self.probability:.2f} (0 to 1, not calibrated)"
        return [score, f"Heat: what raised the score, as a share of the most in this video (Grad-CAM). {NOTICE}"]

    @property
    def warning(self) -> str:
        """What else the picture must say."""
        video = "PHANTOM: a simulated video, no patient. " if self.is_phantom_video else ""
        return video + ("The network was trained on phantoms." if self.is_phantom_network else "")
