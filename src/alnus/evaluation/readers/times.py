"""Reading times: how many times as long one way of reading takes as another, over readers and cases.

The mean log time of each treatment and reader goes through the same analysis as an accuracy (`obuchowski_rockette`),
with the jackknife's covariance over cases. For a mean over cases that is the three-factor mixed model of treatment,
reader and case on log times with Hillis' degrees of freedom. Logarithms, because reading times are skewed and differ by
factors; the results are taken back, to ratios and geometric means.

Source: Dorfman, Berbaum and Metz, Invest Radiol 27:723 (1992), for the mixed model; Hillis, Obuchowski, Schartz and
Berbaum, Stat Med 24:1579 (2005), for its equality with Obuchowski and Rockette's; Hillis, Stat Med 26:596 (2007).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from alnus.errors import CohortError
from alnus.evaluation.readers.analysis import (
    Analysis,
    Question,
    ReaderEstimate,
    TreatmentDifference,
    TreatmentMean,
    analyse,
    check_factors,
)
from alnus.evaluation.readers.covariance import covariance_of, shares
from alnus.evaluation.readers.grid import Grid, grid_of
from alnus.evaluation.readers.mrmc import ReaderStudy, study_of
from alnus.evaluation.readers.obuchowski_rockette import Components, Equality, Factor


@dataclass(frozen=True)
class ReadingTimes:
    """means and by_reader: geometric means in seconds. ratios: of treatment a to treatment b.

    components, standard_error and statistic are of natural logarithms.
    """

    readers: Factor
    cases: Factor
    confidence: float
    study: ReaderStudy
    components: Components | None
    equality: Equality | None
    p_value: float | None
    ratios: tuple[TreatmentDifference, ...]
    means: tuple[TreatmentMean, ...]
    by_reader: tuple[ReaderEstimate, ...]


def reading_times(
    times: pd.DataFrame,
    *,
    readers: Factor = "random",
    cases: Factor = "random",
    confidence: float = 0.95,
    treatments: Sequence[Any] | None = None,
) -> ReadingTimes:
    """Compare how long readers take. times: one row a reading, with treatment, reader, case and time_s, above 0.

    A column truth is not needed. With three readers who differ in what a treatment does to them the test may reject in
    7.6% where it states 5% (simulated; 5 readers 5.8%, 10 readers 4.9%). The other options and what is refused: as for
    `mrmc`.
    """
    check_factors(readers, cases, confidence)
    grid = grid_of(times, "time_s", treatments=treatments)
    _check_times(grid, least=2 if cases == "random" else 1)
    logarithms = shares(np.log(grid.values).reshape(-1, len(grid.cases)))
    found = analyse(
        logarithms.estimates.reshape(len(grid.treatments), -1),
        covariance_of(logarithms, "jackknife") if cases == "random" else None,
        Question(grid.treatments, grid.readers, readers, confidence),
    )
    return _as_times(found, grid, (readers, cases, confidence))


def _check_times(grid: Grid, *, least: int) -> None:
    wrong = np.argwhere(grid.values <= 0)  # NaN, a reading that is missing, is not
    if len(wrong):
        treatment, reader, case = (int(place) for place in wrong[0])
        raise CohortError(
            f"times: reader '{grid.readers[reader]}' took {grid.values[treatment, reader, case]:g} s for case "
            f"'{grid.cases[case]}' in treatment '{grid.treatments[treatment]}'; times are above 0: leave the row out"
        )
    read = (~np.isnan(grid.values)).sum(axis=2)
    if read.min() < least:
        treatment, reader = (int(place) for place in np.argwhere(read == read.min())[0])
        raise CohortError(
            f"times: reader '{grid.readers[reader]}' read {read.min()} cases in treatment "
            f"'{grid.treatments[treatment]}', but at least {least} are needed"
        )


def _as_times(found: Analysis, grid: Grid, settings: tuple[Factor, Factor, float]) -> ReadingTimes:
    return ReadingTimes(
        *settings,
        study_of(grid, None),
        found.components,
        found.equality,
        found.equality.p_value if found.equality else None,
        *(tuple(_from_logarithms(row) for row in rows) for rows in (found.differences, found.means, found.by_reader)),
    )


def _from_logarithms(row: Any) -> Any:
    """Return a row with estimate, low and high as numbers of which they were the logarithms; None stays."""
    ends = {name: getattr(row, name) for name in ("estimate", "low", "high")}
    return replace(row, **{name: None if end is None else math.exp(end) for name, end in ends.items()})
