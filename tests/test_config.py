"""The configuration: differences from a preset, checked as a whole, wrong keys named."""

from pathlib import Path

import pytest

from alnus.config import dump_config, load_preset, read_config, resolve
from alnus.errors import ConfigError

BASE = {"cohort": "cohort.csv", "out": "run"}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_a_file_states_only_its_differences_from_the_preset(tmp_path):
    config = read_config(written(tmp_path, "cohort: c.csv\nout: run\nnetworks: {tin: {dropout: 0.5}}\n"))
    preset = load_preset("paper")["networks"]["tin"]
    assert config.networks["tin"].dropout == 0.5
    assert config.networks["tin"].clip.frames == preset["clip"]["frames"] == 8
    assert config.cohort == tmp_path / "c.csv"


def test_a_shared_section_holds_for_every_network_unless_one_says_otherwise():
    config = resolve(
        {**BASE, "training": {"epochs": 3}, "networks": {"tin": {"training": {"epochs": 5}}}}, origin="test"
    )
    assert {name: network.training.epochs for name, network in config.networks.items()} == {
        "tin": 5,
        "image": 3,
        "r2plus1d": 3,
        "resnet3d": 3,
        "mvit": 3,
        "x3d": 3,
    }


def test_the_resolved_configuration_reads_back_as_itself(tmp_path):
    config = resolve({**BASE, "cohort": str(tmp_path / "c.csv"), "out": str(tmp_path / "r")}, origin="test")
    assert read_config(written(tmp_path, dump_config(config))) == config


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_each_preset_is_complete_and_valid(preset):
    config = resolve({**BASE, "preset": preset}, origin="test")
    assert set(config.models) <= set(config.networks)


def test_the_paper_preset_holds_the_published_sizes():
    networks = resolve(BASE, origin="test").networks
    tin, volume = networks["tin"], networks["r2plus1d"]
    assert (tin.depth, tin.width, tin.clip.frames, tin.clip.side_px) == (50, 64, 8, 224)
    assert (volume.depth, volume.width, volume.clip.frames, volume.clip.side_px) == (18, 64, 16, 112)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'"),
        ({"training": {"epoch": 3}}, r"unknown key 'networks\.\w+\.training\.epoch'"),
        ({"training": {"epochs": "many"}}, r"training\.epochs.*received 'many'"),
        ({"models": ["tin", "vgg"]}, "'vgg' is not one of"),
        ({"models": ["tin", "tin"]}, "name each network once"),
        ({"split": {"folds": 1}}, "at least 2"),
        ({"preset": "huge"}, "'huge' is not one of small, paper"),
        ({"clip": {"side_px": 512}}, "side_px 512 is larger than resize_px"),
    ],
)
def test_what_is_wrong_is_refused_by_its_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        resolve({**BASE, **changes}, origin="test")


@pytest.mark.parametrize(("text", "message"), [("- a\n", "a mapping"), ("a: [", "cannot be read as YAML")])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(ConfigError, match=rf"study\.yaml.*{message}"):
        read_config(written(tmp_path, text))


def test_a_missing_cohort_is_named_as_missing():
    with pytest.raises(ConfigError, match="'cohort' is missing"):
        resolve({"out": "run"}, origin="test")


def test_the_configuration_cannot_be_changed_once_made():
    with pytest.raises(ValueError, match="frozen"):
        resolve(BASE, origin="test").seed = 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"accelerator": "foo"}}, "accelerator.*received 'foo'"),
        ({"training": {"strategy": "foo"}}, "strategy.*received 'foo'"),
        ({"training": {"augmentation": {"scale": [1.1, 0.9]}}}, "the smaller first"),
        ({"training": {"augmentation": {"scale": [0, 0]}}}, "0.1 to 10"),
        ({"seed": 2**70}, "seed"),
    ],
)
def test_what_training_could_not_use_is_refused_beforehand(changes, message):
    with pytest.raises(ConfigError, match=message):
        resolve({**BASE, **changes}, origin="test")


def test_a_path_with_a_null_byte_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be a path"):
        read_config(written(tmp_path, 'cohort: "a\\0b"\nout: run\n'))
