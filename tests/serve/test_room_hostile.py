"""Files that are made to do harm are uploaded: nothing crashes, nothing answers 500, nothing leaves the store."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import zipfile
from pathlib import Path

import pytest
from reading_rooms import URL, Browser, cine_bytes, opened, settings_for, wait_until_done
from starlette.testclient import TestClient

from alnus.serve.database.tables import State
from alnus.serve.settings import Limits, WorkSettings

UPLOADS = int(os.environ.get("ALNUS_HOSTILE_UPLOADS", "70"))  # the release is checked with 1000
MEDIA = Path(__file__).parents[1] / "media" / "hostile_files.py"


def hostile_media(folder: Path) -> list[bytes]:
    """The files of the ingestion's own tests."""
    spec = importlib.util.spec_from_file_location("hostile_files", MEDIA)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [path.read_bytes() for path in module.written(folder).values() if path.is_file()]


def mutated(content: bytes, generator: random.Random) -> bytes:
    """Flip, cut, double or swap parts of a sound file."""
    data = bytearray(content)
    for _ in range(generator.randint(1, 20)):
        at = generator.randrange(len(data))
        kind = generator.randrange(4)
        if kind == 0:
            data[at] = generator.randrange(256)
        elif kind == 1 and len(data) > 200:
            del data[at : at + generator.randint(1, 100)]
        elif kind == 2:
            data[at:at] = data[at : at + generator.randint(1, 100)]
        else:
            data[at : at + 4] = generator.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
    return bytes(data)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def bodies(folder: Path) -> list[bytes]:
    generator = random.Random(0)
    sound = [cine_bytes(folder, seed=1), cine_bytes(folder, seed=2)]
    archive = zipped(**{"../../../evil.avi": sound[0], "/etc/evil.avi": sound[1]})
    found = [archive, zipped(bomb=b"RIFF\0\0\0\0AVI " + bytes(20_000_000)), *hostile_media(folder / "hostile")]
    while len(found) < UPLOADS:
        kind = generator.randrange(4)
        if kind == 0:
            found.append(generator.randbytes(generator.randint(1, 3000)))
        elif kind == 1:
            found.append(mutated(archive, generator))
        else:
            found.append(mutated(generator.choice(found[:60] + sound) or b"x", generator))
    return found[:UPLOADS]


@pytest.mark.slow
def test_hostile_uploads_harm_nothing(run_model, tmp_path):
    work = WorkSettings(workers=2, first_wait_s=0.01)
    room, app = opened(settings_for(run_model, tmp_path / "place" / "room", work=work))
    (tmp_path / "hostile").mkdir()
    with TestClient(app, base_url=URL, raise_server_exceptions=True) as client:
        browser = Browser(client)
        browser.sign_in()
        statuses = [browser.upload(body).status_code for body in bodies(tmp_path)]
        jobs = wait_until_done(room, within_s=600)
        assert client.get("/healthz").status_code == 200
        assert browser.get("/", params={"show": "failed"}).status_code == 200
    assert set(statuses) <= {201, 413, 422}
    assert {job.state for job in jobs.values()} <= {State.FAILED, State.RETURNED}, [
        job.reason for job in jobs.values() if job.state == State.DEAD
    ]
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["room"]
    assert not list(room.folders.incoming.iterdir())
    assert not [path for path in room.folders.received.rglob("*") if path.is_file()]
    assert not list(tmp_path.rglob("evil*"))


def test_an_archive_is_bounded_in_files_in_bytes_and_in_what_a_member_may_grow_to(run_model, tmp_path):
    sound = zipped(a=cine_bytes(tmp_path, seed=1), b=cine_bytes(tmp_path, seed=2))
    bomb = zipped(bomb=b"RIFF\0\0\0\0AVI " + bytes(20_000_000))
    cases = [(Limits(zip_bytes=1000), sound), (Limits(zip_files=1), sound), (Limits(), bomb)]
    for number, (limits, content) in enumerate(cases):
        room, app = opened(settings_for(run_model, tmp_path / str(number), limits=limits))
        browser = Browser(TestClient(app, base_url=URL))  # its workers do not run
        browser.sign_in()
        answer = browser.upload(content)
        assert (answer.status_code, "ZIP file" in answer.json()["detail"]) == (413, True)
        assert not list(room.folders.incoming.iterdir())
