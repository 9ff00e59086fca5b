"""The study itself: split, ingest, train, predict, evaluate, explain, report.

Source: Li et al., Front. Oncol. 13:1219838 (2023), abstract; partitions and networks as docs/decisions/0003 assumes.
Thresholds and checkpoints are chosen on the validation set; the test sets are used once, with what was frozen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alnus import evaluation
from alnus.cohort import Cohort, flow, load_cohort, reader_table, table_one
from alnus.config import NetworkConfig, StudyConfig, dump_config
from alnus.console import Reporter
from alnus.errors import CohortError
from alnus.explanation import explain_video
from alnus.inference import predict
from alnus.media import CineStore, ingest
from alnus.provenance import file_sha256, write_atomic, write_json
from alnus.report import write_report
from alnus.study.cases import case_record, explained_cases
from alnus.study.partition import TESTS, Partition, held_out, ingest_items, partitions, samples, splits_table
from alnus.study.run import Run
from alnus.study.truth import CEILINGS, ceiling_rows
from alnus.training import fit


@dataclass(frozen=True)
class StudyResult:
    """Where a finished study's files are, and its numbers (results.json)."""

    run: Path
    html: Path
    pdf: Path
    results: dict[str, Any]


@dataclass(frozen=True)
class Study:
    """What every stage needs: the configuration, the cohort, who is where, the run directory, the user's screen."""

    config: StudyConfig
    cohort: Cohort
    parts: list[Partition]
    run: Run
    reporter: Reporter

    def network(self, name: str) -> NetworkConfig:
        """Return a network's configuration."""
        return self.config.networks[name]

    def model_directory(self, name: str, part: Partition) -> Path:
        """Return where a network's weights lie: models/<name>, or models/<name>/fold_<k>."""
        base = self.run.path("models", name)
        return base if part.fold is None else base / f"fold_{part.fold}"

    @property
    def store(self) -> CineStore:
        """The cine store of the run."""
        return CineStore(self.run.path("store"))


def run_study(config: StudyConfig, *, reporter: Reporter, command: str = "alnus study") -> StudyResult:
    """Run the whole protocol, or what is left of it, in config.out.

    Raises CohortError, ConfigError, MediaError or WeightsError; what was finished before stays and is not repeated.
    """
    study = prepare(config, reporter=reporter, command=command)
    ingest_cohort(study)
    train_networks(study)
    predict_videos(study)
    results = evaluate_predictions(study)
    explain_cases(study)
    study.run.finish()
    with study.run.timed("report"):
        html, pdf = write_report(study.run.directory)
    return StudyResult(study.run.directory, html, pdf, results)


def prepare(config: StudyConfig, *, reporter: Reporter, command: str) -> Study:
    """Read and check the cohort, assign the splits, open the run directory and record what goes in."""
    cohort = load_cohort(config.cohort)
    parts = partitions(cohort, config)
    run = Run.open(config.out, seed=config.seed, command=command)
    write_atomic(run.path("config.yaml"), dump_config(config))
    run.record["phantom"] = cohort.is_phantom
    run.record["inputs"] = {cohort.source.name: file_sha256(cohort.source)}
    run.save()
    _write_csv(run.path("splits.csv"), splits_table(parts))
    return Study(config, cohort, parts, run, reporter)


def ingest_cohort(study: Study) -> None:
    """Bring the cohort's videos into the store; list what cannot be read in excluded.csv and go on with the rest."""
    store = study.run.path("store")
    with study.run.timed("ingest"), study.reporter.progress("Ingesting videos") as progress:
        report = ingest(ingest_items(study.cohort), store, workers=study.config.workers, progress=progress)
    patient_of = dict(zip(study.cohort.table["video"], study.cohort.table["patient_id"], strict=True))
    excluded = pd.DataFrame(
        [(patient_of[item.video], item.video, item.reason) for item in report.excluded],
        columns=["patient_id", "video", "reason"],
    )
    _write_csv(study.run.path("excluded.csv"), excluded)
    for row in excluded.head(5).itertuples():
        study.reporter.say(f"excluded: {row.video}: {row.reason}")
    if len(excluded):
        study.reporter.say(
            f"{len(excluded)} of {len(patient_of)} videos are excluded; see {study.run.path('excluded.csv')}"
        )
    if len(excluded) == len(patient_of):
        raise CohortError(f"{study.cohort.source}: none of its {len(patient_of)} videos can be read")
    _record_cohort(study, excluded)


def _record_cohort(study: Study, excluded: pd.DataFrame) -> None:
    splits = held_out(study.parts)
    table = table_one(study.cohort, splits)
    write_json(
        study.run.path("cohort.json"),
        {
            "flow": flow(study.cohort, excluded, splits),
            "table1": {"columns": list(map(str, table.columns)), "rows": table.astype(str).to_numpy().tolist()},
        },
    )
    entries = [study.store.entry(video) for video in study.store.videos()]
    study.run.record["inputs"].update({entry.video: entry.sha256 for entry in entries})
    study.run.record["phantom"] = is_phantom(study)
    study.run.save()


def is_phantom(study: Study) -> bool:
    """Tell whether any of the data were simulated: the table says so, or a file does."""
    return study.cohort.is_phantom or any(study.store.entry(video).phantom for video in study.store.videos())


def train_networks(study: Study) -> None:
    """Train each network of the study, in each fold, on the training patients; the validation AUC chooses the epoch."""
    videos = study.store.videos()
    with study.run.timed("train"):
        for name in study.config.models:
            for part in study.parts:
                _train(study, name, part, videos)


