"""The study itself: split, ingest, train, predict, evaluate, explain, report.

Source: Li et al., Front. Oncol. 13:1219838 (2023), abstract; partitions and networks as docs/decisions/0003 assumes.
Thresholds and checkpoints are chosen on the validation set; the test sets are used once, with what was frozen.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from alnus import evaluation, explanation, inference, models, training  # each loads torch when first used
from alnus.cohort import Cohort, flow, load_cohort, reader_table, table_by_center, table_one
from alnus.config import EvaluationConfig, NetworkConfig, StudyConfig, dump_config
from alnus.console import Reporter
from alnus.errors import CohortError
from alnus.media import CineStore, ingest
from alnus.provenance import file_sha256, write_atomic, write_json
from alnus.report import write_report
from alnus.study.beforehand import check_comparisons, check_networks, computer
from alnus.study.cases import case_record, explained_cases
from alnus.study.faithfulness import add_faithfulness, measure_faithfulness
from alnus.study.motion import add_motion, score_altered
from alnus.study.openings import note_openings
from alnus.study.partition import TESTS, Partition, are_given, held_out, ingest_items, partitions, samples, splits_table
from alnus.study.run import Run
from alnus.study.truth import ceiling_rows
from alnus.study.videos import videos_table


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
    with contextlib.closing(study.run):
        study = ingest_cohort(study)
        train_networks(study)
        predict_videos(study)
        score_altered(study)
        results = evaluate_predictions(study)
        explain_cases(study)
        measure_faithfulness(study)
        results = complete_results(study, results)
        study.run.finish()
        html, pdf = write_report(study.run.directory)
    return StudyResult(study.run.directory, html, pdf, results)


def prepare(config: StudyConfig, *, reporter: Reporter, command: str) -> Study:
    """Read and check the cohort and that it can be split, open the run directory and record what goes in."""
    cohort = load_cohort(config.cohort)
    parts = partitions(cohort, config)
    check_comparisons(config, cohort)
    check_networks(config, reporter=reporter)
    run = Run.open(config.out, seed=config.seed, command=command)
    write_atomic(run.path("config.yaml"), dump_config(config))
    run.record |= computer()
    run.record["phantom"] = cohort.is_phantom
    run.record["partitions"] = "given" if are_given(cohort, config) else "drawn"
    run.record["inputs"] = {cohort.source.name: file_sha256(cohort.source)}
    run.save()
    return Study(config, cohort, parts, run, reporter)


def ingest_cohort(study: Study) -> Study:
    """Bring the cohort's videos into the store, and split the patients who have a readable one.

    What cannot be read is listed in excluded.csv, and the rest goes on. Raises CohortError where too little is left.
    """
    store = study.run.path("store")
    with study.run.timed("ingest"), study.reporter.progress("Ingesting videos") as progress:
        report = ingest(
            ingest_items(study.cohort),
            store,
            workers=study.config.workers,
            progress=progress,
            quality=study.config.quality,
            gate=True,
        )
    patient_of = dict(zip(study.cohort.table["video"], study.cohort.table["patient_id"], strict=True))
    excluded = pd.DataFrame(
        [(patient_of[item.video], item.video, item.reason, item.code) for item in report.excluded],
        columns=["patient_id", "video", "reason", "code"],
    )
    _write_csv(study.run.path("excluded.csv"), excluded)
    findings = pd.DataFrame(
        [(patient_of[row.video], row.video, row.code, row.severity, row.text) for row in report.findings],
        columns=["patient_id", "video", "code", "severity", "text"],
    )
    _write_csv(study.run.path("quality.csv"), findings)
    for code, number in report.warned_by_code.items():
        study.reporter.say(f"warning: {code.replace('_', ' ')}: {number} of {report.kept} videos; see quality.csv")
    for row in excluded.head(5).itertuples():
        study.reporter.say(f"excluded: {row.video}: {row.reason}")
    if len(excluded):
        study.reporter.say(
            f"{len(excluded)} of {len(patient_of)} videos are excluded; see {study.run.path('excluded.csv')}"
        )
    if len(excluded) == len(patient_of):
        raise CohortError(
            f"{study.cohort.source}: none of its {len(patient_of)} videos can be used;"
            f" see {study.run.path('excluded.csv')}"
        )
    study = _without(study, excluded)
    _record_cohort(study, excluded)
    return study


def _without(study: Study, excluded: pd.DataFrame) -> Study:
    """Return the study of the patients that are left, split anew; splits.csv says how."""
    table = study.cohort.table
    if len(excluded):
        left = replace(study.cohort, table=table[~table["video"].isin(excluded["video"])].reset_index(drop=True))
        study = replace(study, parts=partitions(left, study.config))
    _write_csv(study.run.path("splits.csv"), splits_table(study.parts))
    return study


def _record_cohort(study: Study, excluded: pd.DataFrame) -> None:
    splits = held_out(study.parts)
    by_center = table_by_center(study.cohort, splits)
    write_json(
        study.run.path("cohort.json"),
        {
            "flow": flow(study.cohort, excluded["video"], splits),
            "table1": _as_lists(table_one(study.cohort, splits)),
            "by_center": None if by_center is None else _as_lists(by_center),
        },
    )
    _write_csv(study.run.path("videos.csv"), videos_table(study.cohort, study.store))
    entries = [study.store.entry(video) for video in study.store.videos()]
    study.run.record["inputs"].update({entry.video: entry.source_sha256 for entry in entries})
    stills = {f"still of {entry.video}": entry.image_sha256 for entry in entries if entry.image_sha256}
    weights = {str(path): file_sha256(path) for name in study.config.models if (path := study.network(name).weights)}
    study.run.record["inputs"].update(stills | weights)
    study.run.record["phantom"] = is_phantom(study)
    study.run.save()


def _as_lists(table: pd.DataFrame) -> dict[str, Any]:
    return {"columns": list(map(str, table.columns)), "rows": table.astype(str).to_numpy().tolist()}


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
    result = training.fit(
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
        "evaluation": _calling(study.config.evaluation),
    }
    truth = study.cohort.source.parent / "truth.csv"
    inputs["truth"] = file_sha256(truth) if study.cohort.is_phantom and truth.is_file() else None
    study.run.once("predict", inputs, lambda: _predict(study))
    _note_thresholds(study, _read_thresholds(study.run.path("thresholds.json")))


def _calling(config: EvaluationConfig) -> dict[str, Any]:
    """Return the settings that make calls of scores."""
    return config.model_dump(include={"aggregation", "threshold", "threshold_at"})


def _predict(study: Study) -> list[Path]:
    tables = []
    failed: list[tuple[str, str]] = []
    answers: list[inference.Answer] = []
    for part in study.parts:
        split_of = {patient: split for patient, split in part.split_of().items() if split != "train"}
        chosen = samples(study.cohort, videos=study.store.videos(), patients=split_of)
        directories = [study.model_directory(name, part) for name in study.config.models]
        with study.reporter.progress("Predicting") as progress:
            table = inference.predict(
                directories, chosen, study.store, splits=split_of, progress=progress, excluded=failed, answers=answers
            )
        tables.append(table if part.fold is None else table.assign(fold=part.fold))
    for video, reason in dict(failed).items():
        study.reporter.say(f"not predicted: {video}: {reason}")
    networks = pd.concat(tables, ignore_index=True).assign(kind="model")
    people = splits_table(study.parts)  # with folds: a reader's validation readings stand beside the networks'
    people = people[people["patient_id"].isin(networks["patient_id"]) & (people["split"] != "train")]
    others = [_reader_rows(study.cohort, people), ceiling_rows(study.cohort, people)]
    predictions = pd.concat([networks, *(table for table in others if len(table))], ignore_index=True)
    aggregation = study.config.evaluation.aggregation
    rule, at = study.config.evaluation.threshold, study.config.evaluation.threshold_at
    thresholds = evaluation.freeze_thresholds(predictions, aggregation=aggregation, rule=rule, at=at)
    called = evaluation.apply_thresholds(predictions, thresholds, aggregation=aggregation)
    outputs = [study.run.path(name) for name in ("predictions.csv", "thresholds.json", "predictions.engines.json")]
    _write_csv(outputs[0], _as_written(called.assign(origin="phantom") if is_phantom(study) else called))
    write_json(outputs[1], thresholds)
    write_json(outputs[2], [answer.as_record() for answer in answers])
    return outputs


def _reader_rows(cohort: Cohort, people: pd.DataFrame) -> pd.DataFrame:
    """Return the sonographers' rows of those patients, with the split (and fold) that they are reported under."""
    columns = [column for column in ("patient_id", "split", "fold") if column in people]
    rows = reader_table(cohort).drop(columns="split").merge(people[columns], on="patient_id")
    return rows.assign(kind="reader")


