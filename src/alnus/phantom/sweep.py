"""The examination: how the probe sweeps across the lesion and presses it, and how the tissue moves under pressure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alnus.phantom.anatomy import DEEPER
from alnus.phantom.lesion import Array, Lesion, is_inside
from alnus.phantom.scanner import Scanner

FloatArray = NDArray[np.float64]

TRAVEL_MM = (18.5, 20.5)
"""Half of the sweep's length, drawn uniformly: more than the longest lesion's half, and independent of it."""
SWEEP_SHARE = 0.58
"""Share of the frames in which the probe sweeps; then it returns and presses."""
PEAK_STRAIN = (0.18, 0.21)
POISSON_LATERAL = 0.4
"""Lateral over axial strain: under 0.5, as some of the incompressible tissue moves out of the plane."""
GRID_MM = 0.5


@dataclass(frozen=True)
class Examination:
    """Where the probe stands in each frame. elevation_mm, drift_mm (lateral), strain: (frames,); keyframe: index."""

    elevation_mm: FloatArray
    drift_mm: FloatArray
    strain: FloatArray
    keyframe: int


def draw_examination(generator: np.random.Generator, frames: int) -> Examination:
    """Plan a sweep from one side to the other, the return to the lesion's centre, then one press; timing varies.

    The keyframe is the first frame that stands at the centre without pressure. frames: 16 or more.
    """
    sweep = round(SWEEP_SHARE * frames) + int(generator.integers(-1, 2))
    back, stand = max(1, round(0.04 * frames)), 2
    travel = generator.uniform(*TRAVEL_MM) * generator.choice([-1, 1])
    progress = np.linspace(-1, 1, sweep)
    uneven = generator.uniform(-0.05, 0.05) * np.sin(np.pi * progress)
    returning = np.linspace(1, 0, back + 2)[1:-1]
    rest = frames - sweep - back
    elevation = travel * np.concatenate([progress + uneven, returning, np.zeros(rest)])
    drift = generator.uniform(-1, 1) * np.sin(np.pi * (elevation / travel))
    press = np.interp(np.linspace(0, 1, rest - stand + 1)[1:], (0, 0.28, 0.8, 1), (0, 1, 1, 0.1))
    strain = np.concatenate([np.zeros(frames - rest + stand), generator.uniform(*PEAK_STRAIN) * press])
    return Examination(elevation, drift, strain, keyframe=sweep + back)


@dataclass(frozen=True)
class UnitDisplacement:
    """Displacement of the centre plane a unit of applied strain, in mm, on a grid of GRID_MM; (depth, lateral).

    axial_mm: towards the probe. lateral_mm: away from the lesion's axis. left_mm: x of the first column.
    """

    axial_mm: Array
    lateral_mm: Array
    left_mm: float

    def at(self, x_mm: Array, z_mm: Array) -> tuple[Array, Array]:
        """Return axial and lateral displacement at points of the plane, each (points,)."""
        places = np.stack([z_mm / GRID_MM, (x_mm - self.left_mm) / GRID_MM])
        axial, lateral = (
            ndimage.map_coordinates(field, places, order=1, mode="nearest")
            for field in (self.axial_mm, self.lateral_mm)
        )
        return axial, lateral


def unit_displacement(lesion: Lesion, scanner: Scanner) -> UnitDisplacement:
    """Solve, column by column, how the centre plane is displaced under a unit of mean strain.

    The lesion strains by its ratio, the rest takes up what is left: every column shortens by the same amount, as
    between a flat probe and the chest wall. An approximation: shear between columns is only smoothed.
    """
    half_width, depth = scanner.width_mm / 2 + 2, scanner.depth_mm * DEEPER + 1
    x = np.arange(-half_width, half_width + GRID_MM, GRID_MM, dtype=np.float32)[None, :]
    z = np.arange(0, depth + GRID_MM, GRID_MM, dtype=np.float32)[:, None]
    inside = is_inside(lesion, x, np.zeros_like(x), z, body_only=True).astype(np.float32)
    share = inside.mean(axis=0, keepdims=True)
    around = (1 - lesion.strain_ratio * share) / (1 - share)
    strain = inside * lesion.strain_ratio + (1 - inside) * around
    strain = ndimage.gaussian_filter(strain, (0.5, 1.5), mode="nearest")
    axial = (np.cumsum(strain, axis=0) - strain / 2) * GRID_MM
    middle = int(np.argmin(np.abs(x - lesion.x_mm)))
    across = np.cumsum(strain, axis=1)
    lateral = POISSON_LATERAL * (across - across[:, middle : middle + 1]) * GRID_MM
    return UnitDisplacement(axial.astype(np.float32), lateral.astype(np.float32), float(x[0, 0]))
