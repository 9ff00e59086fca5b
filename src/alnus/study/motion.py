"""Does motion help? The stage that scores altered test cines into motion.csv, and what results.json says of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from alnus import evaluation
from alnus.config import EvaluationConfig
from alnus.evaluation.motion import motion_results
from alnus.provenance import file_sha256, write_atomic
from alnus.study.partition import TESTS, samples

if TYPE_CHECKING:
    from alnus.study.protocol import Study

TABLE = "motion.csv"


def score_altered(study: Study) -> None:
    """Score the test videos shuffled, reversed, frozen and cut to one frame by every video network: motion.csv."""
    if not study.config.motion:
        return
    inputs = {
        "predictions": file_sha256(study.run.path("predictions.csv")),
        "store": file_sha256(study.run.path("store", "index.csv")),
        "cohort": study.run.record["inputs"][study.cohort.source.name],
        "inference": [study.network(name).inference.model_dump() for name in study.config.models],
        "seed": study.config.seed,
    }
    study.run.once("motion", inputs, lambda: _score(study))


def _score(study: Study) -> list[Path]:
    from alnus.inference.motion import predict_altered

    tables = []
    for part in study.parts:
        splits = {patient: split for patient, split in part.split_of().items() if split in TESTS}
        chosen = samples(study.cohort, videos=study.store.videos(), patients=splits)
        directories = [study.model_directory(name, part) for name in study.config.models]
        with study.reporter.progress("Taking motion away") as progress:
            table = predict_altered(
                directories, chosen, study.store, seed=study.config.seed, splits=splits, progress=progress
            )
        tables.append(table)
    path = study.run.path(TABLE)
    write_atomic(path, pd.concat(tables, ignore_index=True).to_csv(index=False, lineterminator="\n"))
    return [path]


def add_motion(results: dict[str, Any], run: Path, config: EvaluationConfig) -> None:
    """Add `motion` to each video network of each test set of the results, from the run's tables alone."""
    path = run / TABLE
    altered = pd.read_csv(path, dtype={"patient_id": str, "video": str, "source": str}) if path.is_file() else None
    if altered is None or altered.empty:
        return
    found = motion_results(evaluation.read_predictions(run / "predictions.csv"), altered, config)
    for name, sources in found.items():
        for source, part in sources.items():
            results["sets"][name]["sources"][source]["motion"] = part