def _as_written(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the table with whole numbers as such, and without the fold where there are none."""
    whole = predictions.assign(**{name: predictions[name].astype("Int64") for name in ("label", "call", "fold")})
    return whole.drop(columns="fold") if (whole["fold"] < 0).all() else whole


def _note_thresholds(study: Study, thresholds: Mapping[str, Any]) -> None:
    """Write each network's frozen threshold into its card, so that `alnus predict` makes the same calls."""
    for name in study.config.models:
        for part in study.parts:
            frozen = thresholds.get(name)
            value = frozen.get(part.fold) if isinstance(frozen, Mapping) else frozen
            directory = study.model_directory(name, part)
            known = {"threshold": value, "aggregation": study.config.evaluation.aggregation}
            models.write_card(directory, models.read_card(directory).model_copy(update=known))


def _read_thresholds(path: Path) -> dict[str, Any]:
    """Read thresholds.json; JSON has no whole-number keys, so the folds' are turned back."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {
        source: {int(fold): number for fold, number in value.items()} if isinstance(value, dict) else value
        for source, value in stored.items()
    }


def evaluate_predictions(study: Study) -> dict[str, Any]:
    """Compute every statistic from predictions.csv and the frozen thresholds alone, and write results.json."""
    predictions = evaluation.read_predictions(study.run.path("predictions.csv"))
    thresholds = _read_thresholds(study.run.path("thresholds.json"))
    with study.run.timed("evaluate"):
        results = evaluation.evaluate(
            predictions,
            study.config.evaluation,
            thresholds=thresholds,
            phantom=is_phantom(study),
            clinical=_clinical(study),
        )
        results["openings"] = note_openings(study.run, results)
        write_json(study.run.path("results.json"), results)
    return results


def complete_results(study: Study, results: dict[str, Any]) -> dict[str, Any]:
    """Add what motion carries and whether the heatmaps are true to results.json."""
    if study.config.motion:
        add_motion(results, study.run.directory, study.config.evaluation)
    if study.config.explanation.faithfulness.cases:
        add_faithfulness(results, study.run.directory, study.config.evaluation)
    write_json(study.run.path("results.json"), results)
    return results


def _clinical(study: Study) -> pd.DataFrame:
    """Return each video's centre, clinical columns and partition."""
    columns = study.cohort.table[["patient_id", "center", *study.cohort.clinical]]
    splits = held_out(study.parts).set_index("patient_id")["split"]
    return columns.assign(split=columns["patient_id"].map(splits).fillna(""))


def explain_cases(study: Study) -> None:
    """Write heatmaps of right and wrong test cases of every network."""
    index = study.run.path("explanations", "index.json")
    inputs = {
        "predictions": file_sha256(study.run.path("predictions.csv")),
        "cohort": study.run.record["inputs"][study.cohort.source.name],
        "store": file_sha256(study.run.path("store", "index.csv")),
        "explanation": study.config.explanation.model_dump(exclude={"faithfulness"}),
    }
    study.run.once("explain", inputs, lambda: _explain(study, index))


def _explain(study: Study, index: Path) -> list[Path]:
    shutil.rmtree(index.parent, ignore_errors=True)
    predictions = evaluation.read_predictions(study.run.path("predictions.csv"))
    of_networks = predictions[predictions["kind"] == "model"]
    wanted = study.config.explanation
    rows = list(explained_cases(of_networks, cases=wanted.cases, sets=TESTS, wrong=wanted.wrong).itertuples())
    records = []
    with study.reporter.progress("Explaining cases") as progress:
        for number, row in enumerate(rows):
            records.append(_explain_case(study, row, index.parent / f"case_{number + 1:03d}"))
            progress(number + 1, len(rows))
    write_json(index, records)
    return sorted(path for path in index.parent.rglob("*") if path.is_file())


def _explain_case(study: Study, row: Any, out: Path) -> dict[str, Any]:
    part = study.parts[max(0, int(row.fold))]
    directory = study.model_directory(str(row.source), part)
    (sample,) = samples(study.cohort, videos=[row.video], patients=[row.patient_id])
    moving = study.config.explanation.videos and bool(row.leads)
    made = explanation.explain_video(directory, sample, study.store, out, video=moving)
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
    with contextlib.closing(study.run):
        study = ingest_cohort(study)
        train_networks(study)
    return study.run.directory
