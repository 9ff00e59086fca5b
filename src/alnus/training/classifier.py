"""The LightningModule: one network, its loss and its validation; every random number is keyed by the step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import LambdaLR

from alnus.clips import Sample
from alnus.config import TrainingConfig
from alnus.errors import ConfigError
from alnus.training.optimisation import optimizer_for, rate_schedule
from alnus.training.selection import patient_auc

CHECK_EVERY = 16  # steps; looking at a loss on a GPU waits for it


def class_weights(samples: Sequence[Sample]) -> Tensor:
    """Return (2,) weights inverse to each class's share of the patients; their mean over the patients is 1."""
    labels = {sample.patient_id: sample.label for sample in samples}
    counts = torch.tensor([sum(label == kind for label in labels.values()) for kind in (0, 1)], dtype=torch.float32)
    return len(labels) / (2 * counts)


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of weighted cross entropies.

    Not divided by the batch's own sum of weights: so the mean over two half batches is that of the whole, and
    several processes follow the gradient that one would.
    """
    return clip_losses(logits, labels, weights).mean()


def clip_losses(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return (clips,) weighted cross entropies."""
    return functional.cross_entropy(logits.float(), labels, reduction="none") * weights[labels]


class Classifier(LightningModule):
    """Train a network of `alnus.models` to tell metastasis from none.

    After a validation, `validation_loss` and `validation_auc` hold its result; after an epoch `train_loss` does.
    """

    weights: Tensor

    def __init__(
        self,
        name: str,
        network: nn.Module,
        training: TrainingConfig,
        *,
        weights: Tensor,
        validation: Sequence[Sample],
        clip_counts: NDArray[np.int64],
        steps_per_epoch: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.validation_loss = self.validation_auc = self.train_loss = float("nan")
        self._name = name
        self._training = training
        self._validation = validation
        self._clip_counts = clip_counts  # of each validation video
        self._steps_per_epoch = steps_per_epoch
        self._seed = seed
        self._losses: list[Tensor] = []
        self.register_buffer("weights", weights, persistent=False)
        self.train()  # Lightning keeps the modes that it finds

    def train(self, mode: bool = True) -> Classifier:
        """Switch between training and evaluation; frozen normalisation always evaluates."""
        super().train(mode)
        if self._training.freeze_norm:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser with its rate, set anew at each step."""
        optimizer = optimizer_for(self.network.parameters(), self._training)
        schedule = LambdaLR(optimizer, rate_schedule(self._training, self._steps_per_epoch))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Key dropout by (seed, step, process), so that it is the same after an interruption."""
        if batch_idx == 0:  # not in on_train_epoch_start, which Lightning skips after a resume
            self._losses = []
        key = [self._seed, self.global_step, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of (clips, labels, indices)."""
        clips, labels, _ = batch
        loss = weighted_loss(self.network(clips), labels, self.weights)
        self._losses.append(loss.detach())
        if batch_idx % CHECK_EVERY == 0 and self.trainer.world_size == 1:  # several processes must fail together
            self._refuse_unless_finite(loss, "training loss")
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        clips = int(self._clip_counts.sum())
        self._seen = torch.zeros(clips, 3, dtype=torch.float64, device=self.device)  # two logits, how often seen

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Keep the logits of (clips, places)."""
        clips, places = batch
        logits = self.network(clips).double()
        self._seen[places] = torch.cat([logits, torch.ones_like(logits[:, :1])], dim=1)

    def on_validation_epoch_end(self) -> None:
        """Gather the logits of all processes and compute the loss over videos and the AUC over patients."""
        seen = self.trainer.strategy.reduce(self._seen, reduce_op="sum")
        assert isinstance(seen, Tensor)
        logits = (seen[:, :2] / seen[:, 2:]).cpu()
        self._refuse_unless_finite(logits, "output on validation")
        labels = torch.tensor([sample.label for sample in self._validation])
        repeated = labels.repeat_interleave(torch.from_numpy(self._clip_counts))
        losses = clip_losses(logits, repeated, self.weights.cpu())
        self.validation_loss = float(video_means(losses, self._clip_counts).mean())
        probabilities = video_means(logits.softmax(1)[:, 1], self._clip_counts)
        self.validation_auc = patient_auc(probabilities, self._validation)

    def on_train_epoch_end(self) -> None:
        """Average the epoch's losses over steps and processes; refuse to go on from NaN."""
        mean = self.trainer.strategy.reduce(torch.stack(self._losses).double().mean(), reduce_op="mean")
        assert isinstance(mean, Tensor)
        self._refuse_unless_finite(mean, "training loss")
        self.train_loss = float(mean)

    def _refuse_unless_finite(self, values: Tensor, what: str) -> None:
        if bool(torch.isfinite(values).all()):
            return
        setting = f"networks.{self._name}.training"
        raise ConfigError(
            f"{self._name}: {what} is not finite in epoch {self.current_epoch + 1}, step {self.global_step}: lower "
            f"{setting}.learning_rate (now {self._training.learning_rate:g}) or {setting}.gradient_clip "
            f"(now {self._training.gradient_clip:g}), or set {setting}.precision: 32-true "
            f"(now {self._training.precision})"
        )


def video_means(values: Tensor, clip_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average each video's clips: (clips,), video by video, -> (videos,)."""
    starts = clip_counts.cumsum() - clip_counts
    means: NDArray[np.float64] = np.add.reduceat(values.double().numpy(), starts) / clip_counts
    return means
