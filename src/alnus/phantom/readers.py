"""Simulated sonographers: each perceives the log odds of metastasis with a noise of her own, then calls or grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alnus.phantom.latents import FloatArray, Latents, hidden_log_odds, visible_log_odds

SUSPICION_CUTS = (-2.2, -0.85, 0.85, 2.2)
"""Log odds between the grades 1 to 5 of suspicion: probabilities of about 0.1, 0.3, 0.7 and 0.9."""
CALL_CUT = -0.65
"""Log odds above which a reader calls metastasis: those of the prevalence."""


@dataclass(frozen=True)
class Reader:
    """noise_sd: of the perceived log odds. ordinal: grades suspicion 1 to 5; otherwise calls 0 or 1."""

    name: str
    noise_sd: float
    ordinal: bool


READERS = (
    Reader("senior", noise_sd=3.0, ordinal=True),
    Reader("junior", noise_sd=5.0, ordinal=True),
    Reader("axillary_us", noise_sd=4.0, ordinal=False),
)


def read(generator: np.random.Generator, reader: Reader, latents: Latents, intercept: float) -> list[int]:
    """Return a reader's grades (1 to 5) or calls (0, 1) of every patient after the whole video."""
    evidence: FloatArray = intercept + visible_log_odds(latents) + hidden_log_odds(latents)
    perceived = evidence + reader.noise_sd * generator.standard_normal(len(evidence))
    if reader.ordinal:
        return [int(grade) for grade in 1 + np.searchsorted(SUSPICION_CUTS, perceived)]
    return [int(call) for call in perceived > CALL_CUT]
