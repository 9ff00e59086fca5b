import csv
import hashlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from alnus.clips import Sample
from alnus.config import ClipConfig, InferenceConfig, NetworkConfig
from alnus.errors import CohortError, ConfigError, MediaError, WeightsError
from alnus.models import load_model
from alnus.training import fit
from alnus.training.job import Job, fingerprint

SCRIPT = Path(__file__).with_name("tiny_training.py")
_spec = importlib.util.spec_from_file_location("tiny_training", SCRIPT)
tiny_training = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_training)
train_tiny = tiny_training.train_tiny
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # a sum's order, and so its last bit, depends on the threads


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result = train_tiny(directory)
    torch.set_num_threads(threads)
    return result


def _weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def _same(one: Path, other: Path) -> bool:
    a, b = _weights(one), _weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def _curve(directory: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((directory / "metrics.csv").read_text().splitlines()))


def test_a_training_leaves_its_best_epoch_as_a_model(trained):
    curve = _curve(trained.directory)
    assert [row["epoch"] for row in curve] == ["0", "1", "2", "3"]
    assert list(curve[0]) == ["epoch", "train_loss", "val_loss", "val_auc", "learning_rate"]
    _, card = load_model(trained.directory)
    assert card.validation_auc == trained.validation_auc == max(float(row["val_auc"]) for row in curve)
    assert (card.name, card.source, card.seed, card.phantom) == ("resnet3d", "resnet3d", 5, False)
    assert float(curve[card.epoch]["val_auc"]) == card.validation_auc
    assert list((trained.directory / "tensorboard").glob("events.out.*"))


def test_the_checkpoint_holds_plain_tensors_and_values(trained):
    checkpoint = torch.load(trained.directory / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 16


def test_the_same_call_on_a_finished_training_returns_at_once(trained):
    before = (trained.directory / "model.safetensors").stat().st_mtime_ns
    assert train_tiny(trained.directory) == trained
    assert (trained.directory / "model.safetensors").stat().st_mtime_ns == before


def test_training_leaves_the_callers_random_state_alone(tmp_path):
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    train_tiny(tmp_path, max_steps=1)
    assert torch.equal(torch.get_rng_state(), expected)


def test_another_seed_begins_anew(trained, tmp_path):
    first = train_tiny(tmp_path, max_steps=2)
    weights = _weights(first.directory)
    train_tiny(tmp_path, max_steps=2, seed=6)
    assert any(not torch.equal(weights[key], value) for key, value in _weights(tmp_path).items())


class Checksummed(tiny_training.NoiseStore):
    checksum = "a"
    image_sha256 = "b"

    def entry(self, video):
        return self


def _checksummed_job(directory: Path, network: NetworkConfig) -> Job:
    samples = tuple(tiny_training.SAMPLES)
    return Job("resnet3d", network, samples, samples, Checksummed(), directory, 0, False, {})


def test_a_video_ingested_otherwise_changes_the_fingerprint(tmp_path):
    job = _checksummed_job(tmp_path, tiny_training.tiny())
    before = fingerprint(job)
    job.store.checksum = "c"
    assert fingerprint(job) != before


def test_what_no_weight_depends_on_leaves_the_fingerprint_alone(tmp_path):
    job = _checksummed_job(tmp_path, tiny_training.tiny())
    before = fingerprint(job)
    network = tiny_training.tiny(workers=3).model_copy(update={"inference": InferenceConfig(batch_size=99)})
    assert fingerprint(replace(job, network=network)) == before
    clips = job.network.model_copy(update={"inference": InferenceConfig(clips_per_video=9)})
    assert fingerprint(replace(job, network=clips)) != before


@pytest.mark.parametrize("sampling", ["keyframe", "segments"])
def test_keyframe_and_still_count_only_for_a_network_that_sees_them(tmp_path, sampling):
    network = tiny_training.tiny()
    frames = 1 if sampling == "keyframe" else 2
    network = network.model_copy(update={"clip": ClipConfig(frames=frames, sampling=sampling)})
    job = _checksummed_job(tmp_path, network)
    before = fingerprint(job)
    named = tuple(replace(sample, keyframe=3) for sample in job.train)
    assert (fingerprint(replace(job, train=named)) != before) == (sampling == "keyframe")
    job.store.image_sha256 = "c"
    assert (fingerprint(job) != before) == (sampling == "keyframe")


def test_max_steps_ends_with_a_validation(tmp_path):
    result = train_tiny(tmp_path, max_steps=5)
    assert result.epochs == 2
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 5


def test_two_loader_workers_end_in_the_same_weights(trained, tmp_path):
    train_tiny(tmp_path, workers=2)
    assert _same(trained.directory, tmp_path)
    assert _curve(trained.directory) == _curve(tmp_path)


def test_a_training_killed_and_started_again_ends_in_the_same_weights(trained, tmp_path):
    stalling = ONE_THREAD | {"ALNUS_TEST_STALLS_AFTER": "2"}
    victim = subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path), "{}"], env=stalling)
    _wait_for_rows(tmp_path / "metrics.csv", 2, victim)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not (tmp_path / "model.safetensors").exists()
    train_tiny(tmp_path, workers=2)  # workers ask for their first samples before Lightning names the epoch
    assert _same(trained.directory, tmp_path)
    assert _curve(trained.directory) == _curve(tmp_path)


