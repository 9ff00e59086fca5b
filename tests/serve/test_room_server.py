"""The server as it is started: `alnus serve` in a process of its own, killed, started again, asked by many at once."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from reading_rooms import (
    PASSWORD,
    URL,
    Browser,
    cine_bytes,
    opened,
    results_of,
    serving,
    settings_for,
    videos_of,
    wait_until_done,
)
from starlette.testclient import TestClient
from typer.testing import CliRunner

from alnus.cli import app as command_line
from alnus.serve.database.tables import State
from alnus.serve.settings import WorkSettings


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def started(model, data, password_file, port) -> subprocess.Popen:
    command = [sys.executable, "-m", "alnus.cli", "serve", str(model), "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--engine", "eager", "--password-file", str(password_file)], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while True:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/healthz")
            return process
        except httpx2.TransportError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.mark.slow
def test_what_was_taken_before_the_server_was_killed_is_finished_by_the_next(run_model, tmp_path):
    data, port = tmp_path / "room", free_port()
    (tmp_path / "password").write_text(PASSWORD)
    process = started(run_model, data, tmp_path / "password", port)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True) as client:
        browser = Browser(client)
        browser.sign_in()
        made = [browser.upload(cine_bytes(tmp_path, seed=seed)).json()["videos"][0]["video"] for seed in range(3)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    room, app = opened(settings_for(run_model, data))
    with TestClient(app, base_url=URL):
        jobs = wait_until_done(room)
    assert {video: jobs[video].state for video in made} == dict.fromkeys(made, State.RETURNED)
    assert len(results_of(room)) == len(videos_of(room)) == 3


@pytest.mark.slow
def test_twenty_clients_at_once_are_all_served_and_the_queue_drains(run_model, tmp_path):
    bodies = [cine_bytes(tmp_path, seed=seed, frames=16, side_px=96) for seed in range(20)]
    room, app = opened(settings_for(run_model, tmp_path / "room", work=WorkSettings(workers=2)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(app) as url, httpx2.Client(base_url=url, follow_redirects=True, timeout=120) as client:
        browser = Browser(client)
        browser.sign_in()
        with ThreadPoolExecutor(20) as clients:
            answers = list(clients.map(browser.upload, bodies))
        jobs = wait_until_done(room, within_s=300)
    assert {answer.status_code for answer in answers} == {201}
    assert len(jobs) == 20
    assert {job.state for job in jobs.values()} == {State.RETURNED}
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400  # MB


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "reached from other machines"),
        (["--certificate", "c.pem"], "a certificate and its private key go together"),
        (["--database", "mysql://x/y"], "mysql is not supported; give postgresql"),
        (["--database", "nonsense"], "is no database URL"),
        (["--password-file", "/nowhere"], "--password-file /nowhere: cannot be read"),
        (["--certificate", "/nowhere", "--private-key", "/nowhere"], "--certificate /nowhere: cannot be read"),
        (["--engine", "magic"], "engine 'magic' is not one of auto, eager"),
    ],
)
def test_the_command_refuses_what_would_not_be_safe_or_cannot_be(run_model, tmp_path, arguments, message):
    result = CliRunner().invoke(command_line, ["serve", str(run_model), "--data", str(tmp_path / "room"), *arguments])
    assert result.exit_code != 0
    assert message in str(result.exception)


def serve_here(model, data, *arguments):
    return CliRunner().invoke(command_line, ["serve", str(model), "--data", str(data), "--engine", "eager", *arguments])


def test_a_port_that_is_taken_is_one_line_and_the_first_password_is_shown_nevertheless(
    run_model, tmp_path, monkeypatch
):
    # uvicorn's set-up closes every handler of the process; absl's, which nncf imports, closes its stream: pytest's
    monkeypatch.setattr("uvicorn.Config.configure_logging", lambda self: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = serve_here(run_model, tmp_path / "room", "--port", str(port))
    assert str(result.exception) == f"--host 127.0.0.1 --port {port}: cannot be listened on (Address already in use)"
    assert "first password, shown once: " in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["second room", "port"])
def test_what_keeps_a_part_from_starting_is_one_line(run_model, tmp_path, kind):
    pytest.importorskip("pynetdicom", reason="the DICOM node needs the extra `serve`")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        data = tmp_path / "room"
        command = [sys.executable, "-m", "alnus.cli", "serve", str(run_model), "--data", str(data), "--port", "0"]
        if kind == "port":
            command += ["--dicom-port", str(taken), "--dicom-caller", "X"]
            said, expected = _ended(command), f"--dicom-port {taken}: cannot be listened on (Address already in use)"
        else:
            with TestClient(opened(settings_for(run_model, data))[1], base_url=URL):
                said, expected = _ended(command), f"--data {data}: another reading room runs on it"
    assert expected in said
    assert "Traceback" not in said


def _ended(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    return done.stderr


def test_a_folder_without_a_network_is_refused(tmp_path):
    result = CliRunner().invoke(command_line, ["serve", str(tmp_path), "--data", str(tmp_path / "room")])
    assert "neither a model's directory" in str(result.exception)


def test_the_rooms_files_are_its_owners_alone(run_model, tmp_path):
    room, _ = opened(settings_for(run_model, tmp_path / "room"))
    assert room.folders.root.stat().st_mode & 0o077 == 0
    assert (room.folders.root / "secret.key").stat().st_mode & 0o077 == 0
    assert (room.folders.root / "room.sqlite").stat().st_mode & 0o077 == 0
