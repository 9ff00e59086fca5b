import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alnus.clips import Sample, cine_clips
from alnus.config import NetworkConfig
from alnus.errors import MediaError, WeightsError
from alnus.inference import COLUMNS, predict, predict_cine
from alnus.models import ModelCard, build, load_model, save_model


class NoiseStore:
    def frames(self, video: str) -> NDArray[np.uint8]:
        if video == "broken":
            raise MediaError("broken: is not in the store")
        if video == "torn":
            raise ValueError("mmap length is greater than file size")
        return np.random.default_rng(int(video)).integers(0, 256, (12, 30, 40), dtype=np.uint8)

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video: str) -> NDArray[np.uint8] | None:
        return None


SAMPLES = [Sample(f"00{number}", str(number), number % 2) for number in range(5)]


def _config(**inference: int) -> NetworkConfig:
    clip = {"frames": 4, "sampling": "dense", "stride": 2, "resize_px": 20, "side_px": 16, "channels": 1}
    return NetworkConfig.model_validate({"depth": 18, "width": 4, "clip": clip, "inference": inference})


@pytest.fixture
def directory(tmp_path):
    torch.manual_seed(0)
    config = _config(clips_per_video=3, batch_size=8)
    model = build("resnet3d", depth=18, width=4, in_channels=1)
    save_model(tmp_path / "resnet3d", model, ModelCard(name="resnet3d", source="resnet3d", network=config))
    return tmp_path / "resnet3d"


def test_the_table_has_a_row_for_each_video_and_network(directory):
    table = predict([directory, directory], SAMPLES, NoiseStore(), splits={"001": "val"})
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 10
    assert table["patient_id"].tolist()[:2] == ["000", "001"]
    assert table["split"].fillna("").tolist()[:3] == ["", "val", ""]
    assert table["score"].between(0, 1).all()
    assert table["call"].isna().all()


def test_a_videos_score_is_the_mean_probability_of_its_clips(directory):
    network, card = load_model(directory)
    clips, _ = cine_clips(NoiseStore().frames("2"), card.network.clip, 3)
    with torch.inference_mode():
        expected = [float(network(clip[None]).softmax(1)[0, 1]) for clip in clips]
    assert len(set(expected)) == 3
    score = predict([directory], SAMPLES, NoiseStore())["score"][2]
    assert score == pytest.approx(np.mean(expected), abs=1e-6)
    assert predict_cine(network, card, NoiseStore().frames("2")) == pytest.approx(score, abs=1e-6)


def test_the_same_call_gives_the_same_bits(directory):
    first, second = (predict([directory], SAMPLES, NoiseStore())["score"].tolist() for _ in range(2))
    assert first == second


def test_a_video_that_cannot_be_read_is_reported_and_the_rest_goes_on(directory):
    excluded: list[tuple[str, str]] = []
    samples = [Sample("x", "broken"), SAMPLES[0], Sample("y", "torn"), SAMPLES[1]]
    table = predict([directory], samples, NoiseStore(), excluded=excluded)
    assert table["video"].tolist() == ["0", "1"]
    assert excluded[0] == ("broken", "broken: is not in the store")
    assert excluded[1][1].startswith("torn: cannot be read from the store (mmap length")


def test_a_fold_is_a_column_of_its_models(directory):
    network, card = load_model(directory)
    save_model(directory, network, card.model_copy(update={"fold": 2}))
    assert predict([directory], SAMPLES[:1], NoiseStore())["fold"].tolist() == [2]


def test_progress_reaches_its_end(directory):
    seen: list[tuple[int, int]] = []
    predict([directory], SAMPLES, NoiseStore(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 5) for done in range(1, 6)]


def test_no_video_gives_an_empty_table(directory):
    assert tuple(predict([directory], [], NoiseStore()).columns) == COLUMNS


def test_a_network_that_answers_nan_is_refused(directory):
    network, card = load_model(directory)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(WeightsError, match="the network's output is not finite"):
        predict_cine(network, card, NoiseStore().frames("0"))


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(WeightsError):
        predict([tmp_path], SAMPLES, NoiseStore())
