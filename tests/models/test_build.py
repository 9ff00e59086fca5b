"""Every network has the stated shape, learns in every parameter, and mixes what it says it mixes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from alnus.config import NETWORKS, PRESETS, ClipConfig, NetworkConfig, load_preset
from alnus.errors import ConfigError
from alnus.models import NAMES, Layout, build, build_from_config, describe, facts

SIZES = [(name, depth) for name in NAMES for depth in facts(name).depths]
FRAMES = 4


def small(name, *, depth=None, frames=FRAMES, **options):
    torch.manual_seed(0)
    depth = depth or sorted(facts(name).depths)[0]
    return build(name, depth=depth, width=16, num_segments=frames, **options)


def clip(name, *, batch=2, frames=FRAMES, channels=3, side=32):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, 1 if name == "image" else frames, side, side, generator=generator)


def test_the_networks_are_those_of_the_configuration():
    assert NAMES == NETWORKS == ("image", "mvit", "r2plus1d", "resnet3d", "tin", "x3d")


def test_listing_the_networks_imports_no_torch():
    program = "import sys, alnus.models as m; assert m.NAMES and m.facts('tin'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(("name", "depth"), SIZES)
def test_a_clip_becomes_one_logit_a_class(name, depth):
    network = small(name, depth=depth, num_classes=3, in_channels=1).eval()
    with torch.no_grad():
        logits = network(clip(name, channels=1))
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("name", "depth"), SIZES)
def test_a_gradient_reaches_every_parameter(name, depth):
    network = small(name, depth=depth).train()
    # several clips: a rectified unit of TIN's offset network that is dead for one clip lives for another
    network(clip(name, batch=6)).logsumexp(1).sum().backward()
    dead = {key for key, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()}
    # MViT answers by its class token: what its last block asks for the other tokens is not read, as in torchvision
    unread = ("pool_q.conv.weight", "positions.frames", "positions.rows", "positions.columns")
    assert dead == ({f"blocks.{depth - 1}.attn.{key}" for key in unread} if name == "mvit" else set())


@pytest.mark.parametrize("name", NAMES)
def test_a_network_computes_in_float64_as_in_float32(name):
    network = small(name).eval()
    with torch.no_grad():
        single = network(clip(name))
        double = network.double()(clip(name).double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(single, double.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_clips_of_a_batch_do_not_mix(name):
    network = small(name).eval()
    both = clip(name)
    with torch.no_grad():
        torch.testing.assert_close(network(both)[1:], network(both[1:]))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "image"])
def test_a_video_network_answers_otherwise_when_the_frames_are_reversed(name):
    network = small(name).double().eval()
    forward = clip(name).double()
    with torch.no_grad():
        assert not torch.allclose(network(forward), network(forward.flip(2)), rtol=1e-6)


def test_the_image_network_does_not_know_the_order_of_frames():
    network = small("image").double().eval()
    forward = clip("tin").double()
    with torch.no_grad():
        torch.testing.assert_close(network(forward), network(forward.flip(2)))


def test_in_the_image_network_no_frame_sees_another():
    network, changed = small("image").eval(), clip("tin")
    with torch.no_grad():
        before = network.features(changed)
        changed[:, :, 2] += 1
        differs = (network.features(changed) - before).abs().amax((0, 1, 3, 4)) > 0
    assert differs.tolist() == [False, False, True, False]


def test_in_tin_a_frame_reaches_its_neighbours():
    network, changed = small("tin").eval(), clip("tin")
    with torch.no_grad():
        before = network.features(changed)
        changed[:, :, 2] += 1
        differs = (network.features(changed) - before).abs().amax((0, 1, 3, 4)) > 0
    assert differs.all()


def neutral(tin):
    """Interlacing that does nothing: offsets 0, weights 1."""
    for key, parameter in tin.named_parameters():
        if "offset_net.fc2" in key or "weight_net" in key:
            torch.nn.init.zeros_(parameter)
    return tin


@pytest.mark.parametrize("frames", [1, FRAMES])
@pytest.mark.parametrize("depth", [18, 50])
def test_tin_without_offsets_is_the_image_network_on_each_frame(frames, depth):
    tin = neutral(small("tin", depth=depth, frames=frames)).double().eval()
    image = small("image", depth=depth).double().eval()
    image.load_state_dict({key: value for key, value in tin.state_dict().items() if ".interlace." not in key})
    video = clip("tin", frames=frames).double()
    with torch.no_grad():
        each = torch.stack([image(video[:, :, [frame]]) for frame in range(frames)]).mean(0)
        torch.testing.assert_close(tin(video), each)
        torch.testing.assert_close(image(video), each)


def test_the_published_size_has_the_published_cost():
    # torchvision's documented parameters: ImageNet's 1000 classes for the images, Kinetics' 400 for the videos
    rows = {(row.name, row.depth): row for row in describe(num_classes=400)}
    assert set(rows) == set(SIZES)
    assert rows["image", 18].parameters == 11_689_512 - 600 * 513
    assert rows["image", 50].parameters == 25_557_032 - 600 * 2049
    assert rows["resnet3d", 18].parameters == 33_371_472
    assert rows["r2plus1d", 18].parameters == 31_505_325
    assert rows["resnet3d", 18].gflops == pytest.approx(2 * 40.70, abs=0.01)
    assert rows["r2plus1d", 18].gflops == pytest.approx(2 * 40.52, abs=0.01)
    assert rows["tin", 50].gflops < 1.01 * 8 * rows["image", 50].gflops
    assert rows["mvit", 16].parameters == 34_537_744
    assert rows["x3d", 26].parameters == 3_794_274 + 48  # PyTorchVideo's, whose first shortcut is not normalised
    assert rows["x3d", 26].gflops == pytest.approx(2 * 4.73, abs=0.01)
    # torchvision's 64.2 G multiplications, and those of places in the product of query and key
    assert 2 * 64.2 < rows["mvit", 16].gflops < 2 * 64.2 * 1.04


def test_a_configuration_builds_its_network():
    network = NetworkConfig(depth=18, width=16, clip=ClipConfig(frames=6, channels=1))
    built = build_from_config("tin", network)
    assert built.frames == 6
    assert built.conv1.weight.shape == (16, 1, 7, 7)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_builds_each_network_at_its_width(name, preset):
    network = NetworkConfig.model_validate(load_preset(preset)["networks"][name])
    with torch.device("meta"):
        built = build_from_config(name, network)
    assert len(built.state_dict()["fc.bias"]) == 2
    if preset == "paper":
        assert network.depth == facts(name).depths[0]
        assert len(next(built.parameters())) in (facts(name).width, 45)  # R(2+1)D's stem has 45 channels before 64
        assert (network.clip.frames, network.clip.side_px) == (facts(name).frames, facts(name).side_px)


def test_dropout_falls_before_the_last_layer_and_only_in_training():
    network = small("image", dropout=0.99)
    features = torch.ones(1, 128, 1, 1, 1)
    torch.testing.assert_close(network.eval().head(features), network.fc(torch.ones(1, 128)))
    assert not torch.allclose(network.train().head(features), network.fc(torch.ones(1, 128)))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "tin",
            {"layout": Layout()},
            "tin: layout is of the networks over space and time: mvit, r2plus1d, resnet3d and",
        ),
        ("x3d", {"stochastic_depth": 0.1}, "x3d: stochastic_depth is of mvit; set it to 0"),
        ("mvit", {"depth": 18}, "mvit: depth 18 is not one of 10, 16, 24"),
        ("x3d", {"width": 0}, "x3d: width must be at least 1, not 0"),
        ("alexnet", {}, "network: 'alexnet' is not one of image, mvit, r2plus1d, resnet3d, tin, x3d"),
        ("r2plus1d", {"depth": 101}, "r2plus1d: depth 101 is not one of 18, 34, 50"),
        ("tin", {"depth": 34}, "tin: depth 34 is not one of 18, 50"),
        ("tin", {"width": 24}, "tin: width must be a multiple of 16 .*: 24"),
        ("image", {"num_classes": 0}, "image: num_classes must be at least 1, not 0"),
        ("tin", {"num_segments": 0}, "tin: num_segments must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build(name, **options)


def test_tin_refuses_a_clip_of_another_length():
    with pytest.raises(ValueError, match="clips of 4 frames, not 5"):
        small("tin")(clip("tin", frames=5))


def test_a_traced_tin_gives_the_same_logits_for_another_batch():
    network = small("tin").eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(network, (clip("tin"),), dynamic_shapes=({0: batch},)).module()
    other = clip("tin", batch=3)
    with torch.no_grad():
        torch.testing.assert_close(exported(other), network(other))
