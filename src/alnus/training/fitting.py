"""Train one network on one partition: begun, gone on with after an interruption, or found finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alnus.clips import CineSource, Sample
from alnus.config import NetworkConfig
from alnus.provenance import file_sha256, write_json
from alnus.training.job import Job, check_patients, check_videos, fingerprint
from alnus.training.ranks import is_first

NOTES = "fit.json"  # beside the model: what it was trained from, and whether it is finished


@dataclass(frozen=True)
class FitResult:
    """A finished training. epochs: trained; the best one is on the model's card. seconds: of training in all."""

    directory: Path
    validation_auc: float
    epochs: int
    seconds: float


def fit(
    name: str,
    network: NetworkConfig,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    store: CineSource,
    directory: Path,
    *,
    seed: int,
    phantom: bool = False,
    cohort_sha256: str | None = None,
    fold: int | None = None,
    progress: bool = True,
) -> FitResult:
    """Train a network and leave its best epoch, by the validation AUC of patients, as a model in `directory`.

    The same call after an interruption goes on from the last whole epoch, on a CPU to the same weights bit for bit;
    after the end it returns at once; with any other input it begins anew. Writes model.safetensors, model.json,
    metrics.csv, fit.json, checkpoints/last.ckpt and tensorboard/. Of several processes started from outside (torchrun,
    SLURM, one a machine) the first alone writes, and each returns when the model is there.
    Raises CohortError (one class only, no label, a patient on both sides, no such keyframe), MediaError,
    WeightsError (weights to start from), ConfigError (no such network; a loss that is not finite).
    """
    card = {"phantom": phantom, "cohort_sha256": cohort_sha256, "fold": fold}
    job = Job(name, network, tuple(train), tuple(validation), store, directory, seed, progress, card)
    check_patients(train, validation)
    check_videos(job)
    inputs = fingerprint(job)
    notes = _notes(directory)
    if notes.get("inputs") != inputs:
        if is_first():  # the others wait for it in `train`
            _clear(directory)
            write_json(directory / NOTES, {"inputs": inputs, "finished": False})
    elif notes.get("finished") and _is_whole(directory, notes):
        return _result(directory, notes)
    _run(job)
    notes = {"inputs": inputs, "finished": True} | _summary(job)
    if is_first():
        write_json(directory / NOTES, notes)
    return _result(directory, notes)


def _run(job: Job) -> None:
    from alnus.training.launching import run  # imports Lightning: not for a finished training

    run(job)


def _notes(directory: Path) -> dict[str, Any]:
    try:
        notes = json.loads((directory / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _clear(directory: Path) -> None:
    """Remove what another training left; nothing else in the directory is touched."""
    for name in (NOTES, "model.safetensors", "model.json", "metrics.csv"):
        (directory / name).unlink(missing_ok=True)
    for name in ("checkpoints", "tensorboard"):
        shutil.rmtree(directory / name, ignore_errors=True)


def _is_whole(directory: Path, notes: dict[str, Any]) -> bool:
    """Say whether the notes are complete and the model is the one that they tell of."""
    if not notes.keys() >= {"validation_auc", "epochs", "seconds", "weights_sha256"}:
        return False
    try:
        return (directory / "model.json").is_file() and (
            file_sha256(directory / "model.safetensors") == notes["weights_sha256"]
        )
    except OSError:
        return False


def _summary(job: Job) -> dict[str, Any]:
    from alnus.training.process import saved_record

    record = saved_record(job)
    return {
        "validation_auc": max(row["val_auc"] for row in record["history"]),
        "epochs": len(record["history"]),
        "seconds": round(record["seconds"], 3),
        "weights_sha256": file_sha256(job.directory / "model.safetensors"),
    }


def _result(directory: Path, notes: dict[str, Any]) -> FitResult:
    return FitResult(directory, notes["validation_auc"], notes["epochs"], notes["seconds"])
