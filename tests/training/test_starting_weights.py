"""What a training began from stands in the model's card, and a study says it before it begins."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alnus.config import resolve
from alnus.models import build, load_weights, read_card
from alnus.provenance import file_sha256
from alnus.study.beforehand import check_networks
from alnus.training import fit

_spec = importlib.util.spec_from_file_location("tiny_training", Path(__file__).with_name("tiny_training.py"))
tiny_training = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_training)
SAMPLES, NoiseStore = tiny_training.SAMPLES, tiny_training.NoiseStore
tiny, train_tiny = tiny_training.tiny, tiny_training.train_tiny


class Heard:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def colour_weights(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    state = build("resnet3d", depth=18, width=4, num_classes=7).state_dict()
    path = tmp_path / "colour.safetensors"
    save_file({f"module.{key}": value for key, value in state.items()} | {"loss.weight": torch.ones(2)}, path)
    return path


def test_the_card_says_what_was_loaded_folded_replaced_and_left(colour_weights, tmp_path):
    network = tiny(epochs=1, max_steps=1).model_copy(update={"weights": colour_weights})
    fit("resnet3d", network, SAMPLES[:16], SAMPLES[16:], NoiseStore(), tmp_path / "m", seed=0, progress=False)
    start = read_card(tmp_path / "m").start
    assert start.file == "colour.safetensors"
    assert start.sha256 == file_sha256(colour_weights)
    assert start.origin == "ResNet-3D-18 checkpoint of torchvision or Alnus"
    assert (start.loaded, start.folded, start.new) == (120, 1, 0)
    assert start.replaced == ("fc.weight", "fc.bias")
    assert start.left == ("fc.weight", "fc.bias", "loss.weight")
    model = build("resnet3d", depth=18, width=4, in_channels=1)
    assert start.summary == str(load_weights(model, colour_weights, head="replace"))
    assert str(tmp_path) not in json.dumps(start.model_dump())


def test_a_card_of_a_training_from_random_weights_says_so(tmp_path):
    train_tiny(tmp_path / "m", epochs=1, max_steps=1)
    assert read_card(tmp_path / "m").start is None


def test_a_study_says_beforehand_what_each_network_starts_from(colour_weights, tmp_path):
    changes = {
        "cohort": "c.csv",
        "out": "o",
        "preset": "small",
        "models": ["resnet3d", "x3d"],
        "networks": {"resnet3d": {"width": 4, "weights": str(colour_weights)}},
    }
    heard = Heard()
    check_networks(resolve(changes, origin="test"), reporter=heard)
    assert heard.lines == [
        "resnet3d starts from colour.safetensors: ResNet-3D-18 checkpoint of torchvision or Alnus: 120 tensors loaded, "
        "1 folded to grey, 2 head replaced, 3 left"
    ]
