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
STRAIN_RATIO = (0.1, 1.6)
"""Strain of the lesion over the mean strain of the tissue: below 1 it is stiffer than its surroundings."""

INTERCEPT = -1.868
WEIGHTS = np.array([1.6, 3.4, 1.2])
"""Log odds a standard deviation of (margin all round, log volume, minus the strain ratio)."""
# Solved for a prevalence of 21/61 and ceilings of about 0.72 (keyframe) and 0.95 (video). Size weighs most: three
# quarters of it is length, which the sweep shows plainly, so that a few hundred patients suffice to learn from it.

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
    """Draw lesions, all properties independent.

    Spiculation, strain ratio and log half-length follow the arcsine law over their ranges (most lesions are near an
    end: smooth or spiculated, soft or stiff, short or long); the logs of the other semi-axes are uniform.
    """
    low, high = STRAIN_RATIO
    shortest, longest = _log_limits(HALF_LENGTH_MM)
    return Latents(
        spiculation=generator.beta(0.5, 0.5, (patients, 3)),
        half_width_mm=np.exp(generator.uniform(*_log_limits(HALF_WIDTH_MM), patients)),
        half_height_mm=np.exp(generator.uniform(*_log_limits(HALF_HEIGHT_MM), patients)),
        half_length_mm=np.exp(shortest + (longest - shortest) * generator.beta(0.5, 0.5, patients)),
        strain_ratio=low + (high - low) * generator.beta(0.5, 0.5, patients),
    )


def _log_limits(limits: tuple[float, float]) -> tuple[float, float]:
    return float(np.log(limits[0])), float(np.log(limits[1]))


def _uniform_variance(limits: tuple[float, float]) -> float:
    return (limits[1] - limits[0]) ** 2 / 12


def _arcsine_variance(limits: tuple[float, float]) -> float:
    return (limits[1] - limits[0]) ** 2 / 8


def _deviations() -> tuple[float, float, float]:
    """Return the standard deviations of the margin all round, of the log volume and of the strain ratio."""
    margin = float(np.sum(ZONE_WEIGHTS**2)) * _arcsine_variance((0, 1))
    in_plane = _uniform_variance(_log_limits(HALF_WIDTH_MM)) + _uniform_variance(_log_limits(HALF_HEIGHT_MM))
    volume = in_plane + _arcsine_variance(_log_limits(HALF_LENGTH_MM))
    return margin**0.5, volume**0.5, _arcsine_variance(STRAIN_RATIO) ** 0.5


def visible_log_odds(latents: Latents) -> FloatArray:
    """Return the part of the log odds that the keyframe shows, (patients,); mean 0."""
    margin_sd, volume_sd, _ = _deviations()
    margin = ZONE_WEIGHTS[1] * (latents.spiculation[:, 1] - 0.5) / margin_sd
    in_plane = np.log(latents.half_width_mm) + np.log(latents.half_height_mm)
    centre = np.mean(_log_limits(HALF_WIDTH_MM)) + np.mean(_log_limits(HALF_HEIGHT_MM))
    return np.asarray(WEIGHTS[0] * margin + WEIGHTS[1] * (in_plane - centre) / volume_sd)


def hidden_log_odds(latents: Latents) -> FloatArray:
    """Return the part of the log odds that only the sweep and the compression show, (patients,); mean 0."""
    margin_sd, volume_sd, strain_sd = _deviations()
    outer = latents.spiculation[:, ::2] - 0.5
    margin = (outer * ZONE_WEIGHTS[::2]).sum(axis=1) / margin_sd
    length = np.log(latents.half_length_mm) - np.mean(_log_limits(HALF_LENGTH_MM))
    strain = latents.strain_ratio - np.mean(STRAIN_RATIO)
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
