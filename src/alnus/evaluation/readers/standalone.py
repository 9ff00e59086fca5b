"""A model on its own against the average of readers, on the same cases.

A model has no readers, so that it is no treatment of a crossed study. Each reader's difference to the model,
d_j = accuracy of the model - accuracy of reader j, is analysed as the one treatment of an Obuchowski-Rockette model:
t = mean(d) / sqrt(MS(R) / r + max(cov2, 0)) with Hillis' df = (MS(R) + r max(cov2, 0))^2 / (MS(R)^2 / (r - 1)), where
MS(R) is the variance of the d_j over readers and cov2 their mean covariance over samples of cases, the model's own
sampling included: cov(d_j, d_k) = var(model) - cov(model, j) - cov(model, k) + cov(j, k).

Source: Hupse et al., Eur Radiol 23:93 (2013), for fixed cases; Chakraborty, "Observer performance methods for
diagnostic imaging" (2017), chapter 22, for random ones; Hillis, Stat Med 33:330 (2014), for the single treatment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alnus.errors import CohortError
from alnus.evaluation.checks import BoolArray, FloatArray
from alnus.evaluation.readers.analysis import Question, ReaderEstimate, TreatmentMean, analyse, check_factors
from alnus.evaluation.readers.covariance import Accuracies, Method, covariance_of
from alnus.evaluation.readers.grid import Grid, grid_of, truth_of
from alnus.evaluation.readers.mrmc import Metric, ReaderStudy, accuracies_of, check_choices, study_of
from alnus.evaluation.readers.obuchowski_rockette import Components, Factor

MODEL = "model"
DIFFERENCE = "model - readers"


@dataclass(frozen=True)
class Standalone:
    """A model's accuracy, the readers' mean, and the model's less the readers'; by_reader: less each reader's.

    components: of the differences over readers, None where the cases are fixed.
    """

    metric: Metric
    readers: Factor
    cases: Factor
    covariance: Method
    confidence: float
    study: ReaderStudy
    model: ReaderEstimate
    mean: TreatmentMean
    difference: TreatmentMean
    p_value: float
    by_reader: tuple[ReaderEstimate, ...]
    components: Components | None


def model_against_readers(
    ratings: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    metric: Metric = "auc",
    readers: Factor = "random",
    cases: Factor = "random",
    covariance: Method = "delong",
    confidence: float = 0.95,
    threshold: float | None = None,
    model_threshold: float | None = None,
) -> Standalone:
    """Compare a model with the average of readers who read the same cases without it.

    ratings: as for `mrmc`, of one treatment (a table without the column is of one). scores: case and score, one row a
    case of the ratings, no more and no fewer. threshold, model_threshold: from which a rating and a score are a
    positive call, for sensitivity and specificity; without one they are 0 or 1. The rest as for `mrmc`.
    Raises CohortError and UsageError as `mrmc` does, and CohortError where the cases or treatments are not as above.
    """
    check_factors(readers, cases, confidence)
    check_choices(metric, covariance)
    grid = grid_of(ratings.assign(treatment=ratings.get("treatment", "readers")), "rating")
    if len(grid.treatments) > 1:
        raise CohortError(
            f"ratings: treatments {', '.join(grid.treatments)}; a model is compared with the readers of one: "
            "keep its rows"
        )
    truth = truth_of(ratings, grid.cases)
    least = 2 if cases == "random" else 1
    found = accuracies_of(grid, truth, metric, threshold=threshold, least=least)
    model = accuracies_of(_grid_of_model(scores, grid), truth, metric, threshold=model_threshold, least=least)
    together = _stacked(model, found)
    matrix = covariance_of(together, covariance) if cases == "random" else None
    return _compared(grid, truth, together.estimates, matrix, (metric, readers, cases, covariance, confidence))


def _compared(
    grid: Grid,
    truth: BoolArray,
    estimates: FloatArray,
    matrix: FloatArray | None,
    settings: tuple[Metric, Factor, Factor, Method, float],
) -> Standalone:
    """estimates: (1 + readers,), the model's first; matrix: their covariances or None."""
    readers, confidence = settings[1], settings[4]
    names = (DIFFERENCE,), grid.readers
    contrast = np.hstack([np.ones((len(names[1]), 1)), -np.eye(len(names[1]))])  # each row: the model less one reader
    differences = analyse(
        (contrast @ estimates)[None, :],
        None if matrix is None else contrast @ matrix @ contrast.T,
        Question(*names, readers, confidence, against=0.0, bounds=(-1.0, 1.0)),
    )
    average = analyse(
        estimates[None, 1:],
        None if matrix is None else matrix[1:, 1:],
        Question(grid.treatments, grid.readers, readers, confidence, bounds=(0.0, 1.0)),
    )
    everyone = analyse(
        estimates[None, :], matrix, Question((MODEL,), (MODEL, *grid.readers), "random", confidence, bounds=(0.0, 1.0))
    )
    p_value = differences.means[0].p_value
    assert p_value is not None  # a value to test against was given
    return Standalone(
        *settings,
        study_of(grid, truth),
        everyone.by_reader[0],
        average.means[0],
        differences.means[0],
        p_value,
        differences.by_reader,
        differences.components,
    )


def _grid_of_model(scores: pd.DataFrame, grid: Grid) -> Grid:
    """Return the model's scores as the one reader of one treatment, in the order of the readers' cases."""
    own = grid_of(scores.assign(treatment=MODEL, reader=MODEL), "score")
    without = set(grid.cases) ^ set(own.cases)
    if without:
        some = sorted(without)[0]
        who = "the model has no score of" if some in grid.cases else "no reader has read"
        raise CohortError(f"scores: {who} case '{some}'; both must have judged the same {len(grid.cases)} cases")
    place = {case: number for number, case in enumerate(own.cases)}
    return Grid(own.treatments, own.readers, grid.cases, own.values[:, :, [place[case] for case in grid.cases]])


def _stacked(first: Accuracies, second: Accuracies) -> Accuracies:
    ratings = None
    if first.ratings is not None and second.ratings is not None:
        positive, negative = (np.vstack(pair) for pair in zip(first.ratings, second.ratings, strict=True))
        ratings = (positive, negative)
    return Accuracies(
        np.concatenate([first.estimates, second.estimates]),
        tuple(np.vstack(pair) for pair in zip(first.classes, second.classes, strict=True)),
        ratings,
    )
