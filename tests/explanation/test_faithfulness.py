"""Planted maps get the marks that they deserve, and planted networks show which order is theirs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from alnus.config import ClipConfig, NetworkConfig, load_preset
from alnus.explanation.faithfulness import (
    area_below,
    centre_maps,
    energy,
    lesion_in_view,
    pointing,
    rank_correlation,
    ranks,
    uniform_maps,
)
from alnus.explanation.faithfulness_cases import frame_measures, lesion_measures, perturbation_measures
from alnus.explanation.faithfulness_network import blurred, curves, randomised
from alnus.models import NAMES, ModelCard, build_from_config

SHAPE = (4, 20, 30)


@pytest.fixture
def masks():
    found = np.zeros(SHAPE, bool)
    found[1, 2:8, 3:13] = True  # 60 of 600 pixels
    found[2, 2:5, 3:13] = True  # 30
    return found


def test_a_map_that_is_the_mask_gets_1(masks):
    assert pointing(masks.astype(np.float32), masks) == 1
    assert energy(masks.astype(np.float32), masks) == 1


def test_a_uniform_map_gets_the_lesions_share_of_the_picture(masks):
    uniform = uniform_maps(SHAPE)
    assert pointing(uniform, masks) == pytest.approx((60 + 30) / 2 / 600)
    assert energy(uniform, masks) == pytest.approx(90 / 2400)


def test_a_map_beside_the_lesion_gets_0(masks):
    assert pointing((~masks).astype(np.float32), masks) == 0
    assert energy((~masks).astype(np.float32), masks) == 0


def test_a_map_of_the_middle_hits_what_lies_there_alone(masks):
    middle = np.zeros(SHAPE, bool)
    middle[:, 8:12, 12:18] = True
    assert pointing(centre_maps(SHAPE), middle) == 1
    assert pointing(centre_maps(SHAPE), masks) == 0
    assert energy(centre_maps(SHAPE), middle) > energy(uniform_maps(SHAPE), middle)


def test_only_frames_with_a_lesion_point_but_evidence_beside_them_counts(masks):
    maps = masks.astype(np.float32)
    maps[0, 0, 0] = 90  # as much as in all the others, in a frame that shows no lesion
    assert pointing(maps, masks) == 1
    assert energy(maps, masks) == pytest.approx(0.5)


def test_without_evidence_or_lesion_there_is_no_mark(masks):
    nothing = np.zeros(SHAPE, np.float32)
    assert pointing(nothing, masks) is None
    assert energy(nothing, masks) is None
    assert pointing(uniform_maps(SHAPE), np.zeros(SHAPE, bool)) is None
    assert energy(uniform_maps(SHAPE), np.zeros(SHAPE, bool)) is None


def test_the_heaviest_frame_is_judged_by_how_much_of_the_lesion_it_shows(masks):
    assert lesion_in_view(masks).tolist() == [0, 1, 0.5, 0]
    best = frame_measures(np.array([0.1, 0.7, 0.4, 0.0]), masks)
    assert best["frame_lesion"] == 1
    assert best["frame_lesion_random"] == pytest.approx(0.375)
    assert best["frame_lesion_middle"] == 0.5
    assert best["frame_correlation"] > 0.9
    worst = frame_measures(np.array([0.9, 0.0, 0.1, 0.8]), masks)
    assert worst["frame_lesion"] == 0
    assert worst["frame_correlation"] < -0.7


def test_similarity_is_1_with_itself_0_with_a_constant_and_below_0_upside_down():
    values = np.random.default_rng(0).random((3, 4))
    assert rank_correlation(values, values) == 1
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, np.ones((3, 4))) == 0
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert rank_correlation(np.zeros(4), np.zeros(4)) == 1


def test_the_largest_value_has_rank_0_and_ties_fall_by_chance():
    maps = np.arange(20, dtype=np.float32).reshape(1, 4, 5)
    assert np.array_equal(ranks(maps, np.random.default_rng(0)), 19 - maps)
    flat = np.ones((1, 40, 50), np.float32)
    one, other = (ranks(flat, np.random.default_rng(seed)) < 1000 for seed in (0, 1))
    assert one.sum() == other.sum() == 1000
    assert abs((one & other).sum() - 500) < 80


def test_the_area_below_a_curve_is_its_mean():
    shares = np.linspace(0, 1, 5)
    assert area_below(shares, np.full(5, 0.3)) == pytest.approx(0.3)
    assert area_below(shares, shares) == pytest.approx(0.5)


class Bright(nn.Module):
    """A network of one stage with cells of 8 pixels, whose logit is the mean brightness above mid-grey."""

    merges_frames = False

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(20.0 * sign))

    def features(self, clip):
        return functional.avg_pool3d(functional.relu(clip), (1, 8, 8))

    def head(self, features):
        logit = features.mean((1, 2, 3, 4)) * self.gain - 1
        return torch.stack([-logit / 2, logit / 2], 1)

    def forward(self, clip):
        return self.head(self.features(clip))


def card(name="image"):
    return ModelCard(
        name=name, source=name, network=NetworkConfig.model_validate(load_preset("small")["networks"][name])
    )


def bright_card():
    clip = ClipConfig(frames=1, sampling="keyframe", resize_px=64, side_px=64, channels=1)
    return ModelCard(name="image", source="image", network=NetworkConfig(clip=clip))


def network(name):
    torch.manual_seed(0)
    return build_from_config(name, card(name).network).eval()


def clips_for(name, *, count=1, seed=0):
    clip = card(name).network.clip
    shape = (count, clip.channels, clip.frames, clip.side_px, clip.side_px)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def spot(*, frames=8, row=8, column=40):
    cine = np.full((frames, 64, 64), 128, np.uint8)
    cine[2:5, row : row + 16, column : column + 16] = 255
    masks = np.zeros(cine.shape, bool)
    masks[2:5, row : row + 16, column : column + 16] = True
    return cine, masks


def test_a_network_that_looks_at_the_lesion_beats_uniform_and_centred_maps():
    cine, masks = spot()
    found = lesion_measures(Bright().eval(), bright_card(), cine, masks, np.ones(8, bool))
    assert found["pointing"] == 1
    assert found["pointing_centre"] == 0
    assert found["energy"] > 1.5 * found["energy_uniform"]
    assert found["frame_lesion"] == 1 > found["frame_lesion_random"]


def test_a_mask_of_the_keyframe_alone_judges_that_frame_and_no_weights():
    cine, masks = spot()
    found = lesion_measures(Bright().eval(), bright_card(), cine, masks, np.arange(8) == 3)
    assert found["energy_uniform"] == pytest.approx(16 * 16 / 64**2)
    assert "frame_lesion" not in found


def test_without_a_mask_or_evidence_nothing_is_said_of_the_lesion():
    cine, masks = spot()
    assert list(lesion_measures(Bright().eval(), bright_card(), cine, None, None)) == ["evidence"]
    assert lesion_measures(Bright(sign=-1).eval(), bright_card(), cine, masks, np.ones(8, bool)) == {"evidence": 0.0}


def test_removing_what_the_network_looks_at_lowers_its_score_sooner_than_chance_and_the_centre_do():
    clip = torch.zeros(1, 1, 1, 64, 64)
    clip[..., 2:14, 48:60] = 2.0
    options = {"steps": 8, "generator": np.random.default_rng(0), "batch_size": 8}
    found, made = perturbation_measures(Bright().eval(), clip, **options)
    assert found["deletion"] < min(found["deletion_random"], found["deletion_centre"])
    assert found["insertion"] > max(found["insertion_random"], found["insertion_centre"])
    for by_order in (made.deletion, made.insertion):
        assert len({(scores[0], scores[-1]) for scores in by_order.values()}) == 1
    assert made.deletion["heat"][0] == made.insertion["heat"][-1]


@pytest.mark.parametrize("name", ["image", "tin"])
def test_curves_run_from_the_whole_cine_to_its_blur_for_networks_of_one_frame_and_of_many(name):
    model, clips = network(name), clips_for(name, count=2)
    made = curves(model, clips, steps=2, generator=np.random.default_rng(0), batch_size=1)
    with torch.no_grad():
        whole, nothing = (float(model(each).softmax(1)[:, 1].mean()) for each in (clips, blurred(clips)))
    for order in ("heat", "random", "centre"):
        assert made.deletion[order][[0, -1]] == pytest.approx([whole, nothing], abs=1e-6)
        assert made.insertion[order][[0, -1]] == pytest.approx([nothing, whole], abs=1e-6)
        assert made.deletion[order].shape == made.shares.shape == (3,)


def test_a_blur_keeps_the_grey_and_loses_every_edge():
    clips = torch.zeros(1, 1, 2, 64, 64)
    clips[..., 32:] = 1.0
    soft = blurred(clips)
    assert float(soft.mean()) == pytest.approx(0.5, abs=1e-3)
    assert float(soft.diff(dim=-1).abs().max()) < 0.06
    assert torch.allclose(blurred(torch.full((1, 1, 1, 64, 64), 0.7)), torch.tensor(0.7))


@pytest.mark.parametrize("name", NAMES)
def test_random_weights_give_another_map_and_leave_the_network_as_it_was(name):
    model = network(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    similar = randomised(model, card(name), clips_for(name), seed=5)
    parts = list(dict.fromkeys(key.split(".")[0] for key in model.state_dict()))
    assert list(similar) == parts[::-1]
    assert abs(similar[parts[0]]) < 0.8
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_network_that_is_random_already_with_that_seed_keeps_its_map():
    torch.manual_seed(5)
    model = build_from_config("image", card().network).eval()
    similar = randomised(model, card(), clips_for("image"), seed=5, draws=1)
    assert list(similar.values()) == [1.0] * 7


def test_the_similarity_is_the_mean_over_several_random_networks():
    model, clips = network("image"), clips_for("image")
    alone = [randomised(model, card(), clips, seed=5 + draw, draws=1)["conv1"] for draw in range(2)]
    assert randomised(model, card(), clips, seed=5, draws=2)["conv1"] == pytest.approx(sum(alone) / 2)
