"""One training in several processes on this machine: each child is one of Lightning's DDP processes.

Departures: Lightning's own launcher runs the whole command again in every process; here only the training runs there,
so that a study reads, writes and reports once. On several machines, start the same command on each with Lightning's
variables (MASTER_ADDR, MASTER_PORT, NODE_RANK) and a shared file system; under torchrun or SLURM, which start the
processes themselves, nothing is launched.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from multiprocessing.queues import SimpleQueue
from typing import TYPE_CHECKING

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from alnus.errors import AlnusError
from alnus.training.devices import processes, uses_gpu
from alnus.training.job import Job

if TYPE_CHECKING:
    Failures = SimpleQueue[AlnusError]


def run(job: Job) -> None:
    """Train in as many processes as the configuration asks for. Raises what `train` raises."""
    count = processes(job.network.training)
    if count * job.network.training.num_nodes == 1 or _launched_already():
        _train(job)
        return
    failures: Failures = multiprocessing.get_context("spawn").SimpleQueue()
    port = int(os.environ.get("MASTER_PORT", 0)) or _free_port()
    try:
        spawn(_child, args=(job, count, port, failures), nprocs=count)  # type: ignore[no-untyped-call]  # torch's own gap
    except (ProcessRaisedException, ProcessExitedException):
        if failures.empty():
            raise
        raise failures.get() from None


def _child(rank: int, job: Job, count: int, port: int, failures: Failures) -> None:
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    if not uses_gpu(job.network.training):
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    try:
        _train(job)
    except AlnusError as error:
        failures.put(error)
        raise


def _train(job: Job) -> None:
    from alnus.training.process import train  # imports Lightning, seconds that a launching process can spare

    train(job)


def _launched_already() -> bool:
    """Say whether torchrun (LOCAL_RANK) or SLURM's srun (SLURM_PROCID, of a job that is no shell) started this."""
    shell = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "LOCAL_RANK" in os.environ or ("SLURM_PROCID" in os.environ and not shell)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
