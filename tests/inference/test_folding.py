import pytest
import torch
from torch import nn

from alnus.inference.folding import folded
from alnus.inference.graph import plain
from alnus.inference.interlaced import InterlacedResNet, PlannedInterlace
from alnus.models import build, lay_kernels_channels_last
from alnus.models.interlacing import TemporalInterlace

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
SMALL = [
    ("image", 18, 1),
    ("image", 50, 1),
    ("resnet3d", 18, 4),
    ("resnet3d", 50, 4),
    ("r2plus1d", 18, 4),
    ("tin", 18, 4),
]


def lively(network):
    """Random weights whose every normalisation, offset and weight does something."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, NORMS):
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.1)
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
            if isinstance(module, TemporalInterlace):
                module.offset_net.fc2.bias.copy_(torch.randn(2, generator=generator) * 2)
    return network.double().eval()


def difference(network, other, *shape):
    clip = torch.randn(2, *shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.inference_mode():
        expected = network(clip)
        return float((other(clip) - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(("name", "depth", "frames"), [*SMALL, ("tin", 50, 4)])
def test_folding_the_normalisations_changes_no_logit(name, depth, frames):
    network = lively(build(name, depth=depth, width=16, num_segments=frames))
    made = folded(network)
    assert difference(network, made, 3, frames, 32, 40) < 1e-12
    assert difference(network, plain(made), 3, frames, 32, 40) < 1e-12
    assert not any(isinstance(module, NORMS) for module in made.modules())


def test_folding_leaves_the_network_itself_alone():
    network = lively(build("resnet3d", depth=18, width=4))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_folded_tin_lies_wholly_on_the_networks_device():
    elsewhere = torch.device("meta")  # as a GPU: no tensor of the CPU's may meet its own
    made = folded(build("tin", depth=18, width=16, num_segments=4).eval().to(elsewhere))
    assert made(torch.zeros(2, 3, 4, 32, 40, device=elsewhere)).shape == (2, 2)
    assert {buffer.device for buffer in made.buffers()} == {elsewhere}


@pytest.mark.parametrize("logits", [(900.0, -900.0), (9.0, -9.0), (0.0, 0.3), (-9.0, 0.5)])
def test_the_planned_interlace_moves_frames_as_the_trained_one_also_past_both_ends(logits):
    torch.manual_seed(0)
    trained = TemporalInterlace(32, 5).double()
    with torch.no_grad():
        trained.offset_net.fc2.weight.zero_()
        trained.offset_net.fc2.bias.copy_(torch.tensor(logits))
    x = torch.randn(2 * 5, 32, 3, 4, dtype=torch.float64)
    planned, expected = PlannedInterlace(trained).double(), trained(x)[:, :8]
    torch.testing.assert_close(planned(x[:, :8]), expected, rtol=0, atol=1e-12)
    last = planned(x[:, :8].contiguous(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_a_tin_with_its_channels_last_gives_the_trained_ones_logits(frames):
    network = lively(build("tin", depth=50, width=16, num_segments=frames))
    made = folded(network)
    lay_kernels_channels_last(made)
    assert difference(network, made, 3, frames, 32, 40) < 1e-12


def test_the_full_size_tin_laid_out_in_parts_gives_the_trained_ones_logits():
    torch.manual_seed(0)
    network = build("tin", in_channels=1).eval()
    made = folded(network)
    assert isinstance(made, InterlacedResNet)
    clip = torch.randn(1, 1, 8, 224, 224)
    with torch.inference_mode():
        expected = network(clip)
        assert float((made(clip) - expected).abs().max() / expected.abs().max()) < 1e-4
