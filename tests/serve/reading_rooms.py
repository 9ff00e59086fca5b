"""A reading room for tests: a tiny network in a tiny run, a room on it, a signed-in browser that has no screen."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import uvicorn
from sqlmodel import select
from starlette.testclient import TestClient

from alnus.config import ClipConfig, InferenceConfig, NetworkConfig
from alnus.evaluation.conformal import fit_conformal
from alnus.evaluation.recalibration import fit_recalibration
from alnus.models import ModelCard, build_from_config, save_model
from alnus.provenance import write_json
from alnus.serve import ServeSettings, create_app
from alnus.serve.app import open_room
from alnus.serve.database.tables import WAITING, Job, Result, Video
from alnus.serve.settings import WorkSettings
from cohorts import spot_cine, write_avi

PASSWORD = "correct horse battery"
URL = "http://127.0.0.1:8700"


def write_model(directory: Path, *, threshold: float | None = 0.5, seed: int = 0, **card) -> Path:
    network = NetworkConfig(
        depth=18,
        width=16,
        clip=ClipConfig(frames=4, resize_px=36, side_px=32, channels=1),
        inference=InferenceConfig(clips_per_video=1),
    )
    torch.manual_seed(seed)
    model = build_from_config("tin", network)
    save_model(
        directory,
        model,
        ModelCard(name="tin", source="tin", network=network, threshold=threshold, phantom=True, **card),
    )
    return directory


def write_run(folder: Path, *, patients: int = 60, threshold: float = 0.5) -> Path:
    """A run as `alnus study` leaves it, as far as the room reads it; returns the model's directory."""
    generator = np.random.default_rng(0)
    labels = np.arange(patients) % 2
    scores = np.clip(0.5 + 0.15 * (labels - 0.5) + generator.normal(0, 0.15, patients), 0.02, 0.98)
    table = pd.DataFrame(
        {
            "patient_id": [f"P{number:03d}" for number in range(patients)],
            "video": [f"{number}.avi" for number in range(patients)],
            "split": "val",
            "label": labels,
            "source": "tin",
            "score": scores,
            "call": (scores >= threshold).astype(int),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "predictions.csv", index=False)
    frozen = {
        "recalibration": {"-1": fit_recalibration(labels, scores).to_json()},
        "not_sure": {"-1": fit_conformal(labels, scores).to_json()},
        "reasons": {},
    }
    stated = {"aggregation": "mean", "thresholds": {"tin": {"value": threshold}}, "frozen": {"tin": frozen}}
    write_json(folder / "results.json", stated)
    return write_model(folder / "models" / "tin", threshold=threshold)


def cine_bytes(folder: Path, *, seed: int = 0, frames: int = 8, side_px: int = 48) -> bytes:
    path = folder / f"cine-{seed}.avi"
    write_avi(path, spot_cine(grows=bool(seed % 2), frames=frames, side_px=side_px, seed=seed))
    return path.read_bytes()


def settings_for(model: Path, data: Path, **changes) -> ServeSettings:
    work = WorkSettings(workers=1, first_wait_s=0.01)
    return ServeSettings(**({"models": (model,), "data": data, "work": work, "engine": "eager"} | changes))


class Browser:
    """A browser that has signed in, as far as HTTP goes."""

    def __init__(self, client: TestClient) -> None:
        self.client, self.csrf = client, ""

    def sign_in(self, name: str = "admin", password: str = PASSWORD):
        form = re.search('name="form" value="([^"]+)"', self.client.get("/login").text)[1]
        fields = {"name": name, "password": password, "form": form, "next": "/"}
        answer = self.client.post("/login", data=fields, follow_redirects=False)
        if answer.status_code == 303:
            self.csrf = re.search('name="csrf" value="([^"]+)"', self.client.get("/account").text)[1]
        return answer

    def get(self, path: str, **options):
        return self.client.get(path, **options)

    def post(self, path: str, fields: dict | None = None, **options):
        return self.client.post(path, data={**(fields or {}), "csrf": self.csrf}, **options)

    def upload(self, content: bytes):
        return self.client.post("/uploads", content=content, headers={"x-csrf-token": self.csrf})


def wait_until_done(room, *, within_s: float = 200) -> dict[str, Job]:
    """Wait until no job is to be done; return them by their video."""
    until = time.monotonic() + within_s
    while True:
        with room.database.reading() as session:
            jobs = {job.video_id: job for job in session.exec(select(Job))}
        if not any(job.state in WAITING for job in jobs.values()):
            return jobs
        assert time.monotonic() < until, {key: (job.state, job.reason) for key, job in jobs.items()}
        time.sleep(0.02)


def results_of(room) -> list[Result]:
    with room.database.reading() as session:
        return list(session.exec(select(Result)))


def videos_of(room) -> list[Video]:
    with room.database.reading() as session:
        return list(session.exec(select(Video)))


def opened(settings: ServeSettings):
    """A room and its application; its workers start with the client."""
    room, _ = open_room(settings, password=PASSWORD)
    return room, create_app(settings, room=room)


@contextmanager
def serving(app):
    """Serve an application over TCP, on a free port of loopback; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 200
    while not server.started:
        assert thread.is_alive(), "the server ended while it started"
        assert time.monotonic() < until
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
