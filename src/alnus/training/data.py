"""The DataModule: the same clips in the same order whatever the number of loader workers or an interruption."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from alnus.clips import ClipDataset, EpochSampler, EvaluationClips, EvaluationSampler
from alnus.training.job import Job

Item = TypeVar("Item")


class ClipData(LightningDataModule):
    """Random clips of the training videos, fixed clips of the validation videos; each process loads its share."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        network, training = job.network, job.network.training
        self._training = training
        self._seed = job.seed
        self._train = ClipDataset(job.train, job.store, network.clip, augmentation=training.augmentation, seed=job.seed)
        self.validation = EvaluationClips(
            job.validation, job.store, network.clip, clips_per_video=network.inference.clips_per_video
        )

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int, int]]:
        """Return the loader of this process's training clips."""
        rank, world = self._place()
        sampler = self.train_sampler(rank, world)
        sampler.set_epoch(self.trainer.current_epoch if self.trainer else 0)  # workers ask before Lightning says it
        return self._loader(self._train, sampler)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Return the loader of this process's validation clips."""
        rank, world = self._place()
        return self._loader(self.validation, EvaluationSampler(len(self.validation), rank=rank, world=world))

    def train_sampler(self, rank: int, world: int) -> EpochSampler:
        """Return the order of one process's training samples."""
        size = self._training.batch_size
        return EpochSampler(len(self._train), batch_size=size, seed=self._seed, rank=rank, world=world)

    def steps_per_epoch(self, world: int) -> int:
        """Return the number of optimiser steps in an epoch."""
        return -(-len(self.train_sampler(0, world)) // self._training.batch_size)

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(self, dataset: Dataset[Item], sampler: Sampler[Any]) -> DataLoader[Item]:
        workers = self._training.workers
        return DataLoader(
            dataset,
            batch_size=self._training.batch_size,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # a loader would else draw from the generator that dropout uses
        )
