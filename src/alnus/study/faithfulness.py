"""Are the heatmaps true? The stage that tests them on a sample of the test cases, and what results.json says of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alnus import evaluation
from alnus.clips.sample import Sample
from alnus.config import EvaluationConfig, FaithfulnessConfig
from alnus.errors import CohortError
from alnus.evaluation.faithfulness import FRAMES, LESION, PERTURBED, faithfulness_results
from alnus.provenance import file_sha256, write_atomic
from alnus.study.cases import kind_of
from alnus.study.masks import LesionMasks, read_masks
from alnus.study.partition import TESTS, samples

if TYPE_CHECKING:
    from torch import Tensor

    from alnus.models import ModelCard, Network
    from alnus.study.protocol import Study

FOLDER = "faithfulness"
KEYS = ("set", "source", "patient_id", "video")
CASES = (*KEYS, "fold", "kind", "score", "evidence", *LESION, *FRAMES, *PERTURBED)
CURVES = (*KEYS, "measure", "order", "share", "score")
RANDOMISED = (*KEYS, "depth", "part", "similarity")
TABLES = {"cases": CASES, "curves": CURVES, "randomised": RANDOMISED}


def measure_faithfulness(study: Study) -> None:
    """Measure the heatmaps of a sample of the test cases, each network on the same: faithfulness/*.csv."""
    wanted = study.config.explanation.faithfulness
    if wanted.cases == 0:
        return
    inputs = {
        "predictions": file_sha256(study.run.path("predictions.csv")),
        "store": file_sha256(study.run.path("store", "index.csv")),
        "cohort": study.run.record["inputs"][study.cohort.source.name],
        "masks": _hashes(study),
        "faithfulness": wanted.model_dump(),
        "seed": study.config.seed,
    }
    study.run.once("faithfulness", inputs, lambda: _measure(study, wanted))


def _hashes(study: Study) -> list[str]:
    """Return the hashes of the masks that the table names and that are there."""
    table = study.cohort.table
    paths = [study.cohort.path(name) for name in table["mask"] if name] if "mask" in table else []
    return [file_sha256(path) for path in paths if path.is_file()]


def sampled(predictions: pd.DataFrame, *, cases: int | str, seed: int) -> pd.DataFrame:
    """Return one row a network, test set and patient drawn, with `place` in the order of drawing, from 0.

    The same patients for every network of a set. Of several videos of a patient that which speaks most for the call.
    """
    rows = predictions[(predictions["kind"] == "model") & predictions["split"].isin(TESTS)].copy()
    confidence = rows["score"].where(rows["call"].fillna(1) == 1, -rows["score"])
    rows = rows.assign(confidence=confidence).sort_values(["confidence", "video"], ascending=[False, True])
    rows = rows.drop_duplicates(["source", "split", "patient_id"])
    parts = []
    for split, of_set in rows.groupby("split", sort=True):
        people = sorted(of_set["patient_id"].unique())
        order = np.random.default_rng([seed, zlib.crc32(str(split).encode())]).permutation(people)
        kept = order if cases == "all" else order[: int(cases)]
        place = {patient: number for number, patient in enumerate(kept)}
        parts.append(of_set[of_set["patient_id"].isin(place)].assign(place=of_set["patient_id"].map(place)))
    chosen = pd.concat(parts) if parts else rows.assign(place=0)
    return chosen.sort_values(["source", "split", "place"], ignore_index=True)


def _measure(study: Study, wanted: FaithfulnessConfig) -> list[Path]:
    from alnus import models
    from alnus.inference.engines import default_device

    predictions = evaluation.read_predictions(study.run.path("predictions.csv"))
    chosen = sampled(predictions, cases=wanted.cases, seed=study.config.seed)
    made = Tables({name: [] for name in TABLES}, {})
    done = 0
    with study.reporter.progress("Testing heatmaps") as progress:
        for (source, fold, _), group in chosen.groupby(["source", "fold", "split"], sort=True):
            part = study.parts[max(0, int(fold))]
            model, card = models.load_for_inference(study.model_directory(str(source), part), device=default_device())
            for row in group.sort_values("place").itertuples():
                _add_case(study, model, card, row, wanted, made)
                done += 1
                progress(done, len(chosen))
    for video, reason in made.unmasked.items():
        study.reporter.say(f"{video}: its heatmap is compared with no mask: {reason}")
    return [_write(study, name, made.rows[name], columns) for name, columns in TABLES.items()]


@dataclass(frozen=True)
class Tables:
    """The rows of each table, and the videos whose masks cannot be used with the reason."""

    rows: dict[str, list[dict[str, Any]]]
    unmasked: dict[str, str]


def _add_case(
    study: Study, model: Network, card: ModelCard, row: Any, wanted: FaithfulnessConfig, made: Tables
) -> None:
    """Measure one case."""
    from alnus.clips import cine_clips
    from alnus.explanation.faithfulness_cases import lesion_measures

    (sample,) = samples(study.cohort, videos=[row.video], patients=[row.patient_id])
    frames, still = study.store.frames(row.video), study.store.image(row.video)
    lesion = _masks(study, sample, made)
    measures = lesion_measures(model, card, frames, *((lesion.masks, lesion.known) if lesion else (None, None)))
    count = card.network.inference.clips_per_video
    clips, _ = cine_clips(frames, card.network.clip, count, keyframe=sample.keyframe, image=still)
    clips = clips.to(next(model.parameters()).device)
    if row.place < wanted.perturbed:
        measures |= _add_curves(study, model, card, row, clips, wanted.steps, made)
    if row.place < wanted.randomised:
        _add_randomised(study, model, card, row, clips, made)
    kind = "" if np.isnan(row.call) else kind_of(int(row.label), int(row.call))
    made.rows["cases"].append(_key(row) | {"fold": row.fold, "kind": kind, "score": row.score} | measures)


def _key(row: Any) -> dict[str, str]:
    return {"set": row.split, "source": row.source, "patient_id": row.patient_id, "video": row.video}


def _seed(study: Study, row: Any) -> int:
    """Return a seed of the study and the video alone."""
    return study.config.seed + zlib.crc32(str(row.video).encode())


def _add_curves(
    study: Study, model: Network, card: ModelCard, row: Any, clips: Tensor, steps: int, made: Tables
) -> dict[str, float | None]:
    """Add the deletion and insertion curves of a case; return the areas below them."""
    from alnus.explanation.faithfulness_cases import perturbation_measures

    generator, batch_size = np.random.default_rng(_seed(study, row)), card.network.inference.batch_size
    measures, curves = perturbation_measures(model, clips, steps=steps, generator=generator, batch_size=batch_size)
    made.rows["curves"] += [
        _key(row) | {"measure": measure, "order": order, "share": share, "score": score}
        for measure, by_order in (("deletion", curves.deletion), ("insertion", curves.insertion))
        for order, scores in by_order.items()
        for share, score in zip(curves.shares.tolist(), scores.tolist(), strict=True)
    ]
    return measures


def _add_randomised(study: Study, model: Network, card: ModelCard, row: Any, clips: Tensor, made: Tables) -> None:
    from alnus.explanation.faithfulness_network import randomised

    similar = randomised(model, card, clips, seed=_seed(study, row))
    made.rows["randomised"] += [
        _key(row) | {"depth": depth, "part": part, "similarity": similarity}
        for depth, (part, similarity) in enumerate(similar.items(), start=1)
    ]


def _masks(study: Study, sample: Sample, made: Tables) -> LesionMasks | None:
    """Return the masks that the table names; None where it names none, or they cannot be used, which is noted."""
    table = study.cohort.table
    if "mask" not in table:
        return None
    named = table.loc[table["video"] == sample.video, "mask"].iloc[0]
    if not named:
        return None
    try:
        return read_masks(study.cohort.path(named), study.store, sample.video, keyframe=sample.keyframe)
    except CohortError as error:
        made.unmasked[sample.video] = str(error)
        return None


def _write(study: Study, name: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Path:
    path = study.run.path(FOLDER, f"{name}.csv")
    write_atomic(path, pd.DataFrame(rows, columns=list(columns)).to_csv(index=False, lineterminator="\n"))
    return path


def add_faithfulness(results: dict[str, Any], run: Path, config: EvaluationConfig) -> None:
    """Add `explanation` to each network of each test set of the results, from the run's tables alone."""
    paths = {name: run / FOLDER / f"{name}.csv" for name in TABLES}
    if not all(path.is_file() for path in paths.values()):
        return
    text = dict.fromkeys((*KEYS, "kind", "part", "measure", "order"), str)
    tables = {name: pd.read_csv(path, dtype=text) for name, path in paths.items()}
    if tables["cases"].empty:
        return
    for split, sources in faithfulness_results(**tables, config=config).items():
        for source, part in sources.items():
            results["sets"][split]["sources"][source]["explanation"] = part
