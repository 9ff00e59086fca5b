"""A saved network comes back with its answers and its card, or is refused."""

from __future__ import annotations

import json

import pytest
import torch

from alnus.config import ClipConfig, NetworkConfig
from alnus.errors import WeightsError
from alnus.models import ModelCard, build_from_config, load_model, save_model, write_card

NETWORK = NetworkConfig(depth=18, width=16, dropout=0.5, clip=ClipConfig(frames=4, side_px=32, channels=1))


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = build_from_config("tin", NETWORK)
    save_model(tmp_path / "tin", model, ModelCard(name="tin", source="tin", network=NETWORK, seed=4, phantom=True))
    return tmp_path / "tin", model.eval()


def test_a_saved_network_gives_the_same_logits(saved):
    directory, model = saved
    loaded, _ = load_model(directory)
    clip = torch.randn(2, 1, 4, 32, 32)
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(clip), model(clip))


def test_a_card_says_what_the_network_is_and_is_not(saved):
    directory, model = saved
    _, card = load_model(directory)
    assert card.network == NETWORK
    assert (card.seed, card.phantom, card.classes) == (4, True, ("no metastasis", "metastasis"))
    assert card.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert "not for diagnosis" in card.note
    assert "torch" in card.versions


def test_a_threshold_can_be_written_later(saved):
    directory, _ = saved
    _, card = load_model(directory)
    write_card(directory, card.model_copy(update={"threshold": 0.4}))
    assert load_model(directory)[1].threshold == 0.4


def test_saving_leaves_no_other_files(saved):
    assert sorted(path.name for path in saved[0].iterdir()) == ["model.json", "model.safetensors"]


def test_a_network_in_channels_last_is_saved(saved, tmp_path):
    directory, model = saved
    _, card = load_model(directory)
    save_model(tmp_path / "again", model.to(memory_format=torch.channels_last), card)
    clip = torch.randn(1, 1, 4, 32, 32)
    torch.testing.assert_close(load_model(tmp_path / "again")[0](clip), model(clip))


def test_weights_of_another_training_are_refused(saved, tmp_path):
    directory, _ = saved
    other = build_from_config("tin", NETWORK)
    save_model(tmp_path / "other", other, ModelCard(name="tin", source="tin", network=NETWORK))
    (tmp_path / "other" / "model.safetensors").replace(directory / "model.safetensors")
    with pytest.raises(WeightsError, match=r"not the weights that model\.json describes"):
        load_model(directory)


def test_damaged_weights_are_refused(saved):
    directory, _ = saved
    content = json.loads((directory / "model.json").read_text()) | {"weights_sha256": None}
    (directory / "model.json").write_text(json.dumps(content))
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be read as the model's weights"):
        load_model(directory)


def test_a_card_of_another_size_is_refused(saved):
    directory, _ = saved
    _, card = load_model(directory)
    write_card(directory, card.model_copy(update={"network": NETWORK.model_copy(update={"width": 32})}))
    with pytest.raises(WeightsError, match=r"does not fit the network that model\.json describes"):
        load_model(directory)


def test_a_missing_file_is_refused(saved, tmp_path):
    directory, _ = saved
    with pytest.raises(WeightsError, match=r"is .* a model directory"):
        load_model(tmp_path / "nothing")
    (directory / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model.safetensors: cannot be read"):
        load_model(directory)


@pytest.mark.parametrize(("content", "message"), [("{", "Invalid JSON"), ('{"nane": 1}', "name: Field required")])
def test_a_card_that_is_none_is_refused(saved, content, message):
    directory, _ = saved
    (directory / "model.json").write_text(content)
    with pytest.raises(WeightsError, match=f"is not a model card .*{message}"):
        load_model(directory)
