import numpy as np
import pytest
import torch
from torch import nn

from alnus.clips import Sample
from alnus.config import TrainingConfig
from alnus.training.classifier import class_weights, video_means, weighted_loss
from alnus.training.optimisation import optimizer_for, rate_schedule, total_steps
from alnus.training.selection import best_epoch, epochs_without_rise, patient_auc


def _history(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "train_loss": 0.0, "val_loss": loss, "val_auc": auc, "learning_rate": 0.0}
        for epoch, (auc, loss) in enumerate(pairs)
    ]


def test_the_rate_rises_linearly_then_falls_to_nothing():
    rate = rate_schedule(TrainingConfig(epochs=5, warmup_epochs=1), 10)
    factors = [rate(step) for step in range(51)]
    assert np.allclose(np.diff(factors[:11]), 1 / 11)
    assert factors[10] == 1
    assert (np.diff(factors[10:]) < 0).all()
    assert factors[30] == pytest.approx(0.5)
    assert factors[50] == 0


def test_max_steps_shortens_the_schedule():
    training = TrainingConfig(epochs=5, max_steps=20)
    assert total_steps(training, 10) == 20
    assert rate_schedule(training, 10)(20) == 0
    assert rate_schedule(TrainingConfig(max_steps=1), 10)(0) == 1


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_optimiser_is_the_configured_one(name):
    training = TrainingConfig(optimizer=name, learning_rate=0.3, weight_decay=0.2)
    group = optimizer_for(nn.Linear(2, 2).parameters(), training).param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.2)
    assert group.get("nesterov", False) == (name == "sgd")


def test_the_best_epoch_has_the_highest_auc_then_the_lowest_loss_then_comes_first():
    assert best_epoch(_history((0.7, 0.1), (0.9, 0.5), (0.8, 0.1))) == 1
    assert best_epoch(_history((0.9, 0.5), (0.9, 0.3), (0.9, 0.3))) == 1


def test_patience_counts_from_the_last_new_height():
    assert epochs_without_rise(_history((0.7, 1), (0.8, 1), (0.8, 0.5), (0.75, 1))) == 2
    assert epochs_without_rise(_history((0.7, 1))) == 0


def test_a_patients_videos_are_averaged_before_the_auc():
    samples = [Sample("a", "1", 1), Sample("b", "2", 0), Sample("a", "3", 1), Sample("c", "4", 0)]
    # by patient a = 0.55 lies between b and c; by video the AUC would be 3/4
    assert patient_auc(np.array([0.9, 0.6, 0.2, 0.1]), samples) == 0.5
    assert patient_auc(np.array([0.9, 0.5, 0.2, 0.1]), samples) == 1.0


def test_class_weights_balance_patients_not_videos():
    samples = [Sample("a", "1", 1), Sample("a", "2", 1), Sample("b", "3", 0), Sample("c", "4", 0), Sample("d", "5", 0)]
    assert torch.allclose(class_weights(samples), torch.tensor([4 / 6, 4 / 2]))


def test_the_loss_of_a_batch_is_the_mean_of_its_halves():
    logits, labels = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 0, 0, 0] * 2)
    weights = torch.tensor([0.6, 2.0])
    halves = [weighted_loss(logits[part], labels[part], weights) for part in (slice(0, 3), slice(3, 6))]
    assert torch.allclose(weighted_loss(logits[:6], labels[:6], weights), (halves[0] + halves[1]) / 2)


def test_each_validation_video_counts_once_however_many_clips_it_has():
    means = video_means(torch.tensor([0.0, 1.0, 1.0, 0.5]), np.array([3, 1]))
    assert means == pytest.approx([2 / 3, 0.5])
