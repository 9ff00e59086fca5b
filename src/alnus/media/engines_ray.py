"""Decoding on a Ray cluster: each of its processors asks a guarded decoding process of its own, as on one machine.

Every machine of the cluster needs Alnus, the videos and the store under the same paths. The tables of the store are
written by the process that started the ingestion. Ray takes ten seconds and 700 MB to start: for archives, not cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from alnus.errors import MediaError
from alnus.media.pool import Answer, Task, Worker

LOST = "the machine or the Ray process that decoded it was lost, twice"


class Decoder:
    """The actor: one guarded decoding process on whatever machine Ray has put it."""

    def __init__(self, timeout_s: float) -> None:
        self._worker = Worker(timeout_s=timeout_s)

    def ask(self, task: Task) -> Answer:
        """Hand a task to the decoding process and return its answer."""
        return self._worker.ask(task)

    def close(self) -> None:
        """End the decoding process."""
        self._worker.close()


def answered_by_ray(tasks: Sequence[Task], *, workers: int, timeout_s: float) -> Iterator[tuple[int, Answer]]:
    """Yield (index of the task, its answer) as they come, each actor working on one task at a time.

    workers: actors, 0 = one for each processor of the cluster. Joins the cluster that RAY_ADDRESS names or that the
    program has joined already; else starts one on this machine and ends it. Raises MediaError without Ray.
    """
    ray = _ray()
    if not tasks:
        return
    with _cluster(ray):
        count = min(workers or max(1, int(ray.cluster_resources().get("CPU", 1))), len(tasks))
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=1)(Decoder)
        crew = [actor.remote(timeout_s) for _ in range(count)]
        try:
            yield from _shared_out(ray, tasks, crew)
        finally:
            for member in crew:
                ray.kill(member)  # its decoding process ends with it


def _shared_out(ray: Any, tasks: Sequence[Task], crew: list[Any]) -> Iterator[tuple[int, Answer]]:
    waiting = iter(enumerate(tasks))
    running = {member.ask.remote(task): (index, member) for member, (index, task) in zip(crew, waiting, strict=False)}
    while running:
        ready, _ = ray.wait(list(running), num_returns=1)
        index, member = running.pop(ready[0])
        answer = _answer(ray, ready[0])
        following = next(waiting, None)
        if following is not None:
            running[member.ask.remote(following[1])] = (following[0], member)
        yield index, answer


def _answer(ray: Any, reference: Any) -> Answer:
    try:
        answer: Answer = ray.get(reference)
    except ray.exceptions.RayActorError:
        return {"refused": LOST}
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MediaError):
            raise error.cause from None
        raise
    return answer


@contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """Join the cluster, or start one; what was started here is ended here."""
    if ray.is_initialized():
        yield
        return
    ray.init(configure_logging=False, log_to_driver=False, include_dashboard=False)
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        return import_module("ray")
    except ImportError:
        raise MediaError("the engine is 'ray', which is not installed: pip install 'alnus[cluster]'") from None
