"""What one training is made of, and the hash by which a finished or interrupted one is recognised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alnus.clips import CineSource, Sample
from alnus.clips.sampling import keyframe_index
from alnus.config import NetworkConfig
from alnus.errors import CohortError, WeightsError
from alnus.provenance import file_sha256, text_sha256


@dataclass(frozen=True)
class Job:
    """One network, its patients, its seed and where it goes; can be sent to another process."""

    name: str
    network: NetworkConfig
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    store: CineSource
    directory: Path
    seed: int
    progress: bool
    card: dict[str, Any]
    """What the model's card says beyond the above: phantom, cohort_sha256, fold."""

    @property
    def checkpoint(self) -> Path:
        """The state after the last whole epoch."""
        return self.directory / "checkpoints" / "last.ckpt"


def fingerprint(job: Job) -> str:
    """Return a hash of all that the trained weights and their card depend on.

    Left out is what the weights do not depend on: the number of loader workers, the batch size of the inference, and,
    for a network that sees whole cines, keyframes and stills. Left out too is the cohort table's hash: its other
    columns may change, and the samples are what was trained on.
    Raises WeightsError where the weights to start from cannot be read.
    """
    samples, still = (*job.train, *job.validation), job.network.clip.sampling == "keyframe"
    unused = {"training": {"workers"}, "inference": {"batch_size"}}
    whole = {
        "name": job.name,
        "network": job.network.model_dump(mode="json", exclude=unused),
        "weights": _weights_sha256(job.network.weights),
        "train": [_sample_key(sample, keyframe=still) for sample in job.train],
        "validation": [_sample_key(sample, keyframe=still) for sample in job.validation],
        "frames": [_frames_key(job.store, sample.video, still=still) for sample in samples],
        "seed": job.seed,
        "card": {key: value for key, value in job.card.items() if key != "cohort_sha256"},
    }
    return text_sha256(json.dumps(whole, sort_keys=True))


def _weights_sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return file_sha256(path)
    except OSError as error:
        raise WeightsError(f"{path}: the weights to start from cannot be read ({error.strerror})") from None


def _sample_key(sample: Sample, *, keyframe: bool) -> dict[str, Any]:
    return {key: value for key, value in asdict(sample).items() if keyframe or key != "keyframe"}


def _frames_key(store: CineSource, video: str, *, still: bool) -> list[str]:
    """Return what tells that a video's frames, or its still, are others: a store's checksums, else the shapes."""
    entry = getattr(store, "entry", None)
    if entry is not None:
        row = entry(video)
        return [str(row.checksum), *([str(getattr(row, "image_sha256", None))] if still else [])]
    image = store.image(video) if still else None
    return [str(store.frames(video).shape), *([] if image is None else [str(image.shape)])]


def check_patients(train: Sequence[Sample], validation: Sequence[Sample]) -> None:
    """Refuse what cannot be trained on: no label, one class only, a patient on both sides. Raises CohortError."""
    for part, samples in (("training", train), ("validation", validation)):
        for sample in samples:
            if sample.label not in (0, 1):
                raise CohortError(
                    f"{part}: patient {sample.patient_id}, video {sample.video}: label {sample.label}, not 0 or 1"
                )
        classes = {sample.label for sample in samples}
        if classes != {0, 1}:
            patients = len({sample.patient_id for sample in samples})
            found = f"all have label {classes.pop()}" if classes else "there are none"
            raise CohortError(
                f"{part}: both classes are needed, but of {patients} patients {found}: change the split or the table"
            )
    shared = {sample.patient_id for sample in train} & {sample.patient_id for sample in validation}
    if shared:
        raise CohortError(f"patient {min(shared)} is in training and in validation: a patient belongs to one of them")


def check_videos(job: Job) -> None:
    """Open every cine once before hours of training. Raises MediaError, CohortError naming the patient."""
    for sample in (*job.train, *job.validation):
        length = len(job.store.frames(sample.video))
        if job.network.clip.sampling != "keyframe" or job.store.image(sample.video) is not None:
            continue
        try:
            keyframe_index(length, sample.keyframe)
        except CohortError as error:
            raise CohortError(f"patient {sample.patient_id}, video {sample.video}: {error}") from None
