"""From frames of any size to the square that a network sees, and back for heatmaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from alnus.clips.sample import GreyFrames
from alnus.config import ClipConfig

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue; the statistics that published ImageNet weights expect
IMAGENET_STD = (0.229, 0.224, 0.225)
GREY_MEAN, GREY_STD = 0.5, 0.25  # maps 0..1 to -2..2; no statistic of any cohort, so nothing can leak


@dataclass(frozen=True)
class ClipGeometry:
    """How a frame of `height` x `width` pixels lies in a clip: padded to a square, resized, cropped at the centre."""

    height: int
    width: int
    clip: ClipConfig

    @property
    def square_px(self) -> int:
        """Side of the padded frame."""
        return max(self.height, self.width)

    @property
    def offsets_px(self) -> tuple[int, int]:
        """Rows above and columns left of the frame within the padded square."""
        return (self.square_px - self.height) // 2, (self.square_px - self.width) // 2

    def to_frame(self, heatmap: Tensor) -> Tensor:
        """Map (n, side_px, side_px) at the clip's resolution to (n, height, width) of the frame.

        What the central crop did not show is 0. Values are interpolated linearly.
        """
        border = self.clip.resize_px - self.clip.side_px
        before = border // 2
        whole = functional.pad(heatmap, (before, border - before, before, border - before))
        side = (self.square_px, self.square_px)
        square = functional.interpolate(whole[None].float(), side, mode="bilinear", align_corners=False)[0]
        top, left = self.offsets_px
        return square[:, top : top + self.height, left : left + self.width]


def squares(frames: GreyFrames, resize_px: int) -> Tensor:
    """Pad (n, H, W) frames with black to a square and resize it: (n, resize_px, resize_px) uint8.

    The resizing is antialiased and bilinear. Each frame's result is the same whichever frames stand beside it.
    """
    count, height, width = frames.shape
    square_px = max(height, width)
    padded = np.zeros((count, square_px, square_px), np.uint8)
    top, left = (square_px - height) // 2, (square_px - width) // 2
    padded[:, top : top + height, left : left + width] = frames
    whole = torch.from_numpy(padded)
    if square_px == resize_px:
        return whole
    return functional.interpolate(whole[None], (resize_px, resize_px), mode="bilinear", antialias=True)[0]


def central_crop(square: Tensor, side_px: int) -> Tensor:
    """Return the central (n, side_px, side_px) of (n, R, R)."""
    before = (square.shape[-1] - side_px) // 2
    return square[:, before : before + side_px, before : before + side_px]


def normalised(grey: Tensor, channels: int) -> Tensor:
    """Bring (n, side, side) grey in [0, 1] to the network's input (channels, n, side, side) float32."""
    if channels == 1:
        return (grey[None] - GREY_MEAN) / GREY_STD
    mean, std = (torch.tensor(values)[:, None, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (grey[None] - mean) / std


def clip_tensor(frames: GreyFrames, clip: ClipConfig) -> Tensor:
    """Bring the chosen frames (n, H, W) of a cine to a network's input (channels, n, side_px, side_px) float32."""
    square = squares(frames, clip.resize_px)
    return normalised(central_crop(square, clip.side_px).float() / 255, clip.channels)
