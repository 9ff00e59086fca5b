"""X3D keeps every frame, gates by the whole clip, and takes PySlowFast's and PyTorchVideo's shortcuts."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from alnus.config import ClipConfig, NetworkConfig
from alnus.explanation import explain_clip
from alnus.models import Layout, ModelCard, build, load_model, load_weights, save_model
from alnus.models.x3d import Gate, gate_channels


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(*, seed=0, **options):
    torch.manual_seed(seed)
    return build("x3d", depth=11, width=8, **options).eval()


@pytest.mark.parametrize(("channels", "narrow"), [(54, 8), (108, 8), (216, 16), (432, 32), (8, 8), (18, 8)])
def test_a_gate_is_as_narrow_as_the_source_rounds(channels, narrow):
    # 54 to 432 are X3D-M's; 432 / 16 = 27, and 24 would be more than a tenth below it
    assert gate_channels(channels) == narrow


def test_every_frame_reaches_the_last_stage_and_has_its_own_map():
    clip = random(2, 3, 5, 64, 64)
    explained = explain_clip(small(), clip, with_evidence=True)
    assert small().features(clip).shape == (2, 144, 5, 2, 2)
    assert explained.cells.shape == (2, 5, 2, 2)
    assert explained.evidence.shape == (2, 5)


def test_a_gate_weighs_by_the_mean_of_the_whole_clip():
    torch.manual_seed(0)
    gate, x = Gate(16), random(1, 16, 3, 4, 4)
    mixed = x[:, :, torch.tensor([2, 0, 1])].flip(3)
    with torch.no_grad():
        torch.testing.assert_close(gate(mixed), gate(x)[:, :, torch.tensor([2, 0, 1])].flip(3))
        share = gate(x) / x
    torch.testing.assert_close(share, share[:, :, :1, :1, :1].expand_as(share))
    assert share.min() > 0
    assert share.max() < 1


def test_blocks_are_gated_in_turn_from_the_first_of_each_stage():
    network = build("x3d", depth=26, width=8)
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        assert [block.gate is not None for block in stage] == [place % 2 == 0 for place in range(len(stage))]


def test_a_clip_may_lie_in_memory_in_any_order():
    network, clip = small().double(), random(1, 3, 4, 32, 32).double()
    with torch.no_grad():
        expected = network(clip)
        torch.testing.assert_close(network(clip.to(memory_format=torch.channels_last_3d)), expected)
        torch.testing.assert_close(network(clip.transpose(3, 4).contiguous().transpose(3, 4)), expected)


def test_a_shortcut_without_normalisation_is_taken_over_and_kept_when_saved(tmp_path):
    bare = Layout(bare_shortcut=True)
    source, target, clip = small(layout=bare), small(seed=2), random(1, 3, 4, 32, 32)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    report = load_weights(target, tmp_path / "w.safetensors")
    assert report.notes == ("the network takes the layout of Alnus",)
    network = NetworkConfig(depth=11, width=8, clip=ClipConfig(frames=4, side_px=32))
    save_model(tmp_path / "x3d", target, ModelCard(name="x3d", source="x3d", network=network))
    loaded, card = load_model(tmp_path / "x3d")
    assert card.layout == loaded.layout == bare
    with torch.no_grad():
        assert torch.equal(source(clip), loaded(clip))


def test_pyslowfasts_names_are_understood(tmp_path):
    source, target, clip = small(), small(seed=2), random(1, 3, 4, 32, 32)
    theirs = {}
    for key, value in source.state_dict().items():
        for ours, whose in (
            ("stem.space.", "s1.pathway0_stem.conv_xy."),
            ("stem.time.", "s1.pathway0_stem.conv."),
            ("stem.norm.", "s1.pathway0_stem.bn."),
            *((f"layer{stage}.", f"s{stage + 1}.pathway0_res") for stage in (1, 2, 3, 4)),
            *((f".conv{place}.", f".branch2.{letter}.") for place, letter in enumerate("abc", 1)),
            *((f".bn{place}.", f".branch2.{letter}_bn.") for place, letter in enumerate("abc", 1)),
            (".gate.narrow.", ".branch2.se.fc1."),
            (".gate.widen.", ".branch2.se.fc2."),
            (".downsample.0.", ".branch1."),
            (".downsample.1.", ".branch1_bn."),
            ("last.0.", "head.conv_5."),
            ("last.1.", "head.conv_5_bn."),
            ("projection.", "head.lin_5."),
        ):
            key = key.replace(ours, whose)
        theirs[key.replace("fc.", "head.projection.") if key.startswith("fc.") else key] = value
    theirs["head.lin_5.weight"] = theirs["head.lin_5.weight"][:, :, None, None, None]
    torch.save({"model_state": theirs}, tmp_path / "w.pyth")
    report = load_weights(target, tmp_path / "w.pyth")
    assert (report.origin, report.notes) == ("X3D-11 checkpoint of PySlowFast", ())
    with torch.no_grad():
        assert torch.equal(source(clip), target(clip))
