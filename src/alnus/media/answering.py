"""What a decoding process answers to the task of ingesting a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alnus.media.cine import Box
from alnus.media.entry import ingest_one
from alnus.media.limits import DecodeLimits
from alnus.media.rules import Rules
from alnus.media.sources import Excluded, IngestItem
from alnus.media.thresholds import Thresholds


def ingested(task: dict[str, Any], limits: DecodeLimits) -> dict[str, Any]:
    """Ingest a task's video: {"findings": …} or {"refused": reason, "code": …, "findings": …}.

    Raises Refused for a file that cannot be read, StoreWriteError where the store cannot be written.
    """
    item = IngestItem(
        task["video"],
        Path(task["path"]),
        roi=None if task["roi"] is None else Box(**task["roi"]),
        image=None if task["image"] is None else Path(task["image"]),
        keyframe=task["keyframe"],
        patient=task["patient"],
    )
    rules = Rules(
        quality=Thresholds(**task["quality"]),
        gate=task["gate"],
        dicom_out=None if task["dicom_out"] is None else Path(task["dicom_out"]),
        key=bytes.fromhex(task["key"]),
    )
    try:
        return {"findings": ingest_one(item, Path(task["store"]), limits=limits, rules=rules)["findings"]}
    except Excluded as excluded:
        return {"refused": str(excluded), "code": excluded.code, "findings": excluded.findings}
