"""What the building process is asked for: paths, a statement and the room's secret, as JSON can hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alnus.errors import AlnusError
from alnus.serve.database.tables import Result, Video
from alnus.serve.node.inbox import inbox_path
from alnus.serve.node.statement import Statement
from alnus.serve.node.tables import NodeInstance, Outbound
from alnus.serve.room import Room
from alnus.serve.work.explaining import heat_path

MODULE = "alnus.serve.node.builder"


class CannotBeMadeError(AlnusError):
    """An object cannot be made, and never will be."""


def build_task(room: Room, outbound: Outbound, path: Path) -> dict[str, Any]:
    """Return the request to make an object at a path. Raises CannotBeMadeError where its source is gone."""
    with room.database.reading() as session:
        instance = session.get_one(NodeInstance, outbound.instance_id)
        result = session.get_one(Result, outbound.result_id)
        video = session.get_one(Video, result.video_id)
    source = inbox_path(room.folders, instance.sha256)
    if not source.is_file():
        raise CannotBeMadeError("its source is not there any more: send the study again")
    return {
        "kind": outbound.kind,
        "path": str(source.absolute()),
        "out": str(path.absolute()),
        "key": room.secret.hex(),
        "cine": str(room.folders.cine(video.sha256).absolute()),
        "heat": str(heat_path(room.folders, video.sha256, result.model).absolute()),
        "statement": statement_of(room, video, result).to_json(),
    }


def statement_of(room: Room, video: Video, result: Result) -> Statement:
    """Return what goes into the objects of a result."""
    served = next((model for model in room.models if model.key == result.model), None)
    return Statement(
        model=result.model,
        name=result.model_name,
        version=result.model_version,
        engine=result.engine,
        is_phantom_network=served is not None and served.card.phantom,
        is_phantom_video=video.is_phantom,
        probability=result.probability,
        risk=result.risk,
        risk_low=result.risk_low,
        risk_high=result.risk_high,
        threshold=result.threshold,
        answer=result.answer,
        keyframe=result.keyframe,
        measure=result.measure,
        made_s=result.created_s,
    )
