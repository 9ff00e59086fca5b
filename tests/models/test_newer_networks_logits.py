"""X3D and MViTv2 take the checkpoints of their sources and give their logits, from weights that a formula fills.

tests/reference/newer_networks_logits.json holds the sources' keys, shapes and logits. Where torchvision, PyTorchVideo
and MMAction2 are installed, `python tests/models/test_newer_networks_logits.py` writes it again.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from alnus.models import build, load_weights

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "newer_networks_logits.json"
CLASSES = 3
# whose: (ours, depth, frames, side); torchvision builds no other depth, the others are small ones of theirs. All are
# built for 64 pixels and MViT for 8 frames: in a larger clip its tables of positions are interpolated
CASES = {
    "torchvision mvit_v2_s": ("mvit", 16, 8, 64),
    "MMAction2 MViT tiny": ("mvit", 10, 8, 64),
    "MMAction2 MViT tiny, larger clip": ("mvit", 10, 11, 84),
    "PyTorchVideo create_x3d": ("x3d", 11, 4, 64),
    "MMAction2 X3D": ("x3d", 11, 4, 64),
}
KEEPS_LAYOUT = "MMAction2 X3D"  # the others are made for smaller clips, or have no normalisation of a shortcut


def filled(shapes):
    """Return tensors of these names and shapes, whose values depend on their place alone, in float64."""
    state = {}
    for place, (key, sizes) in enumerate(shapes.items()):
        shape = tuple(map(int, sizes.split()))
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros(shape, dtype=torch.long)
            continue
        wave = torch.sin(torch.arange(math.prod(shape), dtype=torch.float64) * 0.7 + place).reshape(shape)
        if len(shape) > 1:
            state[key] = wave * (2 / wave[0].numel()) ** 0.5
        else:
            state[key] = 0.1 * wave + (1.0 if key.endswith(("running_var", "weight")) else 0.0)
    return state


def clip(frames, side):
    values = torch.arange(2 * 3 * frames * side * side, dtype=torch.float64)
    return torch.sin(values * 0.013 + 1e-4 * (values % 911)).reshape(2, 3, frames, side, side)


@pytest.mark.parametrize("whose", CASES)
def test_a_checkpoint_of_the_source_gives_the_sources_logits(whose, tmp_path):
    expected = json.loads(REFERENCE.read_text())["networks"][whose]
    name, depth, frames, side = CASES[whose]
    torch.save({"model_state": filled(expected["shapes"])}, tmp_path / "w.pyth")
    network = build(name, depth=depth, num_classes=CLASSES).double().eval()
    report = load_weights(network, tmp_path / "w.pyth")
    assert report.origin == f"{network.title} checkpoint of {whose.split()[0]}"
    assert len(report.loaded) == len(expected["shapes"])
    assert report.missing == report.left == report.replaced == ()
    assert bool(report.notes) == (whose != KEEPS_LAYOUT)
    video, logits = clip(frames, side), torch.tensor(expected["logits"], dtype=torch.float64)
    assert logits.std() > 1e-3
    with torch.no_grad():
        torch.testing.assert_close(network(video), logits, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(network.head(network.features(video)), logits, rtol=1e-9, atol=1e-12)
        single = network.float()(video.float()).double()
    assert (single - logits).abs().max() < 1e-4 * logits.abs().max()


def _theirs():
    """Yield each source's own network of the cases."""
    from unittest import mock

    from mmaction.models.backbones.mvit import MViT
    from mmaction.models.backbones.x3d import X3D
    from pytorchvideo.models.x3d import create_x3d
    from torch import nn
    from torchvision.models.video import mvit

    class Recogniser(nn.Module):
        """MMAction2's backbone and the layers of its MViTHead or X3DHead."""

        def __init__(self, backbone, head):
            super().__init__()
            self.backbone, self.cls_head = backbone, nn.ModuleDict(head)

        def forward(self, clip):
            found, head = self.backbone(clip), self.cls_head
            if "fc1" in head:
                return head["fc2"](torch.relu(head["fc1"](found.mean((2, 3, 4)))))
            return head["fc_cls"](found[-1][1])

    made = mvit._mvit
    with mock.patch.object(
        mvit, "_mvit", lambda **given: made(**given | {"spatial_size": (64, 64), "temporal_size": 8})
    ):
        yield "torchvision mvit_v2_s", mvit.mvit_v2_s(num_classes=CLASSES)
    for whose in ("MMAction2 MViT tiny", "MMAction2 MViT tiny, larger clip"):
        tiny = MViT(arch="tiny", spatial_size=64, temporal_size=8)
        yield whose, Recogniser(tiny, {"fc_cls": nn.Linear(768, CLASSES)})
    size = {"input_clip_length": 4, "input_crop_size": 64}
    yield (
        "PyTorchVideo create_x3d",
        create_x3d(model_num_class=CLASSES, depth_factor=1.0, head_activation=None, **size),
    )
    head = {"fc1": nn.Linear(432, 2048, bias=False), "fc2": nn.Linear(2048, CLASSES)}
    yield "MMAction2 X3D", Recogniser(X3D(gamma_w=1, gamma_b=2.25, gamma_d=1), head)


def _write_reference():
    import mmaction
    import torchvision

    from alnus.provenance import write_json

    found = {}
    for whose, network in _theirs():
        _, _, frames, side = CASES[whose]
        shapes = {key: " ".join(map(str, value.shape)) for key, value in network.state_dict().items()}
        network.double().eval().load_state_dict(filled(shapes))
        with torch.no_grad():
            logits = network(clip(frames, side))
        found[whose] = {"shapes": shapes, "logits": logits.tolist()}
    origin = f"torchvision {torchvision.__version__}, pytorchvideo 0.1.5, mmaction2 {mmaction.__version__} on torch "
    origin += f"{torch.__version__}, float64, CPU; weights and input by the formulas `filled` and `clip` of "
    origin += "tests/models/test_newer_networks_logits.py"
    write_json(REFERENCE, {"origin": origin, "networks": found})


if __name__ == "__main__":
    _write_reference()
