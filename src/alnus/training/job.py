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

    The number of loader workers is left out, because the weights do not depend on it, and the cohort table's hash: its
    other columns may change, and the samples are what was trained on.
    Raises WeightsError where the weights to start from cannot be read.
    """
    whole = {
        "name": job.name,
        "network": job.network.model_dump(mode="json", exclude={"training": {"workers"}}),
        "weights": _weights_sha256(job.network.weights),
        "train": [asdict(sample) for sample in job.train],
        "validation": [asdict(sample) for sample in job.validation],
        "frames": [_frames_key(job.store, sample.video) for sample in (*job.train, *job.validation)],
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


def _frames_key(store: CineSource, video: str) -> str:
    """Return what tells that a video's frames are others (another region, say): a store's checksum, else the shape."""
    entry = getattr(store, "entry", None)
    return str(store.frames(video).shape) if entry is None else str(entry(video).sha256)


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
