"""What an administrator sees and decides of the DICOM node; and that nobody else does."""

from __future__ import annotations

import pytest

pytest.importorskip("pynetdicom", reason="the DICOM node needs the extra `serve`")

from node_rooms import STUDY, node_settings, rows
from reading_rooms import URL, Browser, cine_bytes, opened, results_of, videos_of, wait_until_done
from starlette.testclient import TestClient

from alnus.serve.database.tables import AuditEntry
from alnus.serve.node import pulling
from alnus.serve.node.tables import Kept, Kind, NodeInstance, Outbound, Sending


@pytest.fixture
def admin(run_model, tmp_path, monkeypatch):
    """(room, browser) of a room with a node that fetches, with one object laid aside."""
    monkeypatch.setattr(pulling.Puller, "start", lambda self: None)
    monkeypatch.setattr(pulling.Puller, "stop", lambda self: None)
    settings = node_settings(
        run_model, tmp_path / "room", "ARCHIVE@127.0.0.1:1", port=None, web="http://127.0.0.1:1/dw"
    )
    room, app = opened(settings)
    with TestClient(app, base_url=URL) as client:
        browser = Browser(client)
        browser.sign_in()
        browser.upload(cine_bytes(tmp_path))
        wait_until_done(room)
        with room.database.writing() as session:
            instance = NodeInstance(
                id="I-1", sop_key="k", sha256="s", size_bytes=1, sender="X", state=Kept.SUBMITTED,
                video_id=videos_of(room)[0].id, study_key="S-1",
            )  # fmt: skip
            session.add(instance)
            session.flush()
            dead = {"state": Sending.DEAD, "attempts": 7, "reason": "the archive answered 0xA700"}
            session.add(
                Outbound(id="O-1", instance_id="I-1", result_id=results_of(room)[0].id, kind=Kind.REPORT, **dead)
            )
        yield room, browser


def test_what_was_laid_aside_is_listed_with_its_reason_and_can_be_tried_again(admin):
    room, browser = admin
    page = browser.get("/admin/node").text
    assert "the archive answered 0xA700" in page
    assert videos_of(room)[0].id in page
    assert browser.post("/admin/node/outbound/O-1/retry", follow_redirects=False).status_code == 303
    (row,) = rows(room, Outbound)
    assert (row.state, row.attempts) == (Sending.WAITING, 0)
    assert browser.post("/admin/node/outbound/O-1/drop", follow_redirects=False).status_code == 303
    assert rows(room, Outbound)[0].state == Sending.WAITING  # it is not laid aside any more


def test_what_was_laid_aside_can_be_given_up(admin):
    room, browser = admin
    browser.post("/admin/node/outbound/O-1/drop")
    assert rows(room, Outbound)[0].state == Sending.DROPPED


def test_the_page_speaks_chinese(admin):
    _, browser = admin
    browser.client.cookies.set("alnus_language", "zh")
    assert "DICOM 节点" in browser.get("/admin/node").text


def test_a_study_is_asked_for_without_its_uid_in_an_address_or_the_database(admin):
    room, browser = admin
    answer = browser.post("/admin/node/fetch", {"study": f" {STUDY} "}, follow_redirects=False)
    assert answer.status_code == 303
    assert STUDY not in answer.headers["location"]
    assert room.fetches.get(timeout=60) == STUDY
    assert "node.ask" in {entry.action for entry in rows(room, AuditEntry)}
    assert STUDY.encode() not in b"".join(path.read_bytes() for path in room.folders.root.glob("room.sqlite*"))
    answer = browser.post("/admin/node/fetch", {"study": "no uid"})
    assert answer.status_code == 400
    assert "This is no study instance UID." in answer.text


def test_a_room_without_a_node_says_so(browser):
    _, admin = browser
    assert "There is no DICOM node" in admin.get("/admin/node").text
    assert "No DICOMweb service is set" in admin.post("/admin/node/fetch", {"study": STUDY}).text
