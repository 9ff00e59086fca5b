"""A checkpoint of another code base gives its own logits here, for random weights, in float64 and float32.

The rivals are written anew in tests/rivals.py. MMAction2's own modules (1.2.0, its CUDA shift replaced by a loop) were
compared with those once: see docs/decisions/0009-starting-weights.md.
"""

from __future__ import annotations

import pytest
import torch

from alnus.models import build, load_weights
from rivals import VMZ, HaraSplit, MMFrames, MMVideo, PlainVideo, XFrames

WIDTH, NARROW, CLASSES, SEGMENTS = 16, 4, 5, 8  # TIN needs 16 channels, the 3-D networks do not


def randomised(network, seed=0):
    """Every tensor random, norms' statistics too; TIN's offsets differ between clips and come near both limits."""
    generator = torch.Generator().manual_seed(seed)
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(value.shape, generator=generator)
        if value.ndim > 1:
            steep = 3.0 if key.endswith(("fc2.weight", "biasnet.net.lastlayer.weight")) else 1.4
            value.copy_(noise * steep / value[0].numel() ** 0.5)
        else:
            value.copy_(0.2 * noise.abs() + 0.9 if key.endswith(("running_var", "weight")) else 0.2 * noise)
    return network.double().eval()


def clip(frames=SEGMENTS, side=24):
    return torch.randn(2, 3, frames, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def agree(theirs, name, depth, path, *, frames=SEGMENTS, wrap=None):
    """Save theirs, load it here, and compare the logits in both precisions; returns the report."""
    theirs = randomised(theirs)
    state = theirs.state_dict()
    torch.save({"state_dict": state if wrap is None else {wrap + key: value for key, value in state.items()}}, path)
    ours = (
        build(
            name,
            depth=depth,
            width=WIDTH if name in ("tin", "image") else NARROW,
            num_classes=CLASSES,
            num_segments=SEGMENTS,
        )
        .double()
        .eval()
    )
    report = load_weights(ours, path)
    video = clip(frames)
    with torch.no_grad():
        expected = theirs(video)
        assert expected.std() > 1e-3  # clips and classes differ, so agreement means something
        torch.testing.assert_close(ours(video), expected, rtol=1e-9, atol=1e-11)
        single = ours.float()(video.float()).double()
    assert (single - expected).abs().max() < 1e-4 * expected.abs().max()
    assert len(report.loaded) == len(ours.state_dict()) == len(state)
    assert report.missing == report.left == report.replaced == ()
    return report


@pytest.mark.parametrize("depth", [18, 50])
def test_tin_of_mmaction_gives_its_logits(tmp_path, depth):
    report = agree(MMFrames("tin", depth, WIDTH, classes=CLASSES), "tin", depth, tmp_path / "w.pth")
    assert report.origin == f"TIN-ResNet-{depth} checkpoint of MMAction2"


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("dropout", [0.8, 0.0], ids=["new_fc", "fc"])
def test_tin_of_x_temporal_gives_its_logits(tmp_path, depth, dropout):
    theirs = XFrames("tin", depth, WIDTH, classes=CLASSES, dropout=dropout)
    report = agree(theirs, "tin", depth, tmp_path / "w.pth.tar", wrap="module.")
    assert report.origin == f"TIN-ResNet-{depth} checkpoint of X-Temporal"


@pytest.mark.parametrize("rival", [MMFrames, XFrames])
def test_frame_networks_give_their_logits_to_the_image_network(tmp_path, rival):
    agree(rival("tsn", 50, WIDTH, classes=CLASSES), "image", 50, tmp_path / "w.pth")


@pytest.mark.parametrize("depth", [18, 34])
def test_r2plus1d_of_mmaction_gives_its_logits(tmp_path, depth):
    report = agree(MMVideo("r2plus1d", depth, NARROW, classes=CLASSES), "r2plus1d", depth, tmp_path / "w.pth")
    assert "takes the layout of MMAction2" in str(report)


@pytest.mark.parametrize(
    ("depth", "options"),
    [(18, {}), (34, {"stem_frames": 5}), (50, {"style": "3x1x1"}), (50, {"style": "3x3x3"})],
)
def test_resnet3d_of_mmaction_gives_its_logits(tmp_path, depth, options):
    theirs = MMVideo("resnet3d", depth, NARROW, classes=CLASSES, **options)
    report = agree(theirs, "resnet3d", depth, tmp_path / "w.pth")
    assert "which the file does not state" in str(report)


def test_r2plus1d_of_x_temporal_gives_its_logits(tmp_path):
    agree(PlainVideo("r2plus1d", 18, NARROW, classes=CLASSES), "r2plus1d", 18, tmp_path / "w.pth", wrap="module.")


@pytest.mark.parametrize(("depth", "options"), [(18, {"shortcut": "A"}), (34, {}), (50, {}), (18, {"stem_frames": 3})])
def test_resnet3d_of_hara_gives_its_logits(tmp_path, depth, options):
    theirs = PlainVideo("resnet3d", depth, NARROW, classes=CLASSES, **options)
    agree(theirs, "resnet3d", depth, tmp_path / "w.pth", wrap="module.", frames=16)


@pytest.mark.parametrize("depth", [18, 50])
def test_r2plus1d_of_hara_gives_its_logits(tmp_path, depth):
    agree(HaraSplit(depth, NARROW, classes=CLASSES), "r2plus1d", depth, tmp_path / "w.pth", frames=16)


def test_r2plus1d_of_ig65m_gives_its_logits(tmp_path):
    report = agree(VMZ(NARROW, classes=CLASSES), "r2plus1d", 34, tmp_path / "w.pth")
    assert report.origin == "R(2+1)D-34 checkpoint of ig65m-pytorch"


@pytest.mark.parametrize("rival", [MMFrames, XFrames])
@pytest.mark.parametrize("name", ["tin", "image"])
def test_a_tsm_starts_the_trunk_and_leaves_its_head(tmp_path, rival, name):
    theirs = randomised(rival("tsm", 18, WIDTH, classes=CLASSES))
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    ours = build(name, depth=18, width=WIDTH, num_classes=CLASSES).eval()
    kept = ours.fc.weight.clone()
    report = load_weights(ours, tmp_path / "w.pth")
    assert report.replaced == ("fc.weight", "fc.bias")
    assert "last layer reads shifted features" in str(report)
    assert torch.equal(ours.fc.weight, kept)
    last = next(value for key, value in theirs.state_dict().items() if "layer4.1.conv2" in key and value.ndim == 4)
    torch.testing.assert_close(ours.layer4[1].conv2.weight, last.float())
