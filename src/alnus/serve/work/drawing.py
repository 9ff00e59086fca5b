"""Frames with their heat drawn over them, for programs, reports and archives: each says what it is and is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alnus.explanation.drawing import NOTICE, Rgb, Sheet, overlay, sheet
from alnus.media import CineStore
from alnus.serve.database.tables import Result, Video
from alnus.serve.room import Room
from alnus.serve.work.explaining import read_heat
from alnus.serve.work.ingesting import NAME, cine_store

HEAT_LINE = "Heat: what raised the score, as a share of the most in this video (Grad-CAM)."
PHANTOM_LINE = "PHANTOM: a simulated video, no patient."
PHANTOM_NETWORK = "The network was trained on phantoms."


class DrawnCine:
    """A cine with a network's heat over every frame, under a caption. Raises MediaError where there is no heat yet."""

    def __init__(self, room: Room, video: Video, result: Result) -> None:
        self._store: CineStore = cine_store(room.folders, video.sha256)
        self._frames = self._store.frames(NAME)
        self._heat = read_heat(room.folders, video.sha256, result.model)
        network = next((model for model in room.models if model.key == result.model), None)
        lines = [
            f"{result.model_name} {result.model_version}: score {result.probability:.2f} (0 to 1, not calibrated)",
            f"{HEAT_LINE} {NOTICE}",
        ]
        warnings = [PHANTOM_LINE] if video.is_phantom else []
        warnings += [PHANTOM_NETWORK] if network is not None and network.card.phantom else []
        self._sheet: Sheet = sheet(self._frames.shape[1:], lines, panels=1, warning=" ".join(warnings))

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)

    def frame(self, index: int) -> Rgb:
        """Return one frame drawn, (height, width, 3)."""
        return self._sheet.filled([self.overlaid(index)], [f"frame {index + 1} of {len(self)}"])

    def frames(self) -> Iterator[Rgb]:
        """Draw every frame, one at a time."""
        return map(self.frame, range(len(self)))

    def overlaid(self, index: int) -> Rgb:
        """Return one frame under its heat, of the cine's own size, without caption."""
        grey = np.asarray(self._frames[index])
        return overlay(grey, enlarged(self._heat[index], grey.shape))


def enlarged(heat: NDArray[np.uint8], size: Sequence[int]) -> NDArray[np.float32]:
    """Return the heat of one frame at the frame's (height, width), 0 to 1, linear between."""
    large = Image.fromarray(np.asarray(heat)).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(large, np.float32) / np.float32(255)
