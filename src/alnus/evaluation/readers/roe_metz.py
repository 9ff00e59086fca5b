"""Simulated reader studies with known truth, to see what a design can show and whether a test keeps its rate.

The rating of a case with metastasis is `separation` + reader + case + reader x case + the same three for the treatment
+ error, all normal and independent; without metastasis the separation is 0. Terms of cases differ between the classes,
and so do those of readers, so that readers differ in their AUC.

Source: Roe and Metz, Acad Radiol 4:298 (1997).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from alnus.evaluation.checks import FloatArray


@dataclass(frozen=True)
class RoeMetz:
    """Variances of the latent ratings; the default is Roe and Metz's HL structure (high data, low reader correlation).

    The four of cases sum to 1, as in the source.
    """

    reader: float = 0.0055
    treatment_reader: float = 0.0055
    case: float = 0.3
    treatment_case: float = 0.3
    reader_case: float = 0.2
    error: float = 0.2

    def expected_auc(self, separation: float) -> float:
        """Return the mean AUC over readers and cases."""
        of_readers = self.reader + self.treatment_reader
        of_cases = self.case + self.treatment_case + self.reader_case + self.error
        return float(special.ndtr(separation / np.sqrt(2 * (of_readers + of_cases))))


def simulated_ratings(
    rng: np.random.Generator,
    separations: tuple[float, ...],
    *,
    readers: int,
    positive: int,
    negative: int,
    model: RoeMetz | None = None,
) -> FloatArray:
    """Return ratings, (treatments, readers, positive + negative), the cases with metastasis first.

    separations: of the classes, one for each treatment, in standard deviations.
    """
    model = RoeMetz() if model is None else model
    return np.concatenate(
        [
            _class(rng, separations, readers, positive, model),
            _class(rng, (0.0,) * len(separations), readers, negative, model),
        ],
        axis=2,
    )


def as_table(ratings: FloatArray, positive: int) -> pd.DataFrame:
    """Return such ratings as the table that `mrmc` reads, numbered from 1."""
    treatment, reader, case = np.indices(ratings.shape).reshape(3, -1) + 1
    truth = (case <= positive).astype(int)
    return pd.DataFrame(
        {"treatment": treatment, "reader": reader, "case": case, "truth": truth, "rating": ratings.ravel()}
    )


def _class(rng: np.random.Generator, means: tuple[float, ...], readers: int, cases: int, model: RoeMetz) -> FloatArray:
    t = len(means)

    def normal(variance: float, *shape: int) -> FloatArray:
        return rng.normal(0.0, np.sqrt(variance), shape)

    ratings: FloatArray = (
        np.asarray(means)[:, None, None]
        + normal(model.reader, 1, readers, 1)
        + normal(model.treatment_reader, t, readers, 1)
        + normal(model.case, 1, 1, cases)
        + normal(model.treatment_case, t, 1, cases)
        + normal(model.reader_case, 1, readers, cases)
        + normal(model.error, t, readers, cases)
    )
    return ratings
