"""A video's ingestion as a task of JSON: what goes to a decoding process, and what it answers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from alnus.config import QualityConfig
from alnus.media.cine import Box
from alnus.media.limits import DecodeLimits
from alnus.media.rules import Rules
from alnus.media.sources import Excluded, IngestItem


def task_of(item: IngestItem, store: Path, limits: DecodeLimits, rules: Rules) -> dict[str, Any]:
    """Return an item as what JSON can hold."""
    return {
        "video": item.video,
        "path": str(item.path),
        "roi": None if item.roi is None else asdict(item.roi),
        "image": None if item.image is None else str(item.image),
        "keyframe": item.keyframe,
        "store": str(store),
        "limits": asdict(limits),
        "quality": rules.quality.model_dump(mode="json"),
        "gate": rules.gate,
    }


def ingested(task: dict[str, Any], limits: DecodeLimits) -> dict[str, Any]:
    """Ingest a task's video: {"findings": …} or {"refused": reason, "code": …, "findings": …}.

    Raises Refused for a file that cannot be read, StoreWriteError where the store cannot be written.
    """
    from alnus.media.entry import ingest_one  # PyAV and SciPy, which the asking process does not need

    item = IngestItem(
        task["video"],
        Path(task["path"]),
        roi=None if task["roi"] is None else Box(**task["roi"]),
        image=None if task["image"] is None else Path(task["image"]),
        keyframe=task["keyframe"],
    )
    rules = Rules(quality=QualityConfig(**task["quality"]), gate=task["gate"])
    try:
        return {"findings": ingest_one(item, Path(task["store"]), limits=limits, rules=rules)["findings"]}
    except Excluded as excluded:
        return {"refused": str(excluded), "code": excluded.code, "findings": excluded.findings}
