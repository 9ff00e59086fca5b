"""Decoding in processes that may be lost: a file that kills its process costs that file, and no other.

Each process is a fresh interpreter that runs `alnus.media.worker`; one line of JSON goes in for a file, one comes out.
It ends by itself when this process ends, however that came about. Unlike multiprocessing it neither forks threads nor
runs the caller's main module again.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import Any

from alnus.errors import MediaError

Task = dict[str, Any]
Answer = dict[str, Any]

READY = "ready"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Worker:
    """One decoding process; `ask` starts another in its place when it dies."""

    def __init__(self, *, timeout_s: float) -> None:
        """Start nothing yet: the process starts with the first task."""
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def ask(self, task: Task) -> Answer:
        """Hand a task over and return the answer; {"refused": reason} where the process dies or takes too long.

        Raises MediaError where no process can be started at all.
        """
        process = self._running()
        expired = threading.Event()

        def end() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(self._timeout_s, end)
        timer.start()
        try:
            answer = _exchanged(process, json.dumps(task))
        finally:
            timer.cancel()
        if answer:
            loaded: Answer = json.loads(answer)
            return loaded
        self._end()
        if expired.is_set():
            return {"refused": f"decoding took longer than {self._timeout_s:g} s and was ended"}
        return {"refused": f"the decoder crashed over it (exit status {process.returncode})"}

    def close(self) -> None:
        """End the process, whatever another thread is asking of it, and start none again."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                process.kill()
                process.wait()
                _close_pipes(process)

    def _running(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._is_closed:
                raise MediaError("ingestion was ended")
            if self._process is None:
                self._process = start_process()
            return self._process


def start_process() -> subprocess.Popen[str]:
    """Start a decoding process and wait until it is ready. Raises MediaError where it does not become so."""
    search = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-m", "alnus.media.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what a codec prints may quote the header
        text=True,
        env={**os.environ, **_ONE_THREAD, "PYTHONPATH": search},
    )
    if _read_line(process).strip() != READY:
        process.kill()
        process.wait()
        _close_pipes(process)
        raise MediaError("the decoding process does not start: try `python -m alnus.media.worker`")
    return process


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was not yet written has no reader any more
                pipe.close()


def _exchanged(process: subprocess.Popen[str], line: str) -> str:
    """Write one line and return the line that answers it, "" where the process is gone."""
    assert process.stdin is not None
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer = _read_line(process)
    except (OSError, ValueError):  # ValueError: the pipe was closed meanwhile
        return ""
    return answer if answer.endswith("\n") else ""


def _read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def answered(tasks: Sequence[Task], *, workers: int, timeout_s: float) -> Iterator[tuple[int, Answer]]:
    """Yield (index of the task, its answer) as they come. Every process is ended when the iteration ends."""
    crew = [Worker(timeout_s=timeout_s) for _ in range(min(workers, len(tasks)))]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in crew:
        idle.put(worker)

    def ask(task: Task) -> Answer:
        worker = idle.get()
        try:
            return worker.ask(task)
        finally:
            idle.put(worker)

    executor = ThreadPoolExecutor(max(len(crew), 1))
    try:
        futures = {executor.submit(ask, task): index for index, task in enumerate(tasks)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in crew:
            worker.close()


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
