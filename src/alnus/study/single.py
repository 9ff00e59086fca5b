"""Trained networks on files that belong to no study: scores and heatmaps of single videos."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from alnus import explanation, inference  # each loads torch when first used
from alnus.clips.sample import Sample
from alnus.cohort import load_cohort
from alnus.console import Reporter
from alnus.errors import UsageError, WeightsError
from alnus.media import CineStore, IngestItem, ingest
from alnus.provenance import file_sha256
from alnus.study.partition import ingest_items
from alnus.study.partition import samples as samples_of

if TYPE_CHECKING:
    from alnus.models import ModelCard

TABLES = (".csv", ".parquet")
SPLITS = "splits.csv"
AS_TRAINED = ("eager", "float32")  # what needs no word
Failures = list[dict[str, str]]


def model_directories(path: Path) -> list[Path]:
    """Return the model directories that a path means: itself (or an export), or those of a run.

    Raises WeightsError for neither.
    """
    if (path / "model.json").is_file() or inference.is_export(path):
        return [path]
    found = sorted(card.parent for card in path.glob("models/**/model.json"))
    if not found:
        raise WeightsError(
            f"{path}: is neither a model's directory (model.json) nor a run's (models/<name>/model.json)"
        )
    return found


@contextmanager
def ingested(
    videos: Sequence[Path], reporter: Reporter, *, keyframe: int | None = None
) -> Iterator[tuple[CineStore, list[Sample], Failures]]:
    """Yield a temporary store with the videos, their samples, and what could not be read."""
    items, known = _items(videos, keyframe)
    with tempfile.TemporaryDirectory(prefix="alnus-") as folder:
        store = Path(folder)
        with reporter.progress("Reading videos") as progress:
            report = ingest(items, store, workers=1 if len(items) < 4 else 0, progress=progress)
        readable = set(report.ingested)
        failed = [{"video": item.video, "reason": f"{item.video}: {item.reason}"} for item in report.excluded]
        yield CineStore(store), [sample for sample in known if sample.video in readable], failed


def _items(videos: Sequence[Path], keyframe: int | None) -> tuple[list[IngestItem], list[Sample]]:
    tables = [path for path in videos if path.suffix.lower() in TABLES]
    if tables and len(videos) > 1:
        raise UsageError(f"{tables[0]} is a cohort table: give one table, or video files, not both")
    if tables:
        cohort = load_cohort(tables[0], need_labels=False)
        table = cohort.table
        return ingest_items(cohort), samples_of(cohort, videos=table["video"], patients=table["patient_id"])
    if len(set(videos)) != len(videos):
        raise UsageError("a video is named twice: name each once")
    items = [IngestItem(video=str(path), path=path, keyframe=keyframe) for path in videos]
    return items, [Sample(patient_id=str(path), video=str(path), label=None, keyframe=keyframe) for path in videos]


@dataclass(frozen=True)
class Scores:
    """The predictions table of some videos, what could not be read, and what must be said beside the numbers."""

    table: pd.DataFrame
    failed: Failures
    notes: list[str]
    trained_on_phantom: bool
    answers: list[inference.Answer] = field(default_factory=list)


def predict_files(
    model: Path,
    videos: Sequence[Path],
    *,
    reporter: Reporter,
    engine: str | None = None,
    precision: str = "auto",
) -> Scores:
    """Score some videos, or those of a cohort table, with each network. Raises WeightsError, CohortError.

    engine, precision: as `alnus.inference.open_predictor`'s.
    """
    directories = model_directories(model)
    cards = [inference.card_of(directory) for directory in directories]
    with ingested(videos, reporter) as (store, samples, failed):
        unread: list[tuple[str, str]] = []
        answers: list[inference.Answer] = []
        table = inference.predict(
            directories, samples, store, excluded=unread, engine=engine, precision=precision, answers=answers
        )
    failed += [{"video": video, "reason": f"{video}: {reason}"} for video, reason in unread]
    table = _with_splits(_with_calls(table, cards), model, videos[0], cards)
    phantom = any(card.phantom for card in cards)
    notes = sorted({card.note for card in cards}) + (
        ["The network was trained on simulated (phantom) patients."] if phantom else []
    )
    seen = table.loc[table["split"].isin(["train", "val"]), "patient_id"].nunique()
    if seen:
        notes.append(
            f"{seen} of {table['patient_id'].nunique()} patients trained or validated the network: see `split`."
        )
    notes += [str(answer) for answer in answers if (answer.engine, answer.precision) != AS_TRAINED or answer.note]
    return Scores(table, failed, notes, phantom, answers)


def run_splits(model: Path, source: Path, cards: Sequence[ModelCard]) -> pd.DataFrame | None:
    """Return the run's splits.csv where a source is the cohort table that the networks were trained on, else None."""
    splits = next(
        (folder / SPLITS for folder in (model, *model.resolve().parents) if (folder / SPLITS).is_file()), None
    )
    known = {card.cohort_sha256 for card in cards}
    if splits is None or source.suffix.lower() not in TABLES or known != {file_sha256(source)}:
        return None
    return pd.read_csv(splits, dtype={"patient_id": str})


def _with_splits(table: pd.DataFrame, model: Path, source: Path, cards: Sequence[ModelCard]) -> pd.DataFrame:
    """Fill `split` from the run's splits.csv where the videos are those of the cohort table that it was trained on."""
    roles = run_splits(model, source, cards)
    if roles is None:
        return table
    keys = [key for key in ("patient_id", "fold") if key in roles and key in table]
    return table.drop(columns="split").merge(roles[[*keys, "split"]], on=keys, how="left")[list(table.columns)]


def _with_calls(table: pd.DataFrame, cards: Sequence[ModelCard]) -> pd.DataFrame:
    """Fill the calls of those networks whose frozen threshold is in their card; a call is a patient's."""
    thresholds = {card.source: card.threshold for card in cards if card.fold is None}
    of_patient = table.groupby(["source", "patient_id"])["score"]
    largest = {card.source for card in cards if card.aggregation == "max"}
    patient_score = of_patient.transform("mean").mask(table["source"].isin(largest), of_patient.transform("max"))
    cuts = table["source"].map(thresholds).astype(float)
    return table.assign(call=(patient_score >= cuts).astype("Int64").mask(cuts.isna()))


def explain_files(
    model: Path, videos: Sequence[Path], out: Path, *, keyframe: int | None, reporter: Reporter
) -> tuple[list[explanation.Explanation], Failures]:
    """Draw heatmaps of some videos by each network; return what was made of each and what could not be read."""
    made: list[explanation.Explanation] = []
    with ingested(videos, reporter, keyframe=keyframe) as (store, samples, failed):
        for number, sample in enumerate(samples):
            for directory in model_directories(model):
                target = out / f"{number + 1:03d}_{Path(sample.video).stem}_{directory.name}"
                made.append(explanation.explain_video(directory, sample, store, target))
    return made, failed
