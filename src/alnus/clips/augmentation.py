"""Random changes of a training clip that an ultrasound scanner could have made, the same for every frame.

The probe may be turned (left and right change places), the depth setting zoomed, the picture cropped, the gain and
the dynamic range set otherwise. Up and down never change places: depth is physics (attenuation, shadow).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from alnus.config import AugmentationConfig, ClipConfig

NEAR_BLACK = 0.1  # below this share of full scale the gain fades out, so that what returned no echo stays black


@dataclass(frozen=True)
class Augmentation:
    """What one training clip undergoes.

    zoom: > 1 enlarges. shift_px: (down, right) from the centre of the resized square to that of the crop.
    gain: added to the brightness. contrast: its factor.
    """

    flip: bool = False
    zoom: float = 1.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    gain: float = 0.0
    contrast: float = 1.0


def draw_augmentation(config: AugmentationConfig, clip: ClipConfig, generator: np.random.Generator) -> Augmentation:
    """Draw one clip's changes. Every setting takes the same number of draws, so one never alters another's."""
    flip, zoom, down, right, gain, contrast = generator.random(6)
    low, high = config.scale
    free_px = (clip.resize_px - clip.side_px) / 2
    return Augmentation(
        flip=bool(config.horizontal_flip and flip < 0.5),
        zoom=float(low + (high - low) * zoom),
        shift_px=(float(2 * down - 1) * free_px, float(2 * right - 1) * free_px),
        gain=float(2 * gain - 1) * config.gain,
        contrast=1.0 + float(2 * contrast - 1) * config.contrast,
    )


def augment(square: Tensor, clip: ClipConfig, augmentation: Augmentation) -> Tensor:
    """Crop and change resized frames (n, R, R) uint8: (n, side_px, side_px) float32 in [0, 1].

    Flip, zoom and crop are one bilinear sampling; what lies outside the square is black.
    """
    count, resize_px, _ = square.shape
    share = clip.side_px / resize_px / augmentation.zoom  # of the square that the crop spans
    down, right = (2 * shift / resize_px for shift in augmentation.shift_px)  # in half squares, as affine_grid counts
    mirror = -1.0 if augmentation.flip else 1.0
    matrix = torch.tensor([[[mirror * share, 0.0, right], [0.0, share, down]]])  # (1, 2, 3): rows x, y
    grid = functional.affine_grid(matrix, [1, count, clip.side_px, clip.side_px], align_corners=False)
    whole = square[None].float() / 255  # (1, n, R, R): the frames as channels, so all see one grid
    grey = functional.grid_sample(whole, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    lifted = augmentation.gain * (grey / NEAR_BLACK).clamp(max=1)
    return (grey * augmentation.contrast + lifted).clamp(0, 1)
