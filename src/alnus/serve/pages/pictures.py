"""The frames of a cine and their heat, as the browser takes them: JPEG in packs, PNG of one frame, heat as bytes."""

from __future__ import annotations

import gzip
import json
import re
import struct
from io import BytesIO
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request
from numpy.typing import NDArray
from PIL import Image
from starlette.responses import Response

from alnus.errors import AlnusError
from alnus.media import CineStore
from alnus.media.store import META
from alnus.serve.database.tables import Video
from alnus.serve.pages.rendering import room_of
from alnus.serve.room import Room
from alnus.serve.work.explaining import read_heat
from alnus.serve.work.ingesting import NAME, cine_store

router = APIRouter(include_in_schema=False)

KEY = re.compile(r"[\w-]+(\.fold\d+)?-\w+", re.ASCII)
JPEG_QUALITY = 92
PACK_FRAMES = 64  # at most, in one answer
UNKNOWN_RATE_HZ = 10.0  # a readable pace for a cine whose file states none
CACHED = {"cache-control": "private, max-age=86400, immutable"}
"""A cine's frames never change, and its address says nothing about the patient."""


@router.get("/videos/{video_id}/frames")
def frames(
    request: Request,
    video_id: str,
    first: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    count: Annotated[int, Query(ge=1, le=PACK_FRAMES)] = PACK_FRAMES,
) -> Response:
    """Return some frames one after another: four bytes of length (little endian), then a JPEG of it."""
    _, store = readable(room_of(request), video_id)
    length = len(store.frames(NAME))
    wanted = range(first, min(first + count, length))
    if not wanted:
        raise HTTPException(404, f"there is no frame {first}; the cine has {length}")
    body = b"".join(struct.pack("<I", len(data)) + data for data in map(as_jpeg, store.read(NAME, list(wanted))))
    return Response(body, media_type="application/octet-stream", headers=CACHED)


@router.get("/videos/{video_id}/frames/{number}.png")
def frame(request: Request, video_id: str, number: int) -> Response:
    """Return one frame without loss."""
    _, store = readable(room_of(request), video_id)
    cine = store.frames(NAME)
    if not 0 <= number < len(cine):
        raise HTTPException(404, f"there is no frame {number}; the cine has {len(cine)}")
    return Response(as_png(np.asarray(cine[number])), media_type="image/png", headers=CACHED)


@router.get("/videos/{video_id}/heat/{model}")
def heat(request: Request, video_id: str, model: str) -> Response:
    """Return the heat of every frame: frames, height, width (four bytes each, little endian), then a byte a pixel."""
    room = room_of(request)
    video, _ = readable(room, video_id)
    packed = CACHED | {"content-encoding": "gzip"}
    return Response(heat_bytes(room, video, model), media_type="application/octet-stream", headers=packed)


def heat_bytes(room: Room, video: Video, model: str) -> bytes:
    """Return the heat, packed by gzip. Raises HTTPException where there is none yet."""
    if not KEY.fullmatch(model):  # it becomes a part of a file's name
        raise HTTPException(404, "there is no such network")
    try:
        values = read_heat(room.folders, video.sha256, model)
    except AlnusError:
        raise HTTPException(404, "its heat is not there yet") from None
    return gzip.compress(struct.pack("<III", *values.shape) + values.tobytes(), compresslevel=1)


def readable(room: Room, video_id: str) -> tuple[Video, CineStore]:
    """Return a video that was ingested, and its store. Raises HTTPException."""
    with room.database.reading() as session:
        video = session.get(Video, video_id)
    if video is None or video.frames is None:
        raise HTTPException(404, "there is no such video, or it is not read yet")
    return video, cine_store(room.folders, video.sha256)


def frame_times_s(store: CineStore) -> list[float]:
    """Return when each frame was taken, from the first on; evenly where the file does not say."""
    meta = json.loads((store.root / store.entry(NAME).key / META).read_text(encoding="utf-8"))
    times: list[float] = meta["frame_times_s"]
    if meta["frame_rate_hz"] is None:
        return [number / UNKNOWN_RATE_HZ for number in range(len(times))]
    return [round(time_s - times[0], 6) for time_s in times]


def as_jpeg(grey: NDArray[np.uint8]) -> bytes:
    """Return a grey frame as JPEG."""
    out = BytesIO()
    Image.fromarray(grey).save(out, format="JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a frame as PNG, without loss."""
    out = BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", compress_level=1)
    return out.getvalue()
