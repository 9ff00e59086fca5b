import pytest
import torch

from alnus.config import TrainingConfig
from alnus.training.devices import channels_last


@pytest.mark.parametrize(
    ("accelerator", "apple", "expected"),
    [("auto", False, True), ("cpu", False, True), ("cpu", True, True), ("auto", True, False), ("mps", True, False)],
)
def test_channels_come_last_by_themselves_but_on_apples_gpu(accelerator, apple, expected, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert channels_last(TrainingConfig(accelerator=accelerator)) is expected
    assert channels_last(TrainingConfig(accelerator=accelerator, memory_format="channels_last"))
    assert not channels_last(TrainingConfig(accelerator=accelerator, memory_format="contiguous"))