def _wait_for_rows(path: Path, rows: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not path.is_file() or len(path.read_text().splitlines()) <= rows:
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_training_killed_between_its_end_and_its_model_is_completed(trained, tmp_path):
    train_tiny(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    train_tiny(tmp_path)
    assert _same(trained.directory, tmp_path)


def test_two_processes_end_in_the_weights_of_one(tmp_path):
    common = {"freeze_norm": True, "learning_rate": 0.005, "epochs": 2}
    changes = common | {"devices": 2, "batch_size": 2, "strategy": "ddp"}
    command = [sys.executable, "-W", "error", str(SCRIPT), str(tmp_path / "two"), json.dumps(changes)]
    # dropout draws by process, so it is off here
    script_env = ONE_THREAD | {"ALNUS_TEST_DROPOUT": "0"}
    subprocess.run(command, env=script_env, check=True, timeout=500)
    network = tiny_training.tiny(**common).model_copy(update={"dropout": 0.0})
    samples = tiny_training.SAMPLES
    store = tiny_training.NoiseStore()
    fit("resnet3d", network, samples[:16], samples[16:], store, tmp_path / "one", seed=5, progress=False)
    one, two = _weights(tmp_path / "one"), _weights(tmp_path / "two")
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-5)
    assert _curve(tmp_path / "one")[0]["val_auc"] == _curve(tmp_path / "two")[0]["val_auc"]


@pytest.mark.parametrize("name", ["resnet3d", "r2plus1d"])
def test_channels_last_learns_what_the_other_layout_learns(name, tmp_path):
    for layout in ("contiguous", "channels_last"):
        train_tiny(tmp_path / layout, name=name, max_steps=1, memory_format=layout)
    learnt, other = _weights(tmp_path / "contiguous"), _weights(tmp_path / "channels_last")
    torch.testing.assert_close(other, learnt, rtol=0, atol=1e-4)


def test_frozen_normalisation_keeps_its_statistics(tmp_path):
    train_tiny(tmp_path, freeze_norm=True, max_steps=2)
    means = [value for key, value in _weights(tmp_path).items() if key.endswith("running_mean")]
    assert means
    assert all((mean == 0).all() for mean in means)


def test_training_stops_when_the_validation_auc_no_longer_rises(tmp_path):
    result = train_tiny(tmp_path, learning_rate=1e-12, epochs=30, patience_epochs=2, freeze_norm=True)
    assert result.epochs == 3


def test_a_loss_that_is_not_finite_is_refused_with_what_to_change(tmp_path):
    with pytest.raises(ConfigError, match=r"resnet3d: .* is not finite in epoch \d+, step \d+: lower .*learning_rate"):
        train_tiny(tmp_path, learning_rate=1e30, gradient_clip=1e30, warmup_epochs=0)
    assert not (tmp_path / "model.safetensors").exists()


def _fit(directory: Path, train: list[Sample], validation: list[Sample]) -> None:
    fit("resnet3d", tiny_training.tiny(), train, validation, tiny_training.NoiseStore(), directory, seed=0)


def test_one_class_only_is_refused(tmp_path):
    ones = [sample for sample in tiny_training.SAMPLES if sample.label == 1]
    both = [Sample("q0", "v0", 0), Sample("q1", "v1", 1)]
    with pytest.raises(CohortError, match="training: both classes are needed, but of 12 patients all have label 1"):
        _fit(tmp_path, ones, both)
    with pytest.raises(CohortError, match="validation: both classes are needed, but of 12 patients all have label 1"):
        _fit(tmp_path, both, ones)
    with pytest.raises(CohortError, match=r"validation: .* of 0 patients there are none"):
        _fit(tmp_path, both, [])


def test_a_patient_without_a_label_is_refused(tmp_path):
    with pytest.raises(CohortError, match="training: patient p9, video v9: label None, not 0 or 1"):
        _fit(tmp_path, [Sample("p9", "v9")], tiny_training.SAMPLES)


def test_a_patient_in_training_and_validation_is_refused(tmp_path):
    with pytest.raises(CohortError, match="patient p3 is in training and in validation"):
        _fit(tmp_path, tiny_training.SAMPLES[:4], tiny_training.SAMPLES[3:])


@pytest.mark.parametrize("damage", [lambda whole: b"torn", lambda whole: whole[:-200], lambda whole: b""])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage):
    train_tiny(tmp_path, max_steps=1)
    (tmp_path / "model.safetensors").unlink()
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(WeightsError, match=r"last\.ckpt: is no checkpoint of a training .*: remove it") as refusal:
        train_tiny(tmp_path, max_steps=1)
    assert "weights_only" not in str(refusal.value)