def _train(study: Study, name: str, part: Partition, videos: list[str]) -> None:
    who = part.splits.groupby("split")["patient_id"].apply(list).to_dict()
    where = "" if part.fold is None else f", fold {part.fold + 1} of {len(study.parts)}"
    study.reporter.say(f"Training {name}{where}")
    result = fit(
        name,
        study.network(name),
        samples(study.cohort, videos=videos, patients=who["train"]),
        samples(study.cohort, videos=videos, patients=who["val"]),
        study.store,
        study.model_directory(name, part),
        seed=study.config.seed,
        phantom=is_phantom(study),
        cohort_sha256=study.run.record["inputs"][study.cohort.source.name],
        fold=part.fold,
    )
    study.reporter.say(
        f"  {name}{where}: validation AUC {result.validation_auc:.3f}, {result.epochs} epochs, {result.seconds:.0f} s"
    )


def predict_videos(study: Study) -> None:
    """Score the validation and test videos, add the readers, freeze the thresholds, write predictions.csv."""
    directories = [study.model_directory(name, part) for name in study.config.models for part in study.parts]
    inputs = {
        "weights": [file_sha256(directory / "model.safetensors") for directory in directories],
        "store": file_sha256(study.run.path("store", "index.csv")),
        "cohort": study.run.record["inputs"][study.cohort.source.name],
        "splits": file_sha256(study.run.path("splits.csv")),
        "inference": [study.network(name).inference.model_dump() for name in study.config.models],
        "evaluation": study.config.evaluation.model_dump(),
    }
    output = study.run.path("predictions.csv")
    study.run.once("predict", inputs, [output], lambda: _predict(study, output))


def _predict(study: Study, output: Path) -> None:
    tables = []
    for part in study.parts:
        split_of = {patient: split for patient, split in part.split_of().items() if split != "train"}
        chosen = samples(study.cohort, videos=study.store.videos(), patients=split_of)
        directories = [study.model_directory(name, part) for name in study.config.models]
        with study.reporter.progress("Predicting") as progress:
            table = predict(directories, chosen, study.store, splits=split_of, progress=progress)
        tables.append(table if part.fold is None else table.assign(fold=part.fold))
    splits = held_out(study.parts)
    tables += [_reader_rows(study.cohort, splits), ceiling_rows(study.cohort, splits)]
    predictions = pd.concat([table for table in tables if len(table)], ignore_index=True)
    predictions = predictions[predictions["split"] != "train"]
    thresholds = evaluation.freeze_thresholds(predictions, study.config.evaluation)
    _write_csv(output, evaluation.apply_thresholds(predictions, thresholds, study.config.evaluation))
    write_json(study.run.path("thresholds.json"), thresholds)


def _reader_rows(cohort: Cohort, splits: pd.DataFrame) -> pd.DataFrame:
    """Return the sonographers' rows with the split that each patient is reported under."""
    columns = [column for column in ("patient_id", "split", "fold") if column in splits]
    rows = reader_table(cohort).drop(columns=["split"], errors="ignore")
    return rows.merge(splits[columns], on="patient_id") if len(rows) else rows


def evaluate_predictions(study: Study) -> dict[str, Any]:
    """Compute every statistic from predictions.csv and the frozen thresholds alone, and write results.json."""
    predictions = evaluation.read_predictions(study.run.path("predictions.csv"))
    thresholds = json.loads(study.run.path("thresholds.json").read_text(encoding="utf-8"))
    kinds = dict.fromkeys(CEILINGS, "ceiling") | dict.fromkeys(study.cohort.readers, "reader")
    with study.run.timed("evaluate"):
        results = evaluation.evaluate(
            predictions, study.config.evaluation, thresholds=thresholds, kinds=kinds, phantom=is_phantom(study)
        )
        write_json(study.run.path("results.json"), results)
    return results


def explain_cases(study: Study) -> None:
    """Write heatmaps of right and wrong test cases of every network."""
    index = study.run.path("explanations", "index.json")
    inputs = {
        "predictions": file_sha256(study.run.path("predictions.csv")),
        "explanation": study.config.explanation.model_dump(),
    }
    study.run.once("explain", inputs, [index], lambda: _explain(study, index))


def _explain(study: Study, index: Path) -> None:
    predictions = evaluation.read_predictions(study.run.path("predictions.csv"))
    of_models = predictions[predictions["source"].isin(study.config.models)]
    rows = list(explained_cases(of_models, cases=study.config.explanation.cases, sets=TESTS).itertuples())
    records = []
    with study.reporter.progress("Explaining cases") as progress:
        for number, row in enumerate(rows):
            records.append(_explain_case(study, row, index.parent / f"case_{number + 1:03d}"))
            progress(number + 1, len(rows))
    write_json(index, records)


def _explain_case(study: Study, row: Any, out: Path) -> dict[str, Any]:
    part = study.parts[int(row.fold)] if "fold" in row._fields and not pd.isna(row.fold) else study.parts[0]
    directory = study.model_directory(str(row.source), part)
    (sample,) = samples(study.cohort, videos=[row.video], patients=[row.patient_id])
    made = explain_video(directory, sample, study.store, out, video=study.config.explanation.videos)
    here = study.run.directory
    return case_record(
        row,
        png=str(made.png.relative_to(here)),
        mp4=None if made.mp4 is None else str(made.mp4.relative_to(here)),
        keyframe=made.keyframe,
    )


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_atomic(path, table.to_csv(index=False, lineterminator="\n"))


def train_only(config: StudyConfig, *, reporter: Reporter, command: str = "alnus train") -> Path:
    """Split, ingest and train; return the run's directory, which `run_study` can take up."""
    study = prepare(config, reporter=reporter, command=command)
    ingest_cohort(study)
    train_networks(study)
    return study.run.directory
