"""The process that makes what goes back: `python -m alnus.serve.node.builder`. It alone reads the source's header.

Tasks come as lines of JSON, answers go back as such, without a word of the header: {"uid": of the object} or
{"unmade": reason}. What a library prints or warns of goes nowhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydicom import dcmread, dcmwrite
from pydicom.config import IGNORE, settings
from pydicom.dataset import Dataset

from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opening import foreign_faults
from alnus.media.refusal import Refused, quiet
from alnus.media.worker import main
from alnus.provenance import atomic_path
from alnus.serve.node.heading import Source, source_of
from alnus.serve.node.statement import Statement
from alnus.serve.node.tables import Kind


def answer_to(task: dict[str, Any]) -> dict[str, Any]:
    """Make an object and put it in place, whole; return its UID, or why it cannot be made."""
    try:
        with foreign_faults(), quiet():
            settings.writing_validation_mode = IGNORE  # a patient's id goes back as it came, whatever it is
            made = built(task)
            _write(Path(task["out"]), made)
            return {"uid": str(made.SOPInstanceUID)}
    except Refused as refused:
        return {"unmade": str(refused)}


def built(task: dict[str, Any]) -> Dataset:
    """Return the object that a task asks for. Raises Refused."""
    from alnus.serve.node.capture import heatmap
    from alnus.serve.node.report import report

    statement = Statement.of(task["statement"])
    source: Source = source_of(dcmread(task["path"], stop_before_pixels=True), DEFAULT_LIMITS)
    key = bytes.fromhex(task["key"])
    if task["kind"] == Kind.REPORT:
        return report(source, statement, key=key)
    return heatmap(source, statement, key=key, cine=Path(task["cine"]), heat=Path(task["heat"]))


def _write(path: Path, made: Dataset) -> None:
    with atomic_path(path) as temporary:
        dcmwrite(temporary, made, enforce_file_format=True)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())


if __name__ == "__main__":
    main(answer_to, ("alnus.serve.node.capture", "alnus.serve.node.report"))