@pytest.mark.parametrize("key", ["validation_auc", "seconds", "weights_sha256"])
def test_notes_that_lack_a_number_are_those_of_an_unfinished_training(trained, key):
    path = trained.directory / "fit.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in whole.items() if name != key}))
    assert train_tiny(trained.directory) == trained
    assert json.loads(path.read_text()) == whole


def _started_from_outside(directory: Path, changes: dict[str, object]) -> list[subprocess.Popen]:
    """Start two processes as torchrun does; each says what `fit` returned."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = ONE_THREAD | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, str(SCRIPT), str(directory), json.dumps(changes)]
    ranks = [{"RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RUN_ID": "1"} for rank in ("0", "1")]
    return [subprocess.Popen(command, env=shared | rank, stdout=subprocess.PIPE, text=True) for rank in ranks]


def test_processes_started_from_outside_all_end_with_the_model(tmp_path):
    changes = {"devices": 2, "batch_size": 2, "strategy": "ddp", "max_steps": 1}
    for _ in ("begun", "trained, but without its model"):
        (tmp_path / "model.safetensors").unlink(missing_ok=True)
        running = _started_from_outside(tmp_path, changes)
        said = [process.communicate(timeout=300)[0] for process in running]
        assert [process.returncode for process in running] == [0, 0]
        assert said[0] == said[1] != ""
    notes = json.loads((tmp_path / "fit.json").read_text())
    assert notes["finished"]
    assert notes["weights_sha256"] == hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()


def test_a_video_that_is_not_in_the_store_is_refused_before_training(tmp_path):
    class Empty(tiny_training.NoiseStore):
        def frames(self, video):
            raise MediaError(f"{video}: is not in the store")

    with pytest.raises(MediaError, match="v0: is not in the store"):
        fit(
            "image",
            tiny_training.tiny(),
            tiny_training.SAMPLES[:16],
            tiny_training.SAMPLES[16:],
            Empty(),
            tmp_path,
            seed=0,
        )
