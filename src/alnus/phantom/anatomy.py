"""A patient's breast as point scatterers: skin, fat with septa, gland with lobules, fascia, pectoral muscle, a lesion.

Axes: x lateral from the probe's middle, y elevational from the lesion's centre, z depth from the skin; mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from alnus.phantom.lesion import Array, Lesion, is_inside
from alnus.phantom.scanner import MARGIN_PX, Scanner

VOXEL_MM = 0.7
SCATTERERS_PER_CELL = 7.0
"""Scatterers in a resolution cell (the product of the point-spread function's full widths at half maximum): speckle
is close to fully developed (mean over standard deviation of the envelope 1.84; without end 1.91)."""
FULL_WIDTH = 2.355
"""Full width at half maximum of a Gaussian, in standard deviations."""
DEEPER = 1.28
"""Scatterers reach this many times deeper than the image: compression brings deeper tissue into view."""


@dataclass(frozen=True)
class Volume:
    """Echo levels on a grid of VOXEL_MM, in dB against glandular tissue; (depth, lateral, elevation).

    origin_mm: (x, y, z) of the first voxel's corner. shadow_db: gain (negative: loss) by the lesion's attenuation.
    """

    tissue_db: Array
    shadow_db: Array
    origin_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Scatterers:
    """Point scatterers sorted by elevation; each array (scatterers,) float32. amplitude: signed, gland has RMS 1."""

    x_mm: Array
    y_mm: Array
    z_mm: Array
    amplitude: Array

    def slab(self, low_mm: float, high_mm: float) -> slice:
        """Return where the scatterers between two elevations lie: they are neighbours in memory."""
        first, last = np.searchsorted(self.y_mm, np.array([low_mm, high_mm], np.float32))
        return slice(int(first), int(last))


def _texture(generator: np.random.Generator, shape: tuple[int, ...], sigma: tuple[float, ...]) -> Array:
    """Return smooth Gaussian noise of standard deviation 1; sigma in voxels, along each axis."""
    noise = generator.standard_normal(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap", truncate=2.5)
    return np.asarray(smooth / smooth.std(), np.float32)


def _undulation(generator: np.random.Generator, x: Array, y: Array, height_mm: float) -> Array:
    """Return a surface's height over (x, y): three long waves, `height_mm` root mean square in all."""
    surface = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for _ in range(3):
        length, turn, phase = generator.uniform(18, 45), generator.uniform(0, np.pi), generator.uniform(0, 2 * np.pi)
        along = (x * np.cos(turn) + y * np.sin(turn)) / length
        surface += np.sin(2 * np.pi * along + phase, dtype=np.float32)
    return np.asarray(surface * np.float32(height_mm * (2 / 3) ** 0.5))


def _tissue_db(generator: np.random.Generator, x: Array, y: Array, z: Array) -> Array:
    """Return the echo level without the lesion, on the grid that x, y and z span."""
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    coarse, fine = _texture(generator, shape, (2.2, 4, 4)), _texture(generator, shape, (1.0, 1.8, 1.8))
    fat_end = generator.uniform(6, 9) + _undulation(generator, x, y, 0.9)
    gland_end = generator.uniform(29, 33) + _undulation(generator, x, y, 1.0)
    septa = np.maximum(0, 1 - np.abs(coarse) / 0.22)  # level sets of smooth noise: bright sheets between lobules
    fat = -8 + 11 * septa + fine
    lobules = np.clip((-coarse - 0.9) * 3, 0, 1)
    gland = generator.uniform(1.5, 3.5) * fine - 5 * lobules + generator.uniform(2, 5) * septa - 1
    fibres = np.sin(2 * np.pi * (z + 0.12 * x + 0.5 * coarse) / generator.uniform(2.2, 3.2))
    muscle = -9 + 4 * fibres + 1.5 * fine
    tissue = np.where(z < fat_end, fat, gland)
    tissue = np.where(z > gland_end, 5.0, tissue)
    tissue = np.where(z > gland_end + 1.2, muscle, tissue)
    return np.where(z < 1.7, 6.0, tissue).astype(np.float32)


def _shadow_db(lesion: Lesion, x: Array, y: Array, z: Array) -> Array:
    """Return the gain behind the lesion: its attenuation over the path through it, plane by plane."""
    body = is_inside(lesion, x, y, z, body_only=True)
    path_mm = np.cumsum(body, axis=0, dtype=np.float32) * np.float32(VOXEL_MM)
    path_mm = ndimage.gaussian_filter1d(path_mm, 1.0, axis=1)  # beams have a width
    return np.asarray(-path_mm * np.float32(lesion.shadow_db / (2 * lesion.half_mm[2])))


def build_volume(generator: np.random.Generator, scanner: Scanner, lesion: Lesion, reach_mm: float) -> Volume:
    """Draw the tissue around a lesion, for elevations from -reach_mm to reach_mm."""
    half_width = scanner.width_mm / 2 + MARGIN_PX * scanner.spacing_mm
    counts = (int(scanner.depth_mm * DEEPER / VOXEL_MM) + 2, int(2 * half_width / VOXEL_MM) + 2)
    depth, lateral = counts
    elevation = int(2 * reach_mm / VOXEL_MM) + 2
    origin = (-half_width, -reach_mm, 0.0)
    x = (origin[0] + VOXEL_MM * (np.arange(lateral) + 0.5)).astype(np.float32)[None, :, None]
    y = (origin[1] + VOXEL_MM * (np.arange(elevation) + 0.5)).astype(np.float32)[None, None, :]
    z = (VOXEL_MM * (np.arange(depth) + 0.5)).astype(np.float32)[:, None, None]
    return Volume(_tissue_db(generator, x, y, z), _shadow_db(lesion, x, y, z), origin)


def _voxels(generator: np.random.Generator, volume: Volume, x: Array, y: Array, z: Array) -> NDArray[np.int32]:
    """Return the flat index of each point's voxel, chosen at random among neighbours in proportion to nearness.

    This dithering makes the mean echo vary linearly between voxels at the cost of a nearest-neighbour look-up.
    """
    flat = np.zeros(x.shape, np.int32)
    corners = (volume.origin_mm[2], volume.origin_mm[0], volume.origin_mm[1])
    for points, corner, size in zip((z, x, y), corners, volume.tissue_db.shape, strict=True):
        place = points * np.float32(1 / VOXEL_MM) - np.float32(corner / VOXEL_MM + 0.5)
        place += generator.random(x.shape, dtype=np.float32)
        index = place.astype(np.int32)
        np.clip(index, 0, size - 1, out=index)
        flat *= size
        flat += index
    return flat


def density_per_mm3(scanner: Scanner) -> float:
    """Return the scatterers a mm³ that put SCATTERERS_PER_CELL into a resolution cell."""
    sigmas = scanner.sigma_axial_mm * scanner.sigma_lateral_mm * scanner.sigma_elevation_mm
    return SCATTERERS_PER_CELL / (FULL_WIDTH**3 * sigmas)


def random_signs(generator: np.random.Generator, count: int) -> Array:
    """Return the strengths of unit scatterers, -1 or 1: denser and less dense than their surroundings."""
    return generator.integers(0, 2, count, dtype=np.int8).astype(np.float32) * 2 - 1


def scatter(generator: np.random.Generator, scanner: Scanner, lesion: Lesion, *, reach_mm: float) -> Scatterers:
    """Fill a patient's breast with scatterers, for elevations from -reach_mm to reach_mm."""
    volume = build_volume(generator, scanner, lesion, reach_mm)
    half_width, depth = -volume.origin_mm[0], scanner.depth_mm * DEEPER
    count = round(density_per_mm3(scanner) * 4 * half_width * reach_mm * depth)

    def uniform(low: float, high: float) -> Array:
        return generator.random(count, dtype=np.float32) * np.float32(high - low) + np.float32(low)

    x, z, y = uniform(-half_width, half_width), uniform(0, depth), np.sort(uniform(-reach_mm, reach_mm))
    voxels = _voxels(generator, volume, x, y, z)
    gain = np.exp((volume.tissue_db + volume.shadow_db) * np.float32(np.log(10) / 20)).ravel()
    amplitude = random_signs(generator, count) * gain[voxels]
    scatterers = Scatterers(x, y, z, amplitude)
    _embed(scatterers, lesion, volume, voxels)
    return scatterers


def _embed(scatterers: Scatterers, lesion: Lesion, volume: Volume, voxels: NDArray[np.int32]) -> None:
    """Give the scatterers inside the lesion its echo level in place of the tissue's; changes `amplitude`."""
    lateral, elevation, axial = (2 * half for half in lesion.half_mm)  # spicules reach less than one more radius
    slab = scatterers.slab(-elevation / 2, elevation / 2)
    near = (np.abs(scatterers.x_mm[slab] - np.float32(lesion.x_mm)) < lateral) & (
        np.abs(scatterers.z_mm[slab] - np.float32(lesion.z_mm)) < axial
    )
    candidates = np.flatnonzero(near) + slab.start
    points = (scatterers.x_mm[candidates], scatterers.y_mm[candidates], scatterers.z_mm[candidates])
    inside = candidates[is_inside(lesion, *points)]
    change_db = np.float32(lesion.echo_db) - volume.tissue_db.ravel()[voxels[inside]]
    scatterers.amplitude[inside] *= np.exp(change_db * np.float32(np.log(10) / 20))
