"""From scatterers to a B-mode image: phase, point-spread function, envelope, attenuation and gain, log compression.

Departures from physics: the beam does not widen away from its focus, scattering is single, waves travel straight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from alnus.phantom.anatomy import Scatterers, density_per_mm3
from alnus.phantom.lesion import Array
from alnus.phantom.scanner import MARGIN_PX, SPEED_OF_SOUND_MM_S, Scanner

BEAM_REACH = 2.2
"""Scatterers further than this many elevational standard deviations from the plane are left out."""
GLAND_LEVEL = 0.66
"""Grey level of glandular tissue at a gain of 0 dB, as a share of full scale."""


@dataclass(frozen=True)
class Receiver:
    """What is computed once a patient: the point-spread function's spectrum and the gains of each row.

    spectrum: (rows, columns) of the padded grid. attenuation, compensation: (rows, 1), factors of the amplitude by the
    tissue and by the time gain compensation; the thermal noise is added between them. gain_db: all in all.
    """

    scanner: Scanner
    spectrum: Array
    attenuation: Array
    compensation: Array
    gain_db: float


def padded_shape(scanner: Scanner) -> tuple[int, int]:
    """Return the grid's size: the image, its margins, and up to the next size that the FFT likes."""
    return fft.next_fast_len(scanner.rows + 2 * MARGIN_PX), fft.next_fast_len(scanner.columns + 2 * MARGIN_PX)


def _psf_spectrum(scanner: Scanner) -> Array:
    """Return the Gaussian point-spread function's spectrum, scaled so that gland's envelope has mean square 1."""
    rows, columns = padded_shape(scanner)
    axial = np.exp(-2 * (np.pi * scanner.sigma_axial_mm / scanner.spacing_mm * fft.fftfreq(rows)) ** 2)
    lateral = np.exp(-2 * (np.pi * scanner.sigma_lateral_mm / scanner.spacing_mm * fft.fftfreq(columns)) ** 2)
    spectrum = axial[:, None] * lateral[None, :]
    # mean square of the sum = scatterers behind a pixel, weighted by the elevational beam squared, times PSF energy
    thickness_mm = np.sqrt(np.pi) * scanner.sigma_elevation_mm
    scatterers = density_per_mm3(scanner) * scanner.spacing_mm**2 * thickness_mm
    return np.asarray(spectrum / np.sqrt(np.mean(spectrum**2) * scatterers), np.float32)


def make_receiver(scanner: Scanner, *, attenuation_db_cm_mhz: float, gain_db: float) -> Receiver:
    """Prepare a scanner for a patient whose tissue attenuates so much; gain_db adds to the scanner's own."""
    depth_cm = (np.arange(scanner.rows)[:, None] + 0.5) * scanner.spacing_mm / 10
    there_and_back = 2 * scanner.frequency_mhz * depth_cm
    return Receiver(
        scanner=scanner,
        spectrum=_psf_spectrum(scanner),
        attenuation=(10 ** (-attenuation_db_cm_mhz * there_and_back / 20)).astype(np.float32),
        compensation=(10 ** (scanner.tgc_db_cm_mhz * there_and_back / 20)).astype(np.float32),
        gain_db=scanner.gain_db + gain_db,
    )


def deposit(scanner: Scanner, x_mm: Array, z_mm: Array, amplitude: Array) -> NDArray[np.complex64]:
    """Sum the scatterers' echoes on the padded grid, each with its phase exp(-i 4 pi f z / c).

    The phase keeps the exact depth; the place on the grid is the nearest pixel. Points off the grid are left out.
    """
    shape = padded_shape(scanner)
    inverse = np.float32(1 / scanner.spacing_mm)
    row = (z_mm * inverse + np.float32(MARGIN_PX)).astype(np.intp)
    column = (x_mm * inverse + np.float32(scanner.columns / 2 + MARGIN_PX)).astype(np.intp)
    outside = (row >= scanner.rows + 2 * MARGIN_PX) | (column < 0) | (column >= scanner.columns + 2 * MARGIN_PX)
    amplitude = np.where(outside | (row < 0), np.float32(0), amplitude)
    flat = np.clip(row, 0, shape[0] - 1) * shape[1] + np.clip(column, 0, shape[1] - 1)
    phase = z_mm * np.float32(-4 * np.pi * scanner.frequency_mhz * 1e6 / SPEED_OF_SOUND_MM_S)
    field = np.empty(shape[0] * shape[1], np.complex64)
    field.real = np.bincount(flat, amplitude * np.cos(phase), field.size)
    field.imag = np.bincount(flat, amplitude * np.sin(phase), field.size)
    return field.reshape(shape)


def envelope(receiver: Receiver, field: NDArray[np.complex64], generator: np.random.Generator) -> Array:
    """Return the received envelope, (rows, columns): convolved, attenuated, with thermal noise, gain compensated."""
    scanner = receiver.scanner
    spectrum = fft.fft2(field, overwrite_x=True)
    spectrum *= receiver.spectrum
    padded = fft.ifft2(spectrum, overwrite_x=True)
    echo = padded[MARGIN_PX : MARGIN_PX + scanner.rows, MARGIN_PX : MARGIN_PX + scanner.columns] * receiver.attenuation
    noise = generator.standard_normal((*echo.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    echo += noise * np.float32(10 ** (scanner.noise_db / 20) / 2**0.5)
    return np.asarray(np.abs(echo) * receiver.compensation)


def log_compress(receiver: Receiver, amplitude: Array) -> NDArray[np.uint8]:
    """Return grey levels of an envelope: `dynamic_range_db` decibels over 0 to 255."""
    slope = np.float32(255 / receiver.scanner.dynamic_range_db)
    grey = np.log10(np.maximum(amplitude, np.float32(1e-6))) * (20 * slope)
    grey += np.float32(receiver.gain_db) * slope + np.float32(255 * GLAND_LEVEL + 0.5)
    return np.asarray(np.clip(grey, 0, 255), np.float32).astype(np.uint8)


def beam(scatterers: Scatterers, scanner: Scanner, elevation_mm: float) -> tuple[slice, Array]:
    """Return the scatterers that the beam meets at an elevation, and their amplitudes weighted by its profile."""
    reach = BEAM_REACH * scanner.sigma_elevation_mm
    slab = scatterers.slab(elevation_mm - reach, elevation_mm + reach)
    away = (scatterers.y_mm[slab] - np.float32(elevation_mm)) * np.float32(1 / scanner.sigma_elevation_mm)
    return slab, scatterers.amplitude[slab] * np.exp(np.float32(-0.5) * away * away)
