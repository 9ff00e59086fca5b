"""The full-size networks have torchvision's keys and shapes and give its logits, from weights that a formula fills.

The expected numbers are in tests/reference/torchvision_logits.json. Where torchvision is installed beside a torch
that it fits, `python tests/models/test_torchvision_logits.py` writes them again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from alnus.models import build

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "torchvision_logits.json"
NETWORKS = {"r3d_18": "resnet3d", "r2plus1d_18": "r2plus1d", "resnet18": "image", "resnet50": "image"}
CLASSES = 3


def fill(network):
    """Give every tensor values that depend on its place in the state dict alone."""
    with torch.no_grad():
        for place, (key, value) in enumerate(network.state_dict().items()):
            if key.endswith("num_batches_tracked"):
                continue
            wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 0.7 + place).reshape(value.shape)
            if value.ndim > 1:
                value.copy_(wave * (2 / value[0].numel()) ** 0.5)
            else:
                value.copy_(0.1 * wave + (1.0 if key.endswith(("running_var", "weight")) else 0.0))
    return network.double().eval()


def clip(name):
    frames = 1 if name.startswith("resnet") else 4
    values = torch.arange(2 * 3 * frames * 40 * 36, dtype=torch.float64)
    return torch.sin(values * 0.013 + 1e-4 * (values % 911)).reshape(2, 3, frames, 40, 36)


def keys_and_shapes(network):
    lines = "\n".join(f"{key} {tuple(value.shape)}" for key, value in network.state_dict().items())
    return hashlib.sha256(lines.encode()).hexdigest()


def ours(name):
    depth = 50 if name.endswith("50") else 18
    return build(NETWORKS[name], depth=depth, num_classes=CLASSES)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_keys_shapes_and_logits_of_torchvision(name):
    expected = json.loads(REFERENCE.read_text())["networks"][name]
    network = fill(ours(name))
    assert keys_and_shapes(network) == expected["keys_and_shapes_sha256"]
    with torch.no_grad():
        logits = network(clip(name))
    torch.testing.assert_close(logits, torch.tensor(expected["logits"], dtype=torch.float64), rtol=1e-9, atol=1e-12)


def _write_reference():
    import torchvision
    from torchvision.models import resnet18, resnet50
    from torchvision.models.video import r2plus1d_18, r3d_18

    from alnus.provenance import write_json

    found = {}
    for build_theirs in (r3d_18, r2plus1d_18, resnet18, resnet50):
        name = build_theirs.__name__
        network = fill(build_theirs(num_classes=CLASSES))
        video = clip(name)
        with torch.no_grad():
            logits = network(video[:, :, 0] if name.startswith("resnet") else video)
        found[name] = {"keys_and_shapes_sha256": keys_and_shapes(network), "logits": logits.tolist()}
    origin = f"torchvision {torchvision.__version__} on torch {torch.__version__}, float64, CPU; weights and input by "
    origin += "the formulas `fill` and `clip` of tests/models/test_torchvision_logits.py"
    write_json(REFERENCE, {"origin": origin, "networks": found})


if __name__ == "__main__":
    _write_reference()
