"""A 3-D network inflated from a 2-D one sees in a still what the 2-D network sees, and keeps its layout on disk."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from alnus.config import NetworkConfig
from alnus.errors import WeightsError
from alnus.models import ModelCard, build, load_model, load_weights, save_model
from alnus.models.layout import HARA, MMACTION_R2PLUS1D, Layout

POOLED = Layout(stem_pool="space", middle="convolution")  # the 2-D network pools after its stem


def image(depth=18):
    """A 2-D network whose norms have statistics of their own."""
    torch.manual_seed(1)
    made = build("image", depth=depth, width=8, num_classes=5).double().eval()
    for key, value in made.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(std=0.1)
        if key.endswith("running_var"):
            value.uniform_(0.8, 1.2)
    return made


def still(frames):
    picture = torch.randn(1, 3, 1, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return picture, picture.expand(-1, -1, frames, -1, -1)


def inflated(name, source, path, *, layout=POOLED, depth=18):
    save_file(source.state_dict(), path)
    torch.manual_seed(3)
    made = build(name, depth=depth, width=8, num_classes=5, layout=layout).double().eval()
    return made, load_weights(made, path)


def without_time_strides(layout):
    return Layout(stem_pool=layout.stem_pool, middle=layout.middle, temporal_stride=1)


@pytest.mark.parametrize("depth", [18, 50])
def test_far_from_both_ends_an_inflated_resnet3d_has_the_features_of_the_2d_network(tmp_path, depth):
    source = image(depth)
    made, _ = inflated("resnet3d", source, tmp_path / "w.safetensors", layout=without_time_strides(POOLED), depth=depth)
    reach = 17  # frames to each side: one for the stem, one for each of sixteen 3 x 3 x 3 kernels
    picture, video = still(2 * reach + 3)
    with torch.no_grad():
        features, expected = made.features(video), source.features(picture)
    torch.testing.assert_close(features[:, :, reach + 1], expected[:, :, 0])
    assert not torch.allclose(features[:, :, 0], expected[:, :, 0], rtol=1e-3)  # zeros enter at the ends


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("frames", [1, 3, 8])
def test_an_inflated_r2plus1d_answers_to_a_still_as_the_2d_network(tmp_path, depth, frames):
    source = image(depth)
    made, report = inflated("r2plus1d", source, tmp_path / "w.safetensors", depth=depth)
    picture, video = still(frames)
    with torch.no_grad():
        torch.testing.assert_close(made(video), source(picture))
    assert "inflated from planes" in str(report)


def test_an_inflated_r2plus1d_learns_in_every_parameter(tmp_path):
    made, _ = inflated("r2plus1d", image(), tmp_path / "w.safetensors")
    made.train()
    video = torch.randn(3, 3, 4, 32, 32, dtype=torch.float64)
    for _ in range(2):  # spare channels have no say before the first step
        made.zero_grad()
        made(video)[:, 1].sum().backward()
        dead = [key for key, value in made.named_parameters() if not value.grad.any()]
        with torch.no_grad():
            for value in made.parameters():
                value -= 0.01 * value.grad
    assert dead == []


def test_torchvisions_r2plus1d_takes_the_middle_channels_that_a_plane_stem_needs(tmp_path):
    made, report = inflated("r2plus1d", image(), tmp_path / "w.safetensors", layout=None)
    assert made.layout == Layout(middle="convolution")
    assert "takes the middle channels by the paper's count" in str(report)
    assert "whose stem is followed by a pooling that is not here" in str(report)


def test_a_given_layout_that_cannot_hold_the_plane_stem_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"the file has not \(.*stem"):
        inflated("r2plus1d", image(), tmp_path / "w.safetensors", layout=Layout())


def test_a_grey_3d_network_starts_from_colour_planes(tmp_path):
    source = image()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    grey = build("r2plus1d", depth=18, width=8, num_classes=5, in_channels=1, layout=POOLED).double().eval()
    assert load_weights(grey, tmp_path / "w.safetensors").folded == ("stem.0.weight",)
    video = torch.randn(1, 1, 2, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        each = source(video[:, :, [0]].expand(-1, 3, -1, -1, -1))
        torch.testing.assert_close(grey(video[:, :, [0, 0]]), each)


def test_a_tsm_does_not_inflate(tmp_path):
    state = {
        key.replace("conv1.weight", "conv1.net.weight") if "layer" in key else key: value
        for key, value in image().state_dict().items()
    }
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"this is a TSM-ResNet-18 .* X-Temporal; the network is ResNet-3D-18"):
        load_weights(build("resnet3d", width=8), tmp_path / "w.pth")


@pytest.mark.parametrize(("name", "layout"), [("resnet3d", HARA), ("r2plus1d", MMACTION_R2PLUS1D)])
def test_a_layout_is_kept_on_disk_with_the_weights(tmp_path, name, layout):
    torch.manual_seed(0)
    model = build(name, depth=18, width=4, layout=layout).eval()
    card = ModelCard(name=name, source=name, network=NetworkConfig(depth=18, width=4))
    save_model(tmp_path / name, model, card.model_copy())
    loaded, card = load_model(tmp_path / name)
    again = build(name, depth=18, width=4).eval()
    load_weights(again, tmp_path / name / "model.safetensors")
    clip = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(clip), model(clip))
        assert torch.equal(again(clip), model(clip))
    assert card.layout == again.layout == layout


def test_a_network_keeps_its_own_head_when_it_takes_a_layout(tmp_path):
    torch.save(build("resnet3d", depth=18, width=4, layout=HARA, num_classes=7).state_dict(), tmp_path / "w.pth")
    model = build("resnet3d", depth=18, width=4)
    kept = model.fc.weight.clone()
    load_weights(model, tmp_path / "w.pth", head="replace")
    assert torch.equal(model.fc.weight, kept)
    assert model.layout.stem_frames == 7
