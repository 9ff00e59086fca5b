"""One training in one process: the trainer, its checkpoint to go on from, and the model at the end."""

from __future__ import annotations

import contextlib
import logging
import pickle
import signal
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, Strategy

from alnus.config import TrainingConfig
from alnus.console import Quiet, Reporter, Terminal
from alnus.errors import WeightsError
from alnus.models import (
    ModelCard,
    Network,
    Start,
    build_from_config,
    lay_kernels_channels_last,
    load_weights,
    save_model,
)
from alnus.training.classifier import Classifier, class_weights
from alnus.training.data import ClipData
from alnus.training.devices import channels_last, precision, processes, uses_gpu
from alnus.training.job import Job
from alnus.training.record import STATE_KEY, Record, write_curve
from alnus.training.selection import best_epoch

WAIT = timedelta(minutes=30)  # for the slowest process, before the others give up


def train(job: Job) -> None:
    """Train from the last checkpoint, if there is one, to the end, and save the best epoch's model.

    Returns in every process when the model is there. Leaves torch's global random state as it was.
    Raises ConfigError where the loss is not finite.
    """
    world = processes(job.network.training) * job.network.training.num_nodes
    with torch.random.fork_rng(), _quiet():
        torch.manual_seed(job.seed)
        data = ClipData(job)
        network, start = _network(job)
        classifier = _classifier(job, data, network, steps_per_epoch=data.steps_per_epoch(world))
        record = Record(job, steps_per_epoch=data.steps_per_epoch(world))
        trainer = _trainer(job, record)
        if world > 1:
            trainer.strategy.setup_environment()  # as `fit` does later: even a finished training needs the barriers
        trainer.strategy.barrier("the first process has removed what another training left")
        _train(job, trainer, classifier, data, record)
        if trainer.is_global_zero:
            _save(job, classifier, record, start)
        trainer.strategy.barrier("the model is written")


def _train(job: Job, trainer: Trainer, classifier: Classifier, data: ClipData, record: Record) -> None:
    """Go on from the last checkpoint, unless it is the end."""
    interrupted = job.checkpoint.is_file()
    if interrupted and (state := saved_record(job))["finished"]:
        record.load_state_dict(state)
        return
    reporter: Reporter = Terminal() if job.progress and trainer.is_global_zero else Quiet()
    with reporter.progress(f"Training {job.name}") as progress:
        record.show_on(reporter, progress)
        checkpoint = job.checkpoint if interrupted else None
        with _interruptible(trainer):
            trainer.fit(classifier, datamodule=data, ckpt_path=checkpoint, weights_only=True)


@contextlib.contextmanager
def _interruptible(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C be KeyboardInterrupt again: Lightning 2.6 exits with status 1 and leaves the signal ignored."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if on_main_thread else None
    try:
        yield
    except SystemExit as end:
        if trainer.interrupted:
            raise KeyboardInterrupt from end
        raise
    finally:
        if on_main_thread:
            signal.signal(signal.SIGINT, handler)


def _network(job: Job) -> tuple[Network, Start | None]:
    """Return the network as training begins with it, and the account of the weights that it was given."""
    network, path = build_from_config(job.name, job.network), job.network.weights
    start = None
    if path is not None:
        start = Start.of(path, load_weights(network, path, head="replace", grey="normalised"))
    if channels_last(job.network.training):
        lay_kernels_channels_last(network)
    return network, start


def _classifier(job: Job, data: ClipData, network: Network, *, steps_per_epoch: int) -> Classifier:
    training = job.network.training
    return Classifier(
        job.name,
        network,
        training,
        weights=class_weights(job.train) if training.class_weights else torch.ones(2),
        validation=job.validation,
        clip_counts=data.validation.counts,
        steps_per_epoch=steps_per_epoch,
        seed=job.seed,
    )


def saved_record(job: Job) -> dict[str, Any]:
    """Return the record's state in the last checkpoint. Raises WeightsError where it cannot be read."""
    try:
        checkpoint = torch.load(job.checkpoint, map_location="cpu", weights_only=True)
        state: dict[str, Any] = checkpoint["callbacks"][STATE_KEY]
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        # torch's own message advises to load with weights_only=False, which would run a stranger's code
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged, or of another kind"
        )
        raise WeightsError(
            f"{job.checkpoint}: is no checkpoint of a training ({reason}): remove it, and the training begins anew"
        ) from None
    return state


def _trainer(job: Job, record: Record) -> Trainer:
    training = job.network.training
    return Trainer(
        accelerator=training.accelerator,
        devices=processes(training),
        num_nodes=training.num_nodes,
        strategy=_strategy(training),
        precision=precision(training),
        max_epochs=training.epochs,
        gradient_clip_val=training.gradient_clip,
        gradient_clip_algorithm="norm",
        callbacks=[record],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        benchmark=uses_gpu(training),
        default_root_dir=job.directory,
    )


def _strategy(training: TrainingConfig) -> str | Strategy:
    alone = processes(training) * training.num_nodes == 1
    if training.strategy in ("auto", "ddp", "ddp_spawn") and not alone:
        return DDPStrategy(timeout=WAIT)
    return training.strategy if not training.strategy.startswith("ddp") else "auto"


def _save(job: Job, classifier: Classifier, record: Record, start: Start | None) -> None:
    chosen = best_epoch(record.history)
    classifier.network.load_state_dict(record.best)
    card = ModelCard(
        name=job.name,
        source=job.name,
        network=job.network,
        seed=job.seed,
        epoch=chosen,
        validation_auc=record.history[chosen]["val_auc"],
        start=start,
        **job.card,
    )
    write_curve(job.directory, record.history)
    save_model(job.directory, classifier.network, card)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's hints out of the user's sight; each filter has its reason."""
    logs = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.WARNING)  # "GPU available: False", "Initializing distributed" and the like
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 still uses torch's pytree the old way
            warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
            # frozen normalisation evaluates on purpose
            warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
            # loading in the main process is a choice: the small preset's clips come from memory
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # a training that is begun again finds the directory of the first try
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
            # the GPU is not used because the configuration says so
            warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
