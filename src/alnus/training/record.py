"""What a training leaves behind after every epoch: checkpoint, learning curve, a line for the user."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from alnus.console import Quiet, Reporter
from alnus.provenance import write_atomic
from alnus.training.classifier import Classifier
from alnus.training.job import Job
from alnus.training.optimisation import total_steps
from alnus.training.selection import EpochRow, best_epoch, epochs_without_rise

STATE_KEY = "alnus.training.record"  # under which the checkpoint holds this callback's state


class Record(Checkpoint):
    """Keep the history and the best weights, decide when to stop, and write the checkpoint whole or not at all.

    history, best: part of the checkpoint, so that an interrupted training chooses as an uninterrupted one does.
    finished: nothing is left to train. seconds: spent in finished epochs, interruptions left out.
    """

    def __init__(self, job: Job, *, steps_per_epoch: int) -> None:
        self.history: list[EpochRow] = []
        self.best: dict[str, Tensor] = {}
        self.finished = False
        self.seconds = 0.0
        self._job = job
        self._total_steps = total_steps(job.network.training, steps_per_epoch)
        self._reporter: Reporter = Quiet()
        self._started = time.monotonic()
        self._events: SummaryWriter | None = None
        self._progress: Callable[[int, int], None] = lambda done, total: None

    @property
    def state_key(self) -> str:
        """Return the name of this callback's state within a checkpoint."""
        return STATE_KEY

    def state_dict(self) -> dict[str, Any]:
        """Return what an interrupted training needs to go on: plain values and tensors."""
        return {
            "history": [dict(row) for row in self.history],
            "best": self.best,
            "finished": self.finished,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up `state_dict`'s state."""
        self.history = state_dict["history"]
        self.best = state_dict["best"]
        self.finished = state_dict["finished"]
        self.seconds = state_dict["seconds"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say in the checkpoint that the epoch is over; see `_end_epoch`."""
        _end_epoch(checkpoint["loops"]["fit_loop"])

    def show_on(self, reporter: Reporter, progress: Callable[[int, int], None]) -> None:
        """Say a line an epoch and move this bar with each step."""
        self._reporter = reporter
        self._progress = progress

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock and the TensorBoard log; an epoch that an interruption cut off is shown once."""
        if trainer.is_global_zero:
            self._events = SummaryWriter(str(self._job.directory / "tensorboard"), purge_step=len(self.history))
        self._started = time.monotonic()
        self._progress(trainer.global_step, self._total_steps)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the TensorBoard log."""
        if self._events is not None:
            self._events.close()

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Stop after `max_steps`; unlike Lightning's own, this stop is followed by a validation."""
        self._progress(trainer.global_step, self._total_steps)
        if trainer.global_step >= self._total_steps:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row to the history, keep the weights if they are the best, save, and stop if it is time."""
        assert isinstance(pl_module, Classifier)
        self.history.append(
            {
                "epoch": trainer.current_epoch,
                "train_loss": pl_module.train_loss,
                "val_loss": pl_module.validation_loss,
                "val_auc": pl_module.validation_auc,
                "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            }
        )
        if best_epoch(self.history) == len(self.history) - 1:
            self.best = {key: value.detach().cpu().clone() for key, value in pl_module.network.state_dict().items()}
        self.finished = self._is_over(trainer.global_step)
        self.seconds += time.monotonic() - self._started
        self._started = time.monotonic()
        self._save(trainer)
        if self.finished:
            trainer.should_stop = True

    def _is_over(self, step: int) -> bool:
        patience = self._job.network.training.patience_epochs
        tired = patience is not None and epochs_without_rise(self.history) >= patience
        return tired or step >= self._total_steps

    def _save(self, trainer: Trainer) -> None:
        """Write on the first process alone; the others only take part in the gathering."""
        part = self._job.checkpoint.with_suffix(".part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            part.replace(self._job.checkpoint)
            write_curve(self._job.directory, self.history)
            self._show(self.history[-1])

    def _show(self, row: EpochRow) -> None:
        if self._events is not None:
            for key in ("train_loss", "val_loss", "val_auc", "learning_rate"):
                self._events.add_scalar(key, row[key], row["epoch"])
            self._events.flush()
        self._reporter.say(
            f"  {self._job.name} epoch {row['epoch'] + 1} of {self._job.network.training.epochs}: "
            f"loss {row['train_loss']:.3f}, validation loss {row['val_loss']:.3f}, AUC {row['val_auc']:.3f}"
        )


def _end_epoch(loop: dict[str, Any]) -> None:
    """Bring Lightning's counters to the state between two epochs.

    A checkpoint written at an epoch's end counts that epoch as begun and its batches as current; resumed from it,
    Lightning 2.6 skips hooks and batches of the next epoch, so that the result differs from an uninterrupted one.
    """
    for scope in ("total", "current"):
        epochs = loop["epoch_progress"][scope]
        epochs["completed"] = epochs["processed"]
    optimisation = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    counters = [loop["epoch_loop.batch_progress"], loop["epoch_loop.scheduler_progress"], *optimisation.values()]
    for counter in (counter["current"] for counter in counters):
        counter.update(dict.fromkeys(counter, 0))
    validation = loop["epoch_loop.val_loop.batch_progress"]
    for scope in ("total", "current"):
        validation[scope].update(dict.fromkeys(validation[scope], 0))
    loop["epoch_loop.batch_progress"]["is_last_batch"] = validation["is_last_batch"] = False


def write_curve(directory: Path, history: list[EpochRow]) -> None:
    """Write metrics.csv whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(EpochRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomic(directory / "metrics.csv", text.getvalue())
