"""The decoding process: `python -m alnus.media.worker`. Tasks come as lines of JSON, answers go back as such."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alnus.media.cine import Box
from alnus.media.entry import IngestItem, StoreWriteError, ingest_one
from alnus.media.limits import DecodeLimits
from alnus.media.pool import READY
from alnus.media.refusal import Refused


def task_of(item: IngestItem, store: Path, limits: DecodeLimits) -> dict[str, Any]:
    """Return an item as what JSON can hold."""
    return {
        "video": item.video,
        "path": str(item.path),
        "roi": None if item.roi is None else asdict(item.roi),
        "image": None if item.image is None else str(item.image),
        "keyframe": item.keyframe,
        "store": str(store),
        "limits": asdict(limits),
    }


def answer_to(task: dict[str, Any]) -> dict[str, Any]:
    """Ingest a task's video: {"meta": …}, {"refused": reason} or {"store": what keeps the store from being written}."""
    item = IngestItem(
        task["video"],
        Path(task["path"]),
        roi=None if task["roi"] is None else Box(**task["roi"]),
        image=None if task["image"] is None else Path(task["image"]),
        keyframe=task["keyframe"],
    )
    try:
        return {"meta": ingest_one(item, Path(task["store"]), limits=DecodeLimits(**task["limits"]))}
    except Refused as refused:
        return {"refused": str(refused)}
    except StoreWriteError as error:
        return {"store": str(error)}


def main() -> None:
    """Answer until the input ends, which it does when the asking process ends."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what a library prints goes where errors go, not among the answers
        answers.write(f"{READY}\n")
        answers.flush()
        for line in sys.stdin:
            answers.write(json.dumps(answer_to(json.loads(line))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
