"""The truth behind a simulated patient: the lesion's properties, the risk they carry, and the best readers' ceilings.

The risk of metastasis is logistic in three properties of the whole lesion, each standardised: its margin all round, its
volume and its strain under compression. The keyframe shows the central part of the margin and two of three axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

ZONE_WEIGHTS = np.array([0.25, 0.5, 0.25])
"""Share of the margin's surface in the elevational zones (near, central, far); the keyframe shows the central one."""
HALF_WIDTH_MM = (4.5, 9.0)
HALF_HEIGHT_MM = (3.5, 6.5)
HALF_LENGTH_MM = (4.0, 16.0)
STRAIN_RATIO = (0.1, 1.5)
"""Strain of the lesion over the mean strain of the tissue: below 1 it is stiffer than its surroundings."""

INTERCEPT = -1.765
WEIGHTS = np.array([2.2, 2.5, 2.1])
"""Log odds a standard deviation of (margin all round, log volume, minus the strain ratio)."""
# Intercept and weights were solved for a prevalence of 21/61, 0.75 for the keyframe and 0.95 for the video.

POPULATION = 200_000
"""Patients drawn to compute the ceilings; the standard error that this leaves is about 0.0005."""


@dataclass(frozen=True)
class Latents:
    """Properties of the lesions of a number of patients, independent of one another.

    spiculation: (patients, 3), 0 smooth to 1 spiculated, in the near, central and far elevational zone.
    half_width_mm, half_height_mm, half_length_mm: (patients,), lateral, axial and elevational semi-axes.
    strain_ratio: (patients,), see STRAIN_RATIO.
    """

    spiculation: FloatArray
    half_width_mm: FloatArray
    half_height_mm: FloatArray
    half_length_mm: FloatArray
    strain_ratio: FloatArray

    def modulus_ratio(self) -> FloatArray:
        """Return the lesion's shear modulus over its surroundings' that gives its strain ratio, (patients,).

        Source: Eshelby, Proc. R. Soc. A 241:376 (1957), for an incompressible sphere: strain ratio = 5 / (3 + 2 modulus
        ratio).
        """
        return (5 / self.strain_ratio - 3) / 2


def draw_latents(generator: np.random.Generator, patients: int) -> Latents:
    """Draw lesions: spiculation and strain ratio uniform, semi-axes log-uniform, all independent."""

    def log_uniform(limits: tuple[float, float]) -> FloatArray:
        return np.exp(generator.uniform(*np.log(limits), patients))

    return Latents(
        spiculation=generator.uniform(0, 1, (patients, 3)),
        half_width_mm=log_uniform(HALF_WIDTH_MM),
        half_height_mm=log_uniform(HALF_HEIGHT_MM),
        half_length_mm=log_uniform(HALF_LENGTH_MM),
        strain_ratio=generator.uniform(*STRAIN_RATIO, patients),
    )


def _moments(limits: tuple[float, float]) -> tuple[float, float]:
    """Return mean and variance of a uniform variable."""
    low, high = limits
    return (low + high) / 2, (high - low) ** 2 / 12


def _log_limits(limits: tuple[float, float]) -> tuple[float, float]:
    return float(np.log(limits[0])), float(np.log(limits[1]))


def _deviations() -> tuple[float, float, float]:
    """Return the standard deviations of the margin all round, of the log volume and of the strain ratio."""
    margin = float(np.sum(ZONE_WEIGHTS**2)) / 12
    volume = sum(_moments(_log_limits(axis))[1] for axis in (HALF_WIDTH_MM, HALF_HEIGHT_MM, HALF_LENGTH_MM))
    return margin**0.5, volume**0.5, _moments(STRAIN_RATIO)[1] ** 0.5


def visible_log_odds(latents: Latents) -> FloatArray:
    """Return the part of the log odds that the keyframe shows, (patients,); mean 0."""
    margin_sd, volume_sd, _ = _deviations()
    margin = ZONE_WEIGHTS[1] * (latents.spiculation[:, 1] - 0.5) / margin_sd
    in_plane = np.log(latents.half_width_mm) + np.log(latents.half_height_mm)
    centre = _moments(_log_limits(HALF_WIDTH_MM))[0] + _moments(_log_limits(HALF_HEIGHT_MM))[0]
    return np.asarray(WEIGHTS[0] * margin + WEIGHTS[1] * (in_plane - centre) / volume_sd)


def hidden_log_odds(latents: Latents) -> FloatArray:
    """Return the part of the log odds that only the sweep and the compression show, (patients,); mean 0."""
    margin_sd, volume_sd, strain_sd = _deviations()
    outer = latents.spiculation[:, ::2] - 0.5
    margin = (outer * ZONE_WEIGHTS[::2]).sum(axis=1) / margin_sd
    length = np.log(latents.half_length_mm) - _moments(_log_limits(HALF_LENGTH_MM))[0]
    strain = latents.strain_ratio - _moments(STRAIN_RATIO)[0]
    return np.asarray(WEIGHTS[0] * margin + WEIGHTS[1] * length / volume_sd - WEIGHTS[2] * strain / strain_sd)


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Return probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def risk(latents: Latents) -> FloatArray:
    """Return the probability of metastasis, (patients,): what the best reader of the whole video would say."""
    return sigmoid(INTERCEPT + visible_log_odds(latents) + hidden_log_odds(latents))


@cache
def _population() -> tuple[FloatArray, FloatArray]:
    """Return visible and hidden log odds of a fixed large population."""
    latents = draw_latents(np.random.default_rng(20230601), POPULATION)
    return visible_log_odds(latents), hidden_log_odds(latents)


@cache
def _keyframe_curve() -> tuple[FloatArray, FloatArray]:
    """Return a grid of visible log odds and the mean risk at each over the population's hidden log odds."""
    hidden = np.quantile(_population()[1], (np.arange(2000) + 0.5) / 2000)
    grid = np.linspace(-15, 15, 601)
    return grid, sigmoid(INTERCEPT + grid[:, None] + hidden[None, :]).mean(axis=1)


def ideal_keyframe(latents: Latents) -> FloatArray:
    """Return the probability that the best reader of the keyframe alone would state: E[risk | what it shows]."""
    return np.interp(visible_log_odds(latents), *_keyframe_curve())


def calibrated_auc(probabilities: FloatArray) -> float:
    """Return the AUC of calibrated probabilities as scores for labels drawn from them, expected over the labels.

    probabilities: (patients,), without ties that matter. A pair counts where one is a case, the other none.
    """
    ordered = np.sort(probabilities)
    healthy_below = np.cumsum(1 - ordered) - (1 - ordered) / 2
    return float(np.sum(ordered * healthy_below) / (ordered.sum() * (1 - ordered).sum()))


@dataclass(frozen=True)
class Ceilings:
    """What no reader can beat on average: AUC of the best reader of the keyframe and of the video, and prevalence."""

    keyframe_auc: float
    video_auc: float
    prevalence: float


@cache
def ceilings() -> Ceilings:
    """Return the ceilings of the population that patients are drawn from; always the same numbers."""
    visible, hidden = _population()
    risks = sigmoid(INTERCEPT + visible + hidden)
    keyframe = np.interp(visible, *_keyframe_curve())
    return Ceilings(calibrated_auc(keyframe), calibrated_auc(risks), float(risks.mean()))
