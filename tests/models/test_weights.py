"""A checkpoint is recognised, converted and accounted for, or refused with nothing executed and nothing changed."""

from __future__ import annotations

import gzip
import pickle
import re
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from alnus.clips import normalised
from alnus.errors import WeightsError
from alnus.models import NAMES, build, load_weights

SMALL = {"x3d": 11, "mvit": 10}  # depths; the others 18


def network(name, *, depth=None, **options):
    torch.manual_seed(options.pop("seed", 0))
    return build(name, depth=depth or SMALL.get(name, 18), width=16, num_segments=4, **options).eval()


def clip(frames=4, channels=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, channels, frames, 32, 32, generator=generator)


def same(first, second, video):
    with torch.no_grad():
        return torch.allclose(first(video), second(video), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "module", "lightning", "compiled", "blocks"])
def test_a_checkpoint_gives_its_logits_back_from_any_wrapper(tmp_path, name, wrapped):
    source, target = network(name, seed=1), network(name, seed=2)
    state = source.state_dict()
    content = {
        "bare": state,
        "state_dict": {"state_dict": state, "epoch": 3},
        "module": {"state_dict": OrderedDict((f"module.{key}", value) for key, value in state.items())},
        "lightning": {"state_dict": {f"network.{key}": value for key, value in state.items()}, "global_step": 7},
        "compiled": {"model": {f"module._orig_mod.{key}": value for key, value in state.items()}},
        "blocks": {re.sub(r"(layer2|blocks)\.0\.", r"\1.0._orig_mod.", key): value for key, value in state.items()},
    }[wrapped]
    torch.save(content, tmp_path / "w.pth")
    report = load_weights(target, tmp_path / "w.pth")
    assert same(source, target, clip())
    assert (len(report.loaded), report.missing, report.replaced, report.left) == (len(state), (), (), ())


def test_safetensors_load_as_pth_does(tmp_path):
    source, target = network("tin", seed=1), network("tin", seed=2)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    assert load_weights(target, tmp_path / "w.safetensors").origin == "TIN-ResNet-18 checkpoint of Alnus"
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
    for name in NAMES:
        colour, grey = network(name, seed=1), network(name, seed=2, in_channels=1)
        save_file(colour.state_dict(), tmp_path / f"{name}.safetensors")
        assert len(load_weights(grey, tmp_path / f"{name}.safetensors").folded) == 1
        video = clip(channels=1)
        with torch.no_grad():
            torch.testing.assert_close(grey(video), colour(video.expand(-1, 3, -1, -1, -1)), rtol=1e-4, atol=1e-5)


def test_tin_over_image_weights_is_the_image_network_on_each_frame(tmp_path):
    image, tin = network("image", seed=1).double(), network("tin", seed=2).double()
    save_file(image.state_dict(), tmp_path / "w.safetensors")
    load_weights(tin, tmp_path / "w.safetensors")
    video = clip().double()
    with torch.no_grad():
        torch.testing.assert_close(tin(video), image(video))


def test_tin_over_image_weights_learns_its_offsets_from_the_first_step(tmp_path):
    tin = network("tin").train()
    save_file(network("image", seed=1).state_dict(), tmp_path / "w.safetensors")
    load_weights(tin, tmp_path / "w.safetensors")
    tin(clip().expand(2, -1, -1, -1, -1) * torch.tensor([1.0, 2.0])[:, None, None, None, None])[:, 1].sum().backward()
    for block in (tin.layer1[0], tin.layer2[1], tin.layer3[0]):
        assert block.interlace.offset_net.fc2.bias.grad.abs().min() > 0
        assert block.interlace.weight_net.conv.weight.grad.abs().max() > 0


FIRST = {  # what answers to a picture, up to the first normalisation or bias
    "image": lambda net, x: net.bn1(net.conv1(x[:, :, 0])),
    "mvit": lambda net, x: net.patches(x),
}


