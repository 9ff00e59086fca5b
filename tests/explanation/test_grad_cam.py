"""The maps agree with captum, lie where the evidence is, and cost one forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch.nn import functional

from alnus.clips import clip_tensor
from alnus.config import ClipConfig, NetworkConfig
from alnus.explanation import explain_clip, frame_weights, grad_cam
from alnus.explanation.heat import every_frame
from alnus.explanation.tiling import tiles
from alnus.models import NAMES, Layout, ModelCard, build

FRAMES = 8


SIZES = {"x3d": {"depth": 11, "width": 12}, "mvit": {"depth": 10, "width": 24}}
LAST = {"x3d": "last"}  # of the other convolutional networks layer4
CONVOLUTIONAL = [name for name in NAMES if name != "mvit"]  # a transformer's grid of tokens is no module's output


def network(name):
    torch.manual_seed(0)
    sizes = SIZES.get(name, {"depth": 18, "width": 16})
    made = build(name, in_channels=1, num_segments=FRAMES, **sizes).eval()
    torch.nn.init.normal_(made.fc.weight, mean=0.2)  # both classes find some evidence
    return made


def clip(name, *, batch=2, side=64):
    frames = 1 if name == "image" else FRAMES
    return torch.randn(batch, 1, frames, side, side, generator=torch.Generator().manual_seed(1))


def cells_by_captum(model, video, target, *, stage="layer4"):
    map_ = LayerGradCam(model, getattr(model, stage)).attribute(video, target=target, relu_attributions=True)
    if map_.ndim == 4:  # a network of frames: (batch * frames, 1, h, w)
        map_ = map_.reshape(len(video), -1, 1, *map_.shape[2:]).transpose(1, 2)
    return map_.detach()


def by_captum(model, video, target, **stage):
    map_ = cells_by_captum(model, video, target, **stage)
    return functional.interpolate(map_, size=video.shape[2:], mode="trilinear")[:, 0].detach()


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_the_map_is_that_of_captum(name, target):
    model, video = network(name), clip(name)
    expected = by_captum(model, video, target, stage=LAST.get(name, "layer4"))
    assert expected.max() > 0
    ours = grad_cam(model, video, target=target)
    assert ours.shape == (2, video.shape[2], 64, 64)
    assert (ours - expected).abs().max() <= 1e-5 * expected.max()


@pytest.mark.parametrize("name", ["resnet3d", "r2plus1d"])
def test_the_frames_weights_of_a_network_that_merges_them_are_captums_at_its_first_stage(name):
    model, video = network(name), clip(name)
    expected = cells_by_captum(model, video, 1, stage="layer1")[:, 0].mean((2, 3))
    found = explain_clip(model, video, with_evidence=True)
    assert (found.evidence - expected).abs().max() <= 1e-5 * expected.max()
    assert (found.cam - grad_cam(model, video)).abs().max() <= 1e-5 * found.cam.max()  # the same pass, recorded earlier


@pytest.mark.parametrize("name", ["image", "tin", "resnet3d", "x3d"])
def test_the_map_of_every_frame_of_a_cine_is_captums_clip_by_clip(name):
    sampling = {"image": "keyframe", "tin": "segments"}.get(name, "dense")
    frames = 1 if name == "image" else FRAMES
    size = {"resize_px": 64, "side_px": 64, "channels": 1}
    config = NetworkConfig(clip=ClipConfig(frames=frames, sampling=sampling, stride=2, **size))
    model, card = network(name), ModelCard(name=name, source=name, network=config)
    cine = np.random.default_rng(0).integers(0, 256, (19, 64, 64), dtype=np.uint8)
    maps = [[] for _ in cine]
    for indices in tiles(len(cine), config.clip):
        video = clip_tensor(cine[indices], config.clip)[None]
        cells = cells_by_captum(model, video, 1, stage=LAST.get(name, "layer4"))
        in_time = functional.interpolate(cells, size=(frames, *cells.shape[3:]), mode="trilinear")[0, 0]
        for index, map_ in zip(indices, in_time, strict=True):
            maps[index].append(map_)
    expected = torch.stack([torch.stack(found).mean(0) for found in maps]).numpy()
    found, _, _ = every_frame(model, card, cine)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


@pytest.mark.parametrize("name", NAMES)
def test_the_probability_of_the_same_pass_is_the_networks(name):
    model, video = network(name), clip(name)
    with torch.no_grad():
        expected = model(video).softmax(1)[:, 1]
    torch.testing.assert_close(explain_clip(model, video).probability, expected)


def test_one_map_costs_one_forward_pass_below_the_last_stage(monkeypatch):
    model, passes = network("resnet3d"), []
    model.stem.register_forward_hook(lambda *_: passes.append("forward"))
    model.layer4.register_full_backward_hook(lambda *_: passes.append("backward"))
    grad_cam(model, clip("resnet3d"))
    assert passes == ["forward"]


@pytest.mark.parametrize("name", NAMES)
def test_explaining_leaves_no_trace_in_the_network(name):
    model = network(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    grad_cam(model, clip(name))
    frame_weights(model, clip(name))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def looks_for_brightness(name):
    """A network whose logit for class 1 is the mean of its last stage, so that only bright content counts."""
    model = network(name)
    torch.nn.init.ones_(model.fc.weight[1:])
    torch.nn.init.constant_(model.fc.weight[:1], -1.0)
    torch.nn.init.zeros_(model.fc.bias)
    return model


def with_a_spot(name, *, frame, row=24, column=24, side=64):
    video = torch.zeros_like(clip(name, batch=1, side=side))
    video[:, :, frame, row : row + side // 8, column : column + side // 8] = 3.0
    return video


@pytest.mark.parametrize("corner", [(8, 136), (136, 8)])
@pytest.mark.parametrize("name", ["image", "r2plus1d", "resnet3d", "tin"])
def test_the_map_lies_on_the_only_content_of_the_clip(name, corner):
    row, column = corner
    video = with_a_spot(name, frame=0 if name == "image" else 4, row=row, column=column, side=160)
    heat = grad_cam(looks_for_brightness(name), video)[0].sum(0)
    quarters = heat.reshape(2, 80, 2, 80).sum((1, 3)) / heat.sum()
    assert quarters[row // 80, column // 80] == quarters.max()
    assert quarters.max() > 0.4


@pytest.mark.parametrize("frame", [1, 4, 6])
@pytest.mark.parametrize(("name", "slack"), [("tin", 0), ("resnet3d", 2), ("r2plus1d", 2)])
def test_the_frame_with_the_only_content_weighs_most(name, slack, frame):
    # a 3-D network's random filters have mixed neighbouring frames before its first stage ends: two frames of slack
    weights = frame_weights(looks_for_brightness(name), with_a_spot(name, frame=frame))
    assert abs(int(weights.argmax()) - frame) <= slack
    assert weights.sum() == pytest.approx(1)


def test_every_frame_has_a_weight_where_the_stem_pools_frames():
    model = build("resnet3d", depth=18, width=4, in_channels=1, layout=Layout(stem_frames=7, stem_pool="voxels")).eval()
    assert frame_weights(model, clip("resnet3d")).shape == (2, FRAMES)
    assert grad_cam(model, clip("resnet3d")).shape == (2, FRAMES, 64, 64)


@pytest.mark.parametrize("name", ["image", "r2plus1d", "resnet3d", "tin"])
def test_without_evidence_there_is_no_map(name):
    model = looks_for_brightness(name)
    nothing = grad_cam(model, with_a_spot(name, frame=0), target=0)
    assert nothing.max() == 0


def test_a_network_in_training_mode_is_refused():
    model = network("tin").train()
    for explain in (grad_cam, frame_weights):
        with pytest.raises(ValueError, match=r"call \.eval\(\) first"):
            explain(model, clip("tin"))
