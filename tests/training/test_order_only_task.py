"""The order of frames as the only evidence: class 0 is class 1 played backwards."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from alnus.clips import Sample
from alnus.config import NetworkConfig, load_preset
from alnus.inference import predict
from alnus.inference.motion import predict_altered
from alnus.training import fit

FRAMES = 9  # odd: the middle frame, which the image network sees, is the same forwards and backwards
SIDE_PX = 64
TRAIN, VALIDATION, TEST = 130, 30, 90
# of the preset's 16; a shorter cosine, not a cut one
EPOCHS = {"tin": 12, "r2plus1d": 3, "resnet3d": 3, "x3d": 3, "mvit": 4, "image": 4}


class Films:
    """A store in memory: a dark lesion that grows and drifts over smoothed noise, backwards for label 0."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._films: dict[str, NDArray[np.uint8]] = {}

    def sample(self, name: str) -> Sample:
        label = len(self._films) % 2
        film = _growing_lesion(self._generator)
        self._films[name] = film if label else film[::-1]
        return Sample(patient_id=name, video=name, label=label)

    def frames(self, video: str) -> NDArray[np.uint8]:
        return self._films[video]

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video: str) -> None:
        return None


def _growing_lesion(generator: np.random.Generator) -> NDArray[np.uint8]:
    tissue, inside = gaussian_filter(generator.normal(size=(2, SIDE_PX, SIDE_PX)), (0, 1.5, 1.5)) * 120
    time = np.linspace(-0.5, 0.5, FRAMES)[:, None, None]
    drift, start = generator.uniform(-8, 8, 2), generator.uniform(26, 38, 2)
    radius = generator.uniform(9, 14) + generator.uniform(6, 10) * time
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    distance = np.hypot(rows - start[0] - drift[0] * time, columns - start[1] - drift[1] * time)
    lesion = 1 / (1 + np.exp(distance - radius))
    return (tissue + 130 + lesion * (inside - tissue - 70)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def films() -> tuple[Films, list[list[Sample]]]:
    store = Films(seed=7)
    parts = [[store.sample(f"{part}{i}") for i in range(size)] for part, size in enumerate((TRAIN, VALIDATION, TEST))]
    return store, parts


def _test_areas(name: str, films: tuple[Films, list[list[Sample]]], directory: Path) -> dict[str, float]:
    """AUCs of the test films, intact and altered."""
    store, (train, validation, test) = films
    network = NetworkConfig.model_validate(load_preset("small")["networks"][name])
    training = network.training.model_copy(update={"epochs": EPOCHS[name]})
    fit(name, network.model_copy(update={"training": training}), train, validation, store, directory, seed=0)
    splits = {sample.patient_id: "test_a" for sample in test}
    altered = predict_altered([directory], test, store, seed=0, splits=splits)
    tables = {"intact": predict([directory], test, store)} | dict(list(altered.groupby("altered")))
    return {how: float(roc_auc_score(table["label"].astype(int), table["score"])) for how, table in tables.items()}


CHANCE = 0.18  # 45 against 45 patients: the AUC's standard error at chance is 0.061, and this three of them
LONG = pytest.mark.skipif(not os.environ.get("ALNUS_LONG_TESTS"), reason="half a minute each: set ALNUS_LONG_TESTS=1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tin", "r2plus1d", "resnet3d", pytest.param("x3d", marks=LONG), pytest.param("mvit", marks=LONG)]
)
def test_a_video_network_tells_forwards_from_backwards_and_reversal_turns_it_round(name, films, tmp_path):
    areas = _test_areas(name, films, tmp_path)
    assert areas["intact"] > 0.95
    assert areas["reversed"] < 0.05
    assert {how for how in areas if abs(areas[how] - 0.5) < CHANCE} == {"shuffled", "frozen", "single"}


@pytest.mark.slow
def test_the_image_network_cannot_tell_forwards_from_backwards(films, tmp_path):
    areas = _test_areas("image", films, tmp_path)
    assert list(areas) == ["intact"]
    assert abs(areas["intact"] - 0.5) < CHANCE
