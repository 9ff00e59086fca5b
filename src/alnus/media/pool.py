"""Decoding in processes that may be lost: a file that kills its process costs that file, and no other.

Each process is a fresh interpreter that runs `alnus.media.worker`; one line of JSON goes in for a file, one comes out.
It limits its own memory and time (`alnus.media.budget`), and ends by itself when this process ends, however that came
about. Unlike multiprocessing it neither forks threads nor runs the caller's main module again.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from types import FrameType
from typing import Any

from alnus.errors import MediaError
from alnus.media.budget import ENDED_BY_TIME
from alnus.media.refusal import shown

Task = dict[str, Any]
Answer = dict[str, Any]

DECODER = "alnus.media.worker"
READY = "ready"
SPENT = "spent"  # in an answer: the process asks to be replaced
START_TIMEOUT_S = 60.0
_LONGEST_ANSWER = 1 << 26  # characters; the frame times of 20,000 frames have 400,000
_NO_START = "the decoding process does not start{}: try `python -m alnus.media.worker`"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(8 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""For glibc, others leave it: so much freed memory stays with the process. To get a frame's pages anew costs a tenth of
what is done with it. It counts among what a process holds (`alnus.media.budget`)."""


class Worker:
    """One decoding process; `ask` starts another in its place when it dies. One thread at a time may ask it."""

    def __init__(self, *, timeout_s: float, module: str = DECODER) -> None:
        """Start nothing yet: the process starts with the first task. module: what it runs, `DECODER` or its like."""
        self._timeout_s, self._module = timeout_s, module
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._has_worked = False

    def ask(self, task: Task) -> Answer:
        """Hand a task over and return the answer; {"refused": reason} where the process dies or takes too long.

        A process that crashes after it did other tasks may have been damaged by those: a fresh one tries once more.
        Raises MediaError where no process can be started at all.
        """
        had_worked = self._has_worked
        answer = self._asked(task)
        if "crashed" in answer and had_worked and not self._is_closed:
            answer = self._asked(task)
        if "crashed" in answer:
            return {"refused": f"the decoder crashed over it (exit status {answer['crashed']})"}
        if answer.pop(SPENT, False):
            self._end()
        if "refused" in answer:
            answer["refused"] = shown(str(answer["refused"]))  # a reason is one line, whatever the process has become
        return answer

    def _asked(self, task: Task) -> Answer:
        process = self._running()
        with _killed_after(process, self._timeout_s) as expired:
            answer = _loaded(_exchanged(process, json.dumps(task)))
        if answer is not None:
            self._has_worked = True
            return answer
        self._end()
        if expired.is_set():
            return {"refused": f"decoding took longer than {self._timeout_s:g} s and was ended"}
        if process.returncode in ENDED_BY_TIME:
            return {"refused": "decoding took longer than its size and its frames allow, and was ended"}
        return {"crashed": process.returncode}

    def close(self) -> None:
        """End the process, whatever another thread is asking of it, and start none again."""
        self._is_closed = True
        self._end()

    def __enter__(self) -> Worker:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            self._has_worked = False
            if process is not None:
                _ended(process)

    def _running(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._is_closed:
                raise MediaError("ingestion was ended")
            if self._process is None:
                self._process = start_process(self._module)
            return self._process


def start_process(module: str = DECODER) -> subprocess.Popen[str]:
    """Start a decoding process and wait until it is ready. Raises MediaError where it does not become so."""
    search = os.pathsep.join(path for path in sys.path if path)
    try:
        process = subprocess.Popen(
            # -P: without it a file json.py in the working directory, which may be the archive, would be run
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what a codec prints may quote the header
            text=True,
            encoding="utf-8",
            env={**_KEPT_MEMORY, **os.environ, **_ONE_THREAD, "PYTHONPATH": search},
        )
    except OSError as error:
        raise MediaError(_NO_START.format(f" ({error.strerror})")) from None
    with _killed_after(process, START_TIMEOUT_S):
        first = _read_line(process).strip()
    if first != READY:
        _ended(process)
        raise MediaError(_NO_START.format(""))
    return process


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen[str], timeout_s: float) -> Iterator[threading.Event]:
    """Kill the process when the block takes longer; the event tells whether it did."""
    expired = threading.Event()

    def kill() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(timeout_s, kill)
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def _ended(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
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
        return _read_line(process)
    except (OSError, ValueError):  # ValueError: the pipe was closed meanwhile, or what came is no text
        return ""


def _loaded(line: str) -> Answer | None:
    """Return what an answer's line holds, None where it is cut or is no answer."""
    try:
        answer = json.loads(line) if line.endswith("\n") else None
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline(_LONGEST_ANSWER)


def answered(
    tasks: Sequence[Task], *, workers: int, timeout_s: float, module: str = DECODER
) -> Iterator[tuple[int, Answer]]:
    """Yield (index of the task, its answer) as they come. Every process is ended when the iteration ends.

    module: what the processes run.

    While it goes on, SIGTERM and SIGHUP end this process by SystemExit, so that what is open is closed.
    """
    crew = [Worker(timeout_s=timeout_s, module=module) for _ in range(min(workers, len(tasks)))]
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
    with terminable():
        try:
            futures = {executor.submit(ask, task): index for index, task in enumerate(tasks)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            for worker in crew:
                worker.close()


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Within the block, let SIGTERM and SIGHUP raise SystemExit(128 + signal), as a shell counts them.

    Does nothing outside the main thread, where Python takes no signals, and where a program handles them itself.
    """
    kinds = [signal.SIGTERM, signal.SIGHUP] if threading.current_thread() is threading.main_thread() else []
    replaced = [kind for kind in kinds if signal.getsignal(kind) == signal.SIG_DFL]
    for kind in replaced:
        signal.signal(kind, _exit)
    try:
        yield
    finally:
        for kind in replaced:
            signal.signal(kind, signal.SIG_DFL)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
