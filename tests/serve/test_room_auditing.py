"""The audit log is there to be looked at: all of it, of one id, and to be taken away."""

from __future__ import annotations

import csv
import io
import re

import pytest
from reading_rooms import URL, Browser, opened, settings_for
from sqlmodel import select
from starlette.testclient import TestClient

from alnus.serve.audit import note
from alnus.serve.database.tables import ApiKey, User
from alnus.serve.pages import auditing

LINES = 30


@pytest.fixture(scope="module")
def admin(run_model, tmp_path_factory):
    room, app = opened(settings_for(run_model, tmp_path_factory.mktemp("audit") / "room"))
    browser = Browser(TestClient(app, base_url=URL))
    browser.sign_in()
    with room.database.writing() as session:
        for number in range(LINES):
            note(session, "system", "test.line", f"C-{number}", {"number": number})
    return room, browser


def subjects(page: str) -> list[str]:
    return re.findall(r'class="code">(C-\d+)</td>', page)


def test_every_line_can_be_reached_newest_first(admin, monkeypatch):
    _, browser = admin
    monkeypatch.setattr(auditing, "PAGE", 7)
    seen, address = [], "/admin/audit?about=test.line"
    while address:
        page = browser.get(address).text
        seen += subjects(page)
        older = re.search(r'href="(/admin/audit\?about=test.line&amp;before=\d+)"', page)
        address = older and older[1].replace("&amp;", "&")
    assert seen == [f"C-{number}" for number in reversed(range(LINES))]


def test_the_lines_of_one_id_are_found_with_their_detail(admin):
    _, browser = admin
    page = browser.get("/admin/audit", params={"about": " C-7 "}).text
    assert subjects(page) == ["C-7"]
    assert "number 7" in page
    assert "No line matches." in browser.get("/admin/audit", params={"about": "C-none"}).text


def test_the_whole_log_is_taken_away_as_a_table_and_that_is_noted(admin, monkeypatch):
    room, browser = admin
    monkeypatch.setattr(auditing, "BLOCK", 5)
    with room.database.writing() as session:
        key = ApiKey(name="=cmd|' /C calc'!A0", key_sha256="x", created_by=browser_id(room))
        session.add(key)
        session.flush()
        note(session, key.id, "test.key")
    table = list(csv.DictReader(io.StringIO(browser.get("/admin/audit.csv").text)))
    assert table[0]["what"] == "audit.export"
    assert [row["about"] for row in table if row["what"] == "test.line"] == [f"C-{n}" for n in reversed(range(LINES))]
    numbers = [int(row["number"]) for row in table]
    assert numbers == sorted(set(numbers), reverse=True)
    assert next(row for row in table if row["what"] == "test.key")["name"].startswith("cmd")


def browser_id(room) -> str:
    with room.database.reading() as session:
        return session.exec(select(User.id)).first()


def test_the_administrations_page_leads_to_the_whole_log(admin):
    assert 'href="/admin/audit"' in admin[1].get("/admin").text
