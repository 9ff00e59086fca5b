"""A checkpoint is recognised, converted and accounted for, or refused with nothing executed and nothing changed."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alnus.errors import WeightsError
from alnus.models import build, load_weights


def network(name, *, depth=18, **options):
    torch.manual_seed(options.pop("seed", 0))
    return build(name, depth=depth, width=16, num_segments=4, **options).eval()


def clip(frames=4, channels=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, channels, frames, 32, 32, generator=generator)


def same(first, second, video):
    with torch.no_grad():
        return torch.allclose(first(video), second(video), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["image", "r2plus1d", "resnet3d", "tin"])
@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "module", "lightning"])
def test_a_checkpoint_gives_its_logits_back_from_any_wrapper(tmp_path, name, wrapped):
    source, target = network(name, seed=1), network(name, seed=2)
    state = source.state_dict()
    content = {
        "bare": state,
        "state_dict": {"state_dict": state, "epoch": 3},
        "module": {"state_dict": OrderedDict((f"module.{key}", value) for key, value in state.items())},
        "lightning": {"state_dict": {f"model.{key}": value for key, value in state.items()}, "global_step": 7},
    }[wrapped]
    torch.save(content, tmp_path / "w.pth")
    report = load_weights(target, tmp_path / "w.pth")
    assert same(source, target, clip())
    assert (len(report.loaded), report.missing, report.replaced, report.left) == (len(state), (), (), ())


def test_safetensors_load_as_pth_does(tmp_path):
    source, target = network("tin", seed=1), network("tin", seed=2)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    assert load_weights(target, tmp_path / "w.safetensors").origin == "Alnus TIN"
    assert same(source, target, clip())


def test_image_weights_start_tin_and_only_the_interlacing_is_new(tmp_path):
    image, tin = network("image", seed=1, num_classes=5), network("tin", seed=2)
    save_file(image.state_dict(), tmp_path / "w.safetensors")
    report = load_weights(tin, tmp_path / "w.safetensors", head="replace")
    assert report.missing
    assert all(".interlace." in key for key in report.missing)
    assert report.replaced == report.left == ("fc.weight", "fc.bias")
    taken = image.state_dict()
    assert all(torch.equal(value, taken[key]) for key, value in tin.state_dict().items() if key in report.loaded)


def test_a_grey_network_takes_colour_weights_and_answers_the_same_on_grey_input(tmp_path):
    for name in ("image", "r2plus1d", "resnet3d", "tin"):
        colour, grey = network(name, seed=1), network(name, seed=2, in_channels=1)
        save_file(colour.state_dict(), tmp_path / f"{name}.safetensors")
        assert len(load_weights(grey, tmp_path / f"{name}.safetensors").folded) == 1
        video = clip(channels=1)
        with torch.no_grad():
            torch.testing.assert_close(grey(video), colour(video.expand(-1, 3, -1, -1, -1)), rtol=1e-4, atol=1e-5)


def in_x_temporal(key):
    names = {
        ".interlace.offset_net.conv.": ".conv1.net1.biasnet.net.conv.",
        ".interlace.offset_net.fc1.": ".conv1.net1.biasnet.net.fc.",
        ".interlace.offset_net.fc2.": ".conv1.net1.biasnet.net.lastlayer.",
        ".interlace.weight_net.conv.": ".conv1.net1.weightnet.net.lastlayer.",
    }
    for ours, theirs in names.items():
        key = key.replace(ours, theirs)
    if key.startswith("layer") and key.endswith(".conv1.weight"):
        key = key.replace(".conv1.weight", ".conv1.net2.weight")
    return f"module.new_fc.{key[3:]}" if key.startswith("fc.") else f"module.base_model.{key}"


def in_mmaction(key):
    part, _, last = key.rpartition(".")
    if part == "fc":
        return f"cls_head.fc_cls.{last}"
    if ".interlace." in key:
        return "backbone." + key.replace(".interlace.", ".conv1.conv.net1.")
    place, _, layer = part.rpartition(".")
    if layer in ("0", "1"):  # of the shortcut
        return f"backbone.{place}.{'conv' if layer == '0' else 'bn'}.{last}"
    kind = {"c": "conv", "b": "bn"}[layer[0]]
    net = ".net2" if kind == "conv" and layer == "conv1" and place else ""
    return ".".join(["backbone", *([place] if place else []), f"conv{layer[-1]}", kind + net, last])


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize(
    ("rename", "origin"), [(in_x_temporal, "X-Temporal TIN"), (in_mmaction, "MMAction2 TIN")], ids=["x-temporal", "mm"]
)
def test_the_names_of_other_tin_codes_are_known(tmp_path, depth, rename, origin):
    source, target = network("tin", depth=depth, seed=1), network("tin", depth=depth, seed=2)
    theirs = {rename(key): value for key, value in source.state_dict().items()}
    assert not set(theirs) & set(source.state_dict())
    torch.save({"state_dict": theirs}, tmp_path / "w.pth")
    report = load_weights(target, tmp_path / "w.pth")
    assert report.origin == origin
    assert len(report.loaded) == len(theirs)
    assert same(source, target, clip())


@pytest.mark.parametrize("wrapped", ["", ".net"], ids=["tsn", "tsm"])
@pytest.mark.parametrize("target", ["image", "tin"])
def test_the_frame_networks_of_mmaction_start_image_and_tin(tmp_path, target, wrapped):
    source = network("image", depth=50, seed=1)
    theirs = {in_mmaction(key).replace(".net2", wrapped): value for key, value in source.state_dict().items()}
    torch.save({"state_dict": theirs}, tmp_path / "w.pth")
    model = network(target, depth=50, seed=2)
    assert load_weights(model, tmp_path / "w.pth").origin == "MMAction2 TSN/TSM"
    own = model.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in source.state_dict().items())


def test_the_names_that_a_real_mmaction_checkpoint_has_are_translated():
    # from mmaction/models/backbones/resnet_tin.py and resnet.py of MMAction2 1.2.0, read by hand
    assert in_mmaction("layer1.0.conv1.weight") == "backbone.layer1.0.conv1.conv.net2.weight"
    assert (
        in_mmaction("layer1.0.interlace.weight_net.conv.bias")
        == "backbone.layer1.0.conv1.conv.net1.weight_net.conv.bias"
    )
    assert in_mmaction("layer2.0.downsample.1.weight") == "backbone.layer2.0.downsample.bn.weight"
    assert in_mmaction("bn1.running_mean") == "backbone.conv1.bn.running_mean"


def test_counters_that_old_checkpoints_lack_may_be_missing(tmp_path):
    source, target = network("image", seed=1), network("image", seed=2)
    old = {key: value for key, value in source.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "w.pth")
    assert load_weights(target, tmp_path / "w.pth").missing
    assert same(source, target, clip(1))


def test_the_report_is_one_line_for_the_user(tmp_path):
    save_file(network("image", num_classes=9).state_dict(), tmp_path / "w.safetensors")
    report = load_weights(network("tin", in_channels=1), tmp_path / "w.safetensors", head="replace")
    assert str(report) == (
        "image ResNet of torchvision or Alnus: 120 tensors loaded, 1 folded to grey, 2 head replaced, 64 new, 2 left"
    )


def refused(path: Path, message, *, model=None, **options):
    model = network("tin") if model is None else model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(model, path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "none.pth", "no such weights file")


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_a_text_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"notes.{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    refused(path, "is not a whole safetensors file|cannot be read as plain tensors")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("keep", [0, 7, 1000, 400_000])
def test_a_truncated_file_is_refused(tmp_path, suffix, keep):
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    state = network("tin").state_dict()
    save_file(state, whole) if suffix == "safetensors" else torch.save(state, whole)
    path.write_bytes(whole.read_bytes()[:keep])
    refused(path, "is not a whole safetensors file|cannot be read as plain tensors")


class Exploit:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return (Path.write_text, (Path(self.victim), "executed"))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, writer):
    victim, path = tmp_path / "victim", tmp_path / "w.pth"
    content = {"state_dict": {"conv1.weight": Exploit(victim)}}
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    refused(path, "it holds code or objects, which are never run")
    assert not victim.exists()
    path.unlink()
    pickle.loads(pickle.dumps(content))  # the trap is armed: the plain unpickler falls into it
    assert victim.exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(network("tin"), tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "which are never run. Save its state_dict alone")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, torch.zeros(3), {"state_dict": {}}])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "holds no named tensors")


def test_a_network_that_nobody_knows_is_refused(tmp_path):
    save_file({"encoder.weight": torch.zeros(2)}, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", r"no network that Alnus knows has these tensors \(encoder.weight")


@pytest.mark.parametrize(
    ("source", "depth", "target"), [("resnet3d", 18, "tin"), ("tin", 18, "image"), ("image", 50, "image")]
)
def test_another_architecture_is_refused_by_key(tmp_path, source, depth, target):
    save_file(network(source, depth=depth).state_dict(), tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", r"does not fit the network: \d+ .* \(.+\)", model=network(target))


def test_another_number_of_segments_is_refused_by_shape(tmp_path):
    save_file(build("tin", depth=18, width=16, num_segments=8).state_dict(), tmp_path / "w.safetensors")
    message = r"layer1.0.interlace.offset_net.fc1.weight has shape \(8, 8\), the network needs \(4, 4\)"
    refused(tmp_path / "w.safetensors", message)


def test_another_head_is_refused_with_the_way_out(tmp_path):
    save_file(network("tin", num_classes=7).state_dict(), tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", r"fc.weight has shape \(7, 128\), .*head='replace'")


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    state = network("tin").state_dict()
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", "layer2.0.conv1.weight holds NaN or infinite values")
