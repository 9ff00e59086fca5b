"""The decoding process: `python -m alnus.media.worker`. Tasks come as lines of JSON, answers go back as such.

It ends as soon as its input does, also while it decodes: no process is left behind by one that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from alnus.media.answering import ingested
from alnus.media.budget import Budget, fence, writable_bytes
from alnus.media.containers import bytes_of, first_bytes, sniffed
from alnus.media.frames_file import StoreWriteError
from alnus.media.guarded import FRAMES_TASK, written_frames
from alnus.media.identity.asking import IDENTIFY_TASK, identified
from alnus.media.limits import MEBIBYTE, DecodeLimits
from alnus.media.pool import READY, SPENT
from alnus.media.refusal import OutOfMemory, Refused

_INGESTION = ("alnus.media.entry",)
_READERS = {True: ("alnus.media.dicom.reading",), False: ("alnus.media.video", "av.subtitles.stream")}
"""Of DICOM, and of the rest: each is a third of the time that a process takes to start. PyAV imports the last late."""
_INPUT = 0  # the descriptor of standard input
_GROWN_BYTES = 256 * MEBIBYTE  # kept by allocators or lost by a codec: a process that holds so much more is replaced


def answer_to(task: dict[str, Any]) -> dict[str, Any]:
    """Do a task within its budget; else {"refused": reason} or {"store": what keeps the store from being written}."""
    limits = DecodeLimits(**task["limits"])
    for name in _READERS[_is_dicom(task["path"])]:  # here, so that the file does not pay for them out of its budget
        import_module(name)
    budget = Budget(limits, _source_bytes(task))
    try:
        with budget:
            return _done(task, replace(limits, pulse=budget.decoded))
    except (OutOfMemory, MemoryError):
        needed = f"decoding needed more than {budget.memory_bytes // MEBIBYTE} MB of memory"
        return {"refused": needed, SPENT: True}
    except Refused as refused:
        return {"refused": str(refused)}
    except StoreWriteError as error:
        return {"store": str(error)}


def _done(task: dict[str, Any], limits: DecodeLimits) -> dict[str, Any]:
    """Return the answer to a task. Raises Refused or StoreWriteError."""
    if task.get("do") == FRAMES_TASK:
        return written_frames(Path(task["path"]), Path(task["out"]), limits=limits)
    if task.get("do") == IDENTIFY_TASK:
        return identified(Path(task["path"]), bytes.fromhex(task["key"]))
    return ingested(task, limits)


def _is_dicom(name: str) -> bool:
    try:
        return sniffed(first_bytes(Path(name))) == "dicom"
    except (Refused, OSError, ValueError):
        return False


def _source_bytes(task: dict[str, Any]) -> int:
    """Return the size of a task's sources; what is not there or cannot be measured counts nothing."""
    total = 0
    for name in (task.get("path"), task.get("image")):
        with contextlib.suppress(OSError, ValueError):
            total += 0 if name is None else bytes_of(Path(name))
    return total


def main(
    answer_of: Callable[[dict[str, Any]], dict[str, Any]] = answer_to, imports: Sequence[str] = _INGESTION
) -> None:
    """Answer until the input ends, which it does when the asking process ends. imports: modules, before it is ready."""
    fence()
    for name in imports:
        import_module(name)
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    before = writable_bytes() or 0
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what a library prints goes where errors go, not among the answers
        answers.write(f"{READY}\n")
        answers.flush()
        while True:
            answer = answer_of(json.loads(tasks.get()))
            if (writable_bytes() or 0) > before + _GROWN_BYTES:
                answer[SPENT] = True
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _listen(tasks: SimpleQueue[bytes]) -> None:
    """Pass each line of the input on; end the process with the input, in the midst of a task if need be.

    Only a decoder that never lets go of the interpreter defers this, until its budget is used up.
    """
    for line in _lines(_INPUT):
        tasks.put(line)
    os._exit(0)


def _lines(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while block := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines


if __name__ == "__main__":
    main()