@pytest.mark.parametrize("name", ["image", "resnet3d", "r2plus1d", "x3d", "mvit"])
def test_a_grey_network_answers_as_the_colour_network_to_the_same_normalised_picture(tmp_path, name):
    colour, grey = network(name, seed=1).double(), network(name, seed=2, in_channels=1).double()
    for key, value in colour.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_()
    save_file(colour.state_dict(), tmp_path / "w.safetensors")
    load_weights(grey, tmp_path / "w.safetensors", grey="normalised")
    picture = torch.rand(8, 48, 48, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    stem = FIRST.get(name, lambda net, x: net.stem(x))
    with torch.no_grad():
        one = stem(grey, normalised(picture, 1)[None].double())
        three = stem(colour, normalised(picture, 3)[None].double())
    inside = (..., slice(2, -2), slice(2, -2)) if name == "image" else (..., slice(2, -2), slice(2, -2), slice(2, -2))
    torch.testing.assert_close(one[inside], three[inside], rtol=1e-5, atol=1e-5)  # outside lies another grey


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
        "2-D ResNet-18 checkpoint of torchvision or Alnus: 120 tensors loaded, 1 folded to grey, 2 head replaced, "
        "64 new, 2 left; interlacing begins without shifts, each frame by itself"
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
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, not the file itself"),
        (b"<html><body>Not found</body></html>", "is text, not weights"),
        ("\u00e4\u00f6\u00fc ".encode() * 200, "is text, not weights"),
        (b'{"state_dict": 1}', "is text, not weights"),
        (gzip.compress(b"weights", mtime=0), "is compressed by gzip: unpack it first"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_what_it_is(tmp_path, suffix, content, message):
    (tmp_path / f"w.{suffix}").write_bytes(content)
    refused(tmp_path / f"w.{suffix}", message)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("keep", [1, 7, 1000, 400_000])
def test_a_truncated_file_is_refused(tmp_path, suffix, keep):
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    state = network("tin").state_dict()
    save_file(state, whole) if suffix == "safetensors" else torch.save(state, whole)
    path.write_bytes(whole.read_bytes()[:keep])
    refused(path, "is not a whole safetensors file|cannot be read as plain tensors|is text, not weights")


def zipped(path, entries, compression):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("entries", "compression", "message"),
    [
        ({"a/data.pkl": bytes(10**7)}, zipfile.ZIP_DEFLATED, "is a compressed archive, which torch never writes"),
        ({"a/data.pkl": b"", "a/constants.pkl": b""}, zipfile.ZIP_STORED, "is a TorchScript archive, which holds code"),
        ({"weights.pth": b""}, zipfile.ZIP_STORED, "is a zip archive, but not one that torch wrote: unpack it first"),
        ({"a/data.pkl": b"x"}, zipfile.ZIP_STORED, "cannot be read as plain tensors"),
    ],
)
def test_an_archive_that_torch_did_not_write_is_refused(tmp_path, entries, compression, message):
    zipped(tmp_path / "w.pth", entries, compression)
    refused(tmp_path / "w.pth", message)


def test_wrappers_around_themselves_are_refused(tmp_path):
    content: dict[str, object] = {}
    content["state_dict"] = content
    torch.save(content, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "holds no named tensors")


@pytest.mark.parametrize("key", ["teacher.\x1b[31m", "a\nb.", "x" * 501])
def test_names_that_are_none_are_refused_and_not_repeated(tmp_path, key):
    torch.save({f"{key}{name}": value for name, value in network("tin").state_dict().items()}, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "names a tensor by what is no name")


def test_more_tensors_than_any_network_has_are_refused(tmp_path):
    save_file({f"layer1.0.x{number}": torch.zeros(0) for number in range(20_001)}, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", "holds 20001 tensors, more than any network")


@pytest.mark.parametrize("change", [lambda value: value.to_sparse(), lambda value: value.to("meta")])
def test_tensors_without_dense_values_are_refused(tmp_path, change):
    state = network("tin").state_dict()
    torch.save(state | {"conv1.weight": change(state["conv1.weight"])}, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "conv1.weight is no dense tensor with values")


def test_variances_below_zero_are_refused(tmp_path):
    state = network("tin").state_dict()
    save_file(state | {"bn1.running_var": -state["bn1.running_var"]}, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", "bn1.running_var holds variances below zero")


def test_numbers_too_large_for_the_network_are_refused(tmp_path):
    state = network("tin").state_dict()
    save_file(state | {"bn1.bias": torch.full((16,), 1e300, dtype=torch.float64)}, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", "bn1.bias holds NaN or infinite values")


def test_a_stage_that_is_missing_is_refused_by_its_keys(tmp_path):
    state = {key: value for key, value in network("tin").state_dict().items() if "layer3" not in key}
    save_file(state, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", r"does not fit the network: \d+ the file has not \(layer3.0.interlace")


@pytest.mark.parametrize(
    "stated",
    [
        "[" * 5000,
        "[]",
        "null",
        '{"depth": 3}',
        '{"stem_frames": 100000000}',
        '{"stem_frames": -3}',
        '{"stem_pool": "everything"}',
        '{"temporal_stride": 0}',
        '{"epsilon": "small"}',
        '{"inner_epsilon": 0}',
        '{"grid": [100000, 100000, 100000]}',
        '{"grid": [1, 2]}',
    ],
)
def test_a_layout_that_no_network_has_is_refused(tmp_path, stated):
    save_file(network("resnet3d").state_dict(), tmp_path / "w.safetensors", metadata={"layout": stated})
    refused(tmp_path / "w.safetensors", "the layout that its metadata states cannot be read", model=network("resnet3d"))


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
    ("source", "depth", "target", "message"),
    [
        (
            "resnet3d",
            18,
            "tin",
            "this is a ResNet-3D-18 checkpoint of .*; the network is TIN-ResNet-18, which starts from",
        ),
        (
            "tin",
            18,
            "image",
            "this is a TIN-ResNet-18 checkpoint of Alnus; the network is image-ResNet-18, which starts",
        ),
        (
            "r2plus1d",
            18,
            "resnet3d",
            r"this is a R\(2\+1\)D-18 .* ResNet-3D-18, which starts from ResNet-3D or 2-D R",
        ),
        ("image", 50, "image", "this is a 2-D ResNet-50 .*; the network is image-ResNet-18: set depth 50"),
        ("image", 50, "tin", "the network is TIN-ResNet-18: set depth 50"),
        ("resnet3d", 34, "resnet3d", "this is a ResNet-3D-34 .*; the network is ResNet-3D-18: set depth 34"),
        ("x3d", 26, "x3d", "this is an X3D-26 checkpoint of Alnus; the network is X3D-11: set depth 26"),
        ("mvit", 16, "mvit", "this is an MViTv2-16 checkpoint of Alnus; the network is MViTv2-10: set depth 16"),
        (
            "x3d",
            11,
            "resnet3d",
            "this is an X3D-11 .*; the network is ResNet-3D-18, which starts from ResNet-3D or 2-D",
        ),
        ("mvit", 10, "x3d", "this is an MViTv2-10 .*; the network is X3D-11, which starts from X3D"),
        ("image", 18, "mvit", "this is a 2-D ResNet-18 .*; the network is MViTv2-10, which starts from MViTv2"),
    ],
)
def test_another_architecture_or_depth_is_refused_by_name(tmp_path, source, depth, target, message):
    save_file(network(source, depth=depth).state_dict(), tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", message, model=network(target))


def test_a_depth_that_alnus_has_not_is_refused_with_those_it_has(tmp_path):
    state = network("resnet3d", depth=34).state_dict()
    state = {key.replace(".0.weight", ".weight") if "conv" in key else key: value for key, value in state.items()}
    image = {key: value[:, :, 0] if value.ndim == 5 else value for key, value in state.items() if "stem" not in key}
    torch.save(image, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "this is a 2-D ResNet-34 .* TIN-ResNet-18, which has the depths 18, 50")


def test_another_width_is_refused_by_key_and_shape(tmp_path):
    save_file(build("resnet3d", depth=18, width=8).state_dict(), tmp_path / "w.safetensors")
    message = r"stem.0.weight has shape \(8, 3, 3, 7, 7\), the network needs \(16, 3, 3, 7, 7\)"
    refused(tmp_path / "w.safetensors", message, model=network("resnet3d"))


def test_keys_that_fit_nowhere_are_refused_by_name(tmp_path):
    state = network("tin").state_dict()
    state["layer2.0.non_local.g.weight"] = torch.zeros(2)
    del state["layer1.0.bn1.weight"]
    save_file(state, tmp_path / "w.safetensors")
    message = r"1 the network has not \(layer2.0.non_local.g.weight\); 1 the file has not \(layer1.0.bn1.weight\)"
    refused(tmp_path / "w.safetensors", message)


def test_a_file_of_two_networks_is_refused(tmp_path):
    state = network("tin").state_dict()
    both = {f"{role}.{key}": value for key, value in state.items() for role in ("teacher", "student")}
    torch.save(both, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", r"holds 2 networks, behind 'teacher\.', 'student\.': save one of them alone")


def test_what_is_no_network_of_ours_is_refused(tmp_path):
    save_file(network("tin").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="fills the networks of build, not a Linear"):
        load_weights(torch.nn.Linear(2, 2), tmp_path / "w.safetensors")


def test_another_number_of_segments_is_refused_by_shape(tmp_path):
    save_file(build("tin", depth=18, width=16, num_segments=8).state_dict(), tmp_path / "w.safetensors")
    message = r"fc1.weight has shape \(8, 8\), the network needs \(4, 4\): it is a network of 8 segments"
    refused(tmp_path / "w.safetensors", message)


def test_another_head_is_refused_with_the_way_out(tmp_path):
    save_file(network("tin", num_classes=7).state_dict(), tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", r"fc.weight has shape \(7, 128\), .*head='replace'")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_other_precisions_are_brought_to_the_networks_own(tmp_path, dtype, suffix):
    state = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in network("tin").state_dict().items()
    }
    path = tmp_path / f"w.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    target = network("tin", seed=2)
    load_weights(target, path)
    assert target.conv1.weight.dtype == torch.float32
    assert torch.equal(target.conv1.weight, state["conv1.weight"].float())


@pytest.mark.parametrize("value", [torch.int8, torch.complex64, torch.bool])
def test_tensors_that_are_no_real_numbers_are_refused(tmp_path, value):
    state = network("tin").state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"].to(value)
    torch.save(state, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", f"layer1.0.conv1.weight holds {value}, not the real numbers")


def test_a_safetensors_file_under_another_name_is_read(tmp_path):
    source, target = network("tin", seed=1), network("tin", seed=2)
    save_file(source.state_dict(), tmp_path / "w.ckpt")
    load_weights(target, tmp_path / "w.ckpt")
    assert same(source, target, clip())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("length", [2**63, 2**31, 10**9])
def test_a_header_of_impossible_length_is_refused_at_once(tmp_path, suffix, length):
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(length.to_bytes(8, "little") + b'{"a":' + bytes(64))
    refused(path, "is not a whole safetensors file")


def test_parts_of_a_larger_model_are_left_and_named(tmp_path):
    state = {f"network.{key}": value for key, value in network("tin", seed=1).state_dict().items()}
    torch.save({"state_dict": state | {"loss.weight": torch.ones(2)}}, tmp_path / "w.ckpt")
    assert load_weights(network("tin", seed=2), tmp_path / "w.ckpt").left == ("loss.weight",)


def test_records_of_training_beside_the_weights_are_let_through(tmp_path):
    record = {"options": Namespace(lr=0.1), "path": Path("/a"), "best": np.float64(0.5), "curve": np.arange(3.0)}
    torch.save({"state_dict": network("tin", seed=1).state_dict(), **record}, tmp_path / "w.pth")
    assert load_weights(network("tin", seed=2), tmp_path / "w.pth").missing == ()


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    state = network("tin").state_dict()
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, tmp_path / "w.safetensors")
    refused(tmp_path / "w.safetensors", "layer2.0.conv1.weight holds NaN or infinite values")
