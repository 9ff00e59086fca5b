"""A training small enough to be killed and repeated: `python tiny_training.py DIRECTORY CHANGES`, CHANGES as JSON."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alnus.clips import Sample
from alnus.config import NetworkConfig
from alnus.training import FitResult, fit


class NoiseStore:
    """Cines of noise, the brighter ones of label 1, so that there is something to learn."""

    def frames(self, video: str) -> NDArray[np.uint8]:
        number = int(video.removeprefix("v"))
        noise = np.random.default_rng(number).integers(0, 200, (6, 20, 24), dtype=np.uint8)
        return noise + np.uint8(20 * (number % 2))

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video: str) -> None:
        return None


class StallingStore(NoiseStore):
    """One that gives nothing more once so many epochs are over: a training that can be killed at leisure."""

    def __init__(self, curve: Path, epochs: int) -> None:
        self._curve, self._epochs = curve, epochs

    def frames(self, video: str) -> NDArray[np.uint8]:
        if self._curve.is_file() and len(self._curve.read_text().splitlines()) > self._epochs:
            time.sleep(600)
        return super().frames(video)


SAMPLES = [Sample(f"p{number}", f"v{number}", number % 2) for number in range(24)]
CLIP = {"frames": 2, "sampling": "segments", "resize_px": 20, "side_px": 16, "channels": 1}
TRAINING = {"epochs": 4, "batch_size": 4, "learning_rate": 0.02, "precision": "32-true", "accelerator": "cpu"}


def tiny(**changes: Any) -> NetworkConfig:
    values = {
        "depth": 18,
        "width": 4,
        "dropout": float(os.environ.get("ALNUS_TEST_DROPOUT", 0.5)),
        "clip": CLIP,
        "training": TRAINING | changes,
    }
    return NetworkConfig.model_validate(values)


def train_tiny(directory: Path, *, name: str = "resnet3d", seed: int = 5, **changes: Any) -> FitResult:
    epochs = os.environ.get("ALNUS_TEST_STALLS_AFTER")
    store = StallingStore(directory / "metrics.csv", int(epochs)) if epochs else NoiseStore()
    return fit(name, tiny(**changes), SAMPLES[:16], SAMPLES[16:], store, directory, seed=seed, progress=False)


if __name__ == "__main__":
    sys.stdout.write(f"{train_tiny(Path(sys.argv[1]), **json.loads(sys.argv[2]))}\n")
