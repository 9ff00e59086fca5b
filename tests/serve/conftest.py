"""A tiny run, and a room on it with a signed-in administrator."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # reading_rooms.py

pytest.importorskip("fastapi", reason="the reading room needs the extra `serve`")


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords():
    """Passwords that are hashed in a millisecond instead of a tenth of a second; yields the real hasher."""
    from argon2 import PasswordHasher

    from alnus.serve.access import passwords

    strong, passwords._HASHER = passwords._HASHER, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    yield strong
    passwords._HASHER = strong


@pytest.fixture(scope="session")
def run_model(tmp_path_factory):
    """A tiny network's directory in a run. Do not write into it."""
    from reading_rooms import write_run

    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def settings(run_model, tmp_path):
    from reading_rooms import settings_for

    return settings_for(run_model, tmp_path / "room")


@pytest.fixture
def open_app(settings):
    """(room, client): a room whose workers run, and a client that has not signed in."""
    from reading_rooms import URL, opened
    from starlette.testclient import TestClient

    room, app = opened(settings)
    with TestClient(app, base_url=URL) as client:
        yield room, client


@pytest.fixture
def browser(open_app):
    """(room, browser): signed in as administrator."""
    from reading_rooms import Browser

    room, client = open_app
    one = Browser(client)
    assert one.sign_in().status_code == 303
    return room, one


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, driven by Playwright, which waits a minute for what it is told to see: machines are busy."""
    reason = "playwright is not installed: pip install -e '.[test]'"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed: apt install chromium")
    sync_api.expect.set_options(timeout=60_000)
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=options, timeout=120_000)
        yield browser
        browser.close()
