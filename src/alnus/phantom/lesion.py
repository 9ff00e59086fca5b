"""The lesion's shape: an ellipsoid with lobes and spicules, whose margin varies from one elevational zone to the next.

Axes: x lateral, y elevational (across the image plane), z depth; mm; the lesion's centre lies at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alnus.phantom.latents import Latents

Array = NDArray[np.float32]

ZONE_EDGES = (-0.57, -0.43, 0.43, 0.57)
"""Where the margin changes, in half-lengths: the central zone is half of the length, as ZONE_WEIGHTS says."""
SPICULE_REACH = 0.95
"""Length of the longest spicule of a fully spiculated margin, in radii of the lesion."""
SPICULE_HALF_WIDTH_RAD = 0.27


@dataclass(frozen=True)
class Lesion:
    """A lesion in its surroundings.

    x_mm, z_mm: centre. half_mm: (lateral, elevational, axial) semi-axes. spiculation: near, central, far, 0 to 1.
    spicule_angles_rad, spicule_lengths: (spicules,), direction in the image plane and share of SPICULE_REACH.
    echo_db: echo amplitude against glandular tissue. shadow_db: loss behind the full thickness; negative enhances.
    """

    x_mm: float
    z_mm: float
    half_mm: tuple[float, float, float]
    spiculation: tuple[float, float, float]
    strain_ratio: float
    spicule_angles_rad: Array
    spicule_lengths: Array
    lobe_phase_rad: float
    echo_db: float
    shadow_db: float


def draw_lesion(generator: np.random.Generator, latents: Latents, index: int) -> Lesion:
    """Give lesion `index` of the latents a place and looks that carry no information about the risk."""
    spicules = int(generator.integers(6, 9))
    angles = 2 * np.pi * (np.arange(spicules) + generator.uniform(-0.25, 0.25, spicules)) / spicules
    near, central, far = (float(value) for value in latents.spiculation[index])
    return Lesion(
        x_mm=float(generator.uniform(-3, 3)),
        z_mm=float(generator.uniform(16, 19.5)),
        half_mm=(
            float(latents.half_width_mm[index]),
            float(latents.half_length_mm[index]),
            float(latents.half_height_mm[index]),
        ),
        spiculation=(near, central, far),
        strain_ratio=float(latents.strain_ratio[index]),
        spicule_angles_rad=(angles + generator.uniform(0, 2 * np.pi)).astype(np.float32),
        spicule_lengths=generator.uniform(0.65, 1, spicules).astype(np.float32),
        lobe_phase_rad=float(generator.uniform(0, 2 * np.pi)),
        echo_db=float(generator.uniform(-25, -19)),
        shadow_db=float(generator.uniform(-2, 6)),
    )


def _spicules(lesion: Lesion, angle_rad: Array) -> Array:
    """Return the spicules' profile at each angle, in SPICULE_REACH: triangles that run to a point."""
    profile = np.zeros_like(angle_rad)
    for direction, length in zip(lesion.spicule_angles_rad, lesion.spicule_lengths, strict=True):
        away = np.abs((angle_rad - direction + np.pi) % (2 * np.pi) - np.pi)
        np.maximum(profile, length * (1 - away / SPICULE_HALF_WIDTH_RAD), out=profile)
    return profile


def is_inside(lesion: Lesion, x_mm: Array, y_mm: Array, z_mm: Array, *, body_only: bool = False) -> NDArray[np.bool_]:
    """Tell which points lie in the lesion; the three arrays broadcast. body_only: without its spicules."""
    lateral, elevation, axial = lesion.half_mm
    x, y, z = (x_mm - lesion.x_mm) / lateral, y_mm / elevation, (z_mm - lesion.z_mm) / axial
    radius = np.sqrt(x * x + z * z)  # in units of the cross-section's ellipse
    section = np.sqrt(np.clip(1 - y**4, 0, None))  # blunt ends: in view for nearly all of its length
    if body_only:
        return np.asarray(radius < section)
    angle = np.arctan2(z, x)
    zones = (lesion.spiculation[0], lesion.spiculation[1], lesion.spiculation[1], lesion.spiculation[2])
    spiculation = np.interp(y, ZONE_EDGES, zones).astype(np.float32)
    lobes = 1 + 0.05 * np.cos(3 * angle + lesion.lobe_phase_rad)
    return np.asarray(radius < section * (lobes + SPICULE_REACH * spiculation * _spicules(lesion, angle)))
