"""A store's frames at the networks' resolution: each resized when first asked for, and kept while memory allows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alnus.clips.geometry import squares
from alnus.clips.sample import CineSource, FrameIndices

LIMIT_BYTES = 512 * 2**20  # a whole phantom cohort at 72 pixels; at 256 pixels about 80 cines of 100 frames


class ResizedFrames:
    """Random access to resized frames; a video is kept where it fits whole within `limit_bytes`, else read anew.

    What is returned does not depend on what is kept.
    """

    def __init__(self, store: CineSource, resize_px: int, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._store = store
        self._resize_px = resize_px
        self._free_bytes = limit_bytes
        self._kept: dict[str, tuple[NDArray[np.uint8], NDArray[np.bool_]]] = {}  # frames (T, R, R), which are filled
        self._lengths: dict[str, int] = {}
        self._stills: dict[str, Tensor | None] = {}

    def length(self, video: str) -> int:
        """Return the cine's number of frames."""
        if video not in self._lengths:
            self._lengths[video] = len(self._store.frames(video))
        return self._lengths[video]

    def frames(self, video: str, indices: FrameIndices) -> Tensor:
        """Return the frames (n, R, R) uint8 at `indices`."""
        if video not in self._kept and not self._admit(video):
            return squares(self._store.read(video, indices), self._resize_px)
        kept, filled = self._kept[video]
        missing = np.unique(indices[~filled[indices]])
        if len(missing):
            kept[missing] = squares(self._store.read(video, missing), self._resize_px).numpy()
            filled[missing] = True
        return torch.from_numpy(kept[indices])

    def still(self, video: str) -> Tensor | None:
        """Return the sonographer's still (1, R, R) uint8, None where there is none."""
        if video not in self._stills:
            image = self._store.image(video)
            self._stills[video] = None if image is None else squares(np.asarray(image)[None], self._resize_px)
        return self._stills[video]

    def _admit(self, video: str) -> bool:
        size = self.length(video) * self._resize_px**2
        if size > self._free_bytes:
            return False
        self._free_bytes -= size
        shape = (self.length(video), self._resize_px, self._resize_px)
        self._kept[video] = np.zeros(shape, np.uint8), np.zeros(shape[0], np.bool_)
        return True
