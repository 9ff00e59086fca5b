"""The statistics of any table: predictions, the readers of a cohort, or the ratings of a reader study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alnus import evaluation
from alnus.cohort import load_cohort, reader_table
from alnus.cohort.reading import read_raw
from alnus.config import EvaluationConfig, checked
from alnus.errors import CohortError, UsageError

RATINGS = {"reader", "case", "truth", "rating"}


@dataclass(frozen=True)
class Evaluated:
    """The statistics of a table as JSON's values and as text."""

    results: dict[str, Any]
    text: str


def evaluate_table(
    path: Path, changes: Mapping[str, Any], *, readers: Mapping[str, Any] | None = None, origin: str = "--set"
) -> Evaluated:
    """Return the statistics of a predictions table, of the readers of a cohort table, or of a reader study.

    changes: settings of EvaluationConfig. readers: options of `evaluation.reader_study`, for a table of ratings only.
    Raises ConfigError, CohortError, and UsageError where the options are not the table's.
    """
    config = checked(EvaluationConfig, changes, origin=origin)
    columns = set(read_raw(path).cells.columns)
    if columns >= RATINGS and not {"score", "call"} & columns:
        return _reader_study(path, config, dict(readers or {}), times="time_s" in columns)
    if readers:
        named = ", --".join("metric" if name == "metrics" else name for name in readers)
        raise UsageError(
            f"{path}: --{named} belong to a table of ratings (reader, case, truth, rating), not to this one"
        )
    if {"score", "call"} & columns or "video" not in columns:  # without either it is refused by what it lacks
        results = evaluation.evaluate(evaluation.read_predictions(path), config)
    else:
        cohort = load_cohort(path)
        if not cohort.readers:
            raise CohortError(f"{path}: has neither a `score` column (predictions) nor reader_<name> columns (readers)")
        clinical = cohort.table[["patient_id", "center", *cohort.clinical]]
        results = evaluation.evaluate_readers(
            reader_table(cohort), config, phantom=cohort.is_phantom, clinical=clinical
        )
    return Evaluated(results, evaluation.format_results(results, details=True))


def _reader_study(path: Path, config: EvaluationConfig, options: dict[str, Any], *, times: bool) -> Evaluated:
    """Return the MRMC analysis of a table of ratings, and of its reading times."""
    needs = ("truth", "rating", *(["time_s"] if times else []))
    ratings = evaluation.read_ratings(path, needs=needs)
    found = evaluation.reader_study(ratings, confidence=config.confidence, **options)
    texts = ["\n".join(evaluation.mrmc_lines(each, readers=True)) for each in found.values()]
    results: dict[str, Any] = {"reader_study": {metric: evaluation.plain(each) for metric, each in found.items()}}
    if times:
        taken = evaluation.reading_times(ratings)
        results["reading_times"] = evaluation.plain(taken)
        texts.append("\n".join(evaluation.times_lines(taken)))
    return Evaluated(results, "\n\n".join(texts) + "\n")


def compare_table(path: Path, a: str, b: str, changes: Mapping[str, Any], *, origin: str = "--set") -> Evaluated:
    """Return the paired comparison of two sources of a predictions table."""
    config = checked(EvaluationConfig, changes, origin=origin)
    compared = evaluation.compare_sources(evaluation.read_predictions(path), a, b, config)
    return Evaluated(compared, evaluation.format_comparisons(compared, details=True))
