"""Alterations take away order, movement or number of frames and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alnus.clips import Sample
from alnus.config import ClipConfig, InferenceConfig, NetworkConfig
from alnus.inference.motion import alone, altered_scores, predict_altered, shuffled
from alnus.models import ModelCard, build_from_config, save_model

CLIP = ClipConfig(frames=8, sampling="segments", resize_px=16, side_px=16, channels=1)
CONFIG = NetworkConfig(depth=18, width=16, clip=CLIP, inference=InferenceConfig(clips_per_video=2))


class Planted(nn.Module):
    """A network whose logit is a weighted sum of its frames' brightness."""

    def __init__(self, weights) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))

    def forward(self, clip):
        logit = clip.mean((1, 3, 4)) @ self.weights
        return torch.stack([-logit / 2, logit / 2], 1)


ORDER = Planted(np.linspace(-1, 1, 8))
CONTENT = Planted(np.full(8, 1 / 8))


def film(*, brightens: bool, seed: int, frames: int = 16):
    generator = np.random.default_rng(seed)
    ramp = np.linspace(60, 180, frames) if brightens else np.linspace(180, 60, frames)
    return (ramp[:, None, None] + generator.uniform(0, 20, (frames, 16, 16))).astype(np.uint8)


def scores(network, frames, *, seed=0, **options):
    return altered_scores(network, CONFIG, frames, generator=np.random.default_rng(seed), **options)


def auc(positive, negative):
    return np.mean([[(p > n) + (p == n) / 2 for n in negative] for p in positive])


def test_order_alone_as_evidence_is_turned_round_by_reversal_and_lost_by_every_other_alteration():
    found = {
        label: [scores(ORDER, film(brightens=label, seed=k), seed=k) for k in range(2 * label, 80, 3)]
        for label in (0, 1)
    }
    areas = {how: auc(*([each[how] for each in found[label]] for label in (1, 0))) for how in found[0][0]}
    assert areas["reversed"] == 0
    assert areas["shuffled"] == pytest.approx(0.5, abs=0.2)  # 27 against 26: three standard errors are 0.24
    assert areas["frozen"] == pytest.approx(0.5, abs=0.24)
    assert list(areas) == ["shuffled", "reversed", "frozen", "single"]


def test_a_network_that_no_order_reaches_scores_shuffled_and_reversed_cines_as_intact_ones():
    from alnus.inference import predict_cine

    frames = film(brightens=True, seed=1)
    card = ModelCard(name="tin", source="tin", network=CONFIG)
    found = scores(CONTENT, frames)
    intact = predict_cine(CONTENT, card, frames)
    assert found["shuffled"] == pytest.approx(intact, abs=1e-6)
    assert found["reversed"] == pytest.approx(intact, abs=1e-6)
    assert abs(found["single"] - intact) > 1e-3


def test_a_frozen_or_single_frame_depends_on_the_keyframe_alone():
    one, other = film(brightens=True, seed=1), film(brightens=False, seed=2)
    other[5] = one[5]
    for how in ("frozen", "single"):
        assert scores(ORDER, one, keyframe=5)[how] == scores(ORDER, other, keyframe=5)[how]
        assert scores(CONTENT, one, keyframe=6)[how] != scores(CONTENT, other, keyframe=6)[how]


def test_the_still_of_the_sonographer_is_the_frozen_frame_where_there_is_one():
    frames, still = film(brightens=True, seed=1), np.full((16, 16), 200, np.uint8)
    bright = scores(CONTENT, frames, keyframe=0, image=still)["frozen"]
    assert bright > scores(CONTENT, frames, keyframe=0)["frozen"]


def test_a_single_frame_stands_among_blanks_where_a_frozen_one_is_repeated():
    picture = torch.ones(1, 1, 4, 4)
    clip = alone(picture, 8)
    assert clip.shape == (1, 8, 4, 4)
    assert clip.sum((0, 2, 3)).tolist() == [0, 0, 0, 0, 16, 0, 0, 0]


def test_a_shuffled_clip_holds_the_same_frames_in_an_order_of_its_own():
    clips = torch.arange(8.0)[None, None, :, None, None].repeat(3, 1, 1, 2, 2)
    made = shuffled(clips, np.random.default_rng(0))
    orders = [tuple(clip[0, :, 0, 0].tolist()) for clip in made]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len(set(orders)) == 3


class Store:
    def __init__(self, films) -> None:
        self.films = films

    def frames(self, video):
        if video not in self.films:
            raise KeyError(video)
        return self.films[video]

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video):
        return None


@pytest.fixture
def models(tmp_path):
    found = []
    for name in ("tin", "image"):
        clip = CLIP if name == "tin" else CLIP.model_copy(update={"frames": 1, "sampling": "keyframe"})
        network = CONFIG.model_copy(update={"clip": clip})
        save_model(
            tmp_path / name, build_from_config(name, network), ModelCard(name=name, source=name, network=network)
        )
        found.append(tmp_path / name)
    return found


def test_each_video_network_has_a_row_for_each_readable_video_and_alteration(models):
    store = Store({f"v{k}": film(brightens=bool(k % 2), seed=k) for k in range(2)})
    samples = [Sample(f"P{k}", f"v{k}", k % 2) for k in range(3)]
    splits = {f"P{k}": "test_a" for k in range(3)}
    table = predict_altered(models, samples, store, seed=1, splits=splits)
    assert set(table["source"]) == {"tin"}
    assert len(table) == 2 * 4
    assert table["split"].eq("test_a").all()
    # a video's shuffle does not depend on the others
    alone_again = predict_altered(models[:1], samples[1:2], store, seed=1, splits=splits)
    assert alone_again["score"].tolist() == pytest.approx(table.loc[table["video"] == "v1", "score"].tolist())
    other = predict_altered(models[:1], samples[1:2], store, seed=2, splits=splits)
    different = other["score"].to_numpy() != alone_again["score"].to_numpy()
    assert dict(zip(other["altered"], different, strict=True)) == {
        "shuffled": True, "reversed": False, "frozen": False, "single": False,
    }  # fmt: skip
