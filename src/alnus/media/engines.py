"""Where the decoding processes run: on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Literal

from alnus.media.pool import Answer, Task, answered, cores

Engine = Literal["process", "ray"]


def answers(
    tasks: Sequence[Task], *, engine: Engine, workers: int, timeout_s: float
) -> Generator[tuple[int, Answer], None, None]:
    """Yield (index of the task, its answer) as they come.

    workers: decoding processes, 0 = one a core: of this machine, or of the cluster. Raises MediaError where none can be
    started.
    """
    if engine == "ray":
        from alnus.media.engines_ray import answered_by_ray  # Ray is an extra, and takes 2 s to import

        yield from answered_by_ray(tasks, workers=workers, timeout_s=timeout_s)
    else:
        yield from answered(tasks, workers=workers or cores(), timeout_s=timeout_s)
