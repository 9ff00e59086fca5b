"""A video's ingestion as a task of JSON: what goes to a decoding process (`alnus.media.answering` has the answer)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from alnus.media.limits import DecodeLimits
from alnus.media.rules import Rules
from alnus.media.sources import IngestItem


def task_of(item: IngestItem, store: Path, limits: DecodeLimits, rules: Rules) -> dict[str, Any]:
    """Return an item as what JSON can hold."""
    return {
        "video": item.video,
        "path": str(item.path),
        "roi": None if item.roi is None else asdict(item.roi),
        "image": None if item.image is None else str(item.image),
        "keyframe": item.keyframe,
        "patient": item.patient,
        "store": str(store),
        "limits": asdict(limits),
        "quality": asdict(rules.quality),
        "gate": rules.gate,
        "dicom_out": None if rules.dicom_out is None else str(rules.dicom_out),
        "key": rules.key.hex(),
    }
