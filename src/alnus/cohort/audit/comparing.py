"""The process that compares cines: `python -m alnus.cohort.audit.comparing`, fed by `alnus.cohort.audit.crew`.

Tasks come as lines of JSON, answers go back as such: fingerprints are written into a folder, and read from there.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alnus.cohort.audit.alignment import Alignment, Window
from alnus.cohort.audit.copies import Copy, Unit, aligned
from alnus.cohort.audit.kept import KeptPrints, keep
from alnus.cohort.audit.search import Candidate, Field, Rows, searched
from alnus.errors import MediaError
from alnus.media.fingerprint import fingerprint
from alnus.media.store import CineStore
from alnus.media.worker import main

FIELD = "field.npz"


def answer_to(task: dict[str, Any]) -> dict[str, Any]:
    """Do a task: "print", "search" or "align"; {"unread": reason} where an entry of the store is damaged."""
    folder = Path(task["prints"])
    if task["do"] == "print":
        return _printed(folder, task)
    prints = _prints(folder, task["count"])
    if task["do"] == "search":
        return packed(searched(prints, _field(folder), task["rows"]))
    units = [unpacked_unit(unit) for unit in task["units"]]
    return {"copies": [None if copy is None else asdict(copy) for copy in (aligned(prints, unit) for unit in units)]}


def _printed(folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    store = _store(Path(task["store"]), folder)
    for index, video in task["videos"]:
        try:
            frames, rate_hz = store.frames(video), store.entry(video).frame_rate_hz or 1.0
        except MediaError as error:
            return {"unread": str(error)}
        keep(folder, index, fingerprint(frames, np.arange(len(frames)) / rate_hz))
    return {}


@lru_cache(maxsize=1)
def _store(path: Path, _: Path) -> CineStore:
    """Return a store for one audit, whose folder is its own: by the next it may hold other videos."""
    return CineStore(path)


@lru_cache(maxsize=1)
def _prints(folder: Path, count: int) -> KeptPrints:
    return KeptPrints(folder, count)


@lru_cache(maxsize=1)
def _field(folder: Path) -> Field:
    with np.load(folder / FIELD, allow_pickle=False) as held:
        return Field(held["dense"], held["basis"])


def packed(rows: Rows) -> dict[str, Any]:
    """Return what was found as what JSON can hold."""
    return {"shape": rows.scores.shape, "scores": _text(rows.scores), "which": _text(rows.which)}


def unpacked(answer: dict[str, Any]) -> Rows:
    """Return what `packed` was given."""
    scores, which = base64.b64decode(answer["scores"]), base64.b64decode(answer["which"])
    shape = answer["shape"]
    return Rows(np.frombuffer(scores, np.float16).reshape(shape), np.frombuffer(which, np.uint8).reshape(shape))


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def unpacked_unit(unit: list[list[dict[str, Any]]]) -> Unit:
    """Return a unit of which each candidate is given as a mapping."""
    return tuple((_candidate(orders[0]), _candidate(orders[1])) for orders in unit)


def _candidate(given: dict[str, Any]) -> Candidate:
    return Candidate(**given | {"window": _window(given["window"])})


def unpacked_copy(given: dict[str, Any]) -> Copy:
    """Return a copy that is given as a mapping."""
    alignment = given["alignment"]
    window, share = _window(alignment["window"]), tuple(alignment["share"])
    return Copy(given["first"], given["second"], Alignment(**alignment | {"window": window, "share": share}))


def _window(sides: list[float]) -> Window:
    top, bottom, left, right = sides
    return top, bottom, left, right


if __name__ == "__main__":
    main(answer_to, imports=())
