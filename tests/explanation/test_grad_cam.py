"""The maps agree with captum, lie where the evidence is, and cost one forward pass."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam
from torch.nn import functional

from alnus.explanation import explain_clip, frame_weights, grad_cam
from alnus.models import NAMES, Layout, build

FRAMES = 8


def network(name, *, depth=18):
    torch.manual_seed(0)
    made = build(name, depth=depth, width=16, in_channels=1, num_segments=FRAMES).eval()
    torch.nn.init.normal_(made.fc.weight, mean=0.2)  # both classes find some evidence
    return made


def clip(name, *, batch=2, side=64):
    frames = 1 if name == "image" else FRAMES
    return torch.randn(batch, 1, frames, side, side, generator=torch.Generator().manual_seed(1))


def by_captum(model, video, target):
    map_ = LayerGradCam(model, model.layer4).attribute(video, target=target, relu_attributions=True)
    if map_.ndim == 4:  # a network of frames: (batch * frames, 1, h, w)
        map_ = map_.reshape(len(video), -1, 1, *map_.shape[2:]).transpose(1, 2)
    return functional.interpolate(map_, size=video.shape[2:], mode="trilinear")[:, 0].detach()


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_the_map_is_that_of_captum(name, target):
    model, video = network(name), clip(name)
    expected = by_captum(model, video, target)
    assert expected.max() > 0
    ours = grad_cam(model, video, target=target)
    assert ours.shape == (2, video.shape[2], 64, 64)
    assert (ours - expected).abs().max() <= 1e-5 * expected.max()


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
    assert not model.layer1._forward_hooks


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
@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", NAMES)
def test_without_evidence_there_is_no_map(name):
    model = looks_for_brightness(name)
    nothing = grad_cam(model, with_a_spot(name, frame=0), target=0)
    assert nothing.max() == 0


def test_a_network_in_training_mode_is_refused():
    model = network("tin").train()
    for explain in (grad_cam, frame_weights):
        with pytest.raises(ValueError, match=r"call \.eval\(\) first"):
            explain(model, clip("tin"))
