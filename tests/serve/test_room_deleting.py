"""A case is deleted for good, where nothing needs it; and the room's own objects stay known."""

from __future__ import annotations

import io
import shutil
import zipfile

import pytest

pytest.importorskip("pynetdicom", reason="the DICOM node needs the extra `serve`")

from node_rooms import Archive, is_all_done, is_all_sent, node_settings, rows, running, send, us_cine, wait_until
from reading_rooms import URL, Browser, cine_bytes, opened, settings_for, videos_of, wait_until_done
from sqlmodel import select
from starlette.testclient import TestClient

from alnus.errors import UsageError
from alnus.serve.access.people import add_user
from alnus.serve.app import create_app
from alnus.serve.database.tables import AuditEntry, Case, Job, Result, Role, State, User, Video
from alnus.serve.node.tables import NodeInstance, Outbound
from alnus.serve.readers.tables import ReaderStudy, StudyCase
from alnus.serve.work.deleting import delete_case


def files(room, sha256: str) -> list:
    return [path for path in room.folders.root.rglob("*") if sha256 in str(path)]


@pytest.fixture
def done(browser, tmp_path):
    """(room, administrator, id of a finished case)."""
    room, admin = browser
    case = admin.upload(cine_bytes(tmp_path)).json()["case"]
    wait_until_done(room)
    return room, admin, case


def test_a_deleted_case_leaves_neither_rows_nor_files_but_its_line_in_the_audit_log(done):
    room, admin, case = done
    (video,) = videos_of(room)
    assert files(room, video.sha256)
    assert f"/admin/cases/{case}/delete" in admin.get(f"/cases/{case}").text
    assert admin.post(f"/admin/cases/{case}/delete", follow_redirects=False).headers["location"] == "/"
    assert [len(rows(room, table)) for table in (Case, Video, Job, Result)] == [0] * 4
    assert files(room, video.sha256) == []
    assert not (room.folders.root / "trash").exists()
    assert ("case.delete", case) in {(line.action, line.subject) for line in rows(room, AuditEntry)}
    assert admin.get(f"/cases/{case}").status_code == 404
    assert admin.get(f"/videos/{video.id}/frames").status_code == 404


def test_the_same_file_may_come_again(done, tmp_path):
    room, admin, case = done
    admin.post(f"/admin/cases/{case}/delete")
    again = admin.upload(cine_bytes(tmp_path)).json()
    assert again["videos"][0]["is_new"]
    assert {job.state for job in wait_until_done(room).values()} == {State.RETURNED}


def test_a_case_that_is_worked_on_is_kept(done):
    room, admin, case = done
    with room.database.writing() as session:
        job = session.get_one(Job, videos_of(room)[0].id)
        job.state, job.next_try_s = State.SCORED, 1e12
        session.add(job)
    answer = admin.post(f"/admin/cases/{case}/delete")
    assert (answer.status_code, answer.json()["detail"]) == (
        409, "the case is still being worked on; delete it when that is done")  # fmt: skip
    assert rows(room, Case)


def test_a_case_of_a_reader_study_is_kept(done):
    room, _, case = done
    with room.database.writing() as session:
        owner = session.exec(select(User.id)).first()
        study = ReaderStudy(name="s", design="independent", scale="1-5", seed=1, created_by=owner)
        session.add(study)
        session.flush()
        session.add(StudyCase(study_id=study.id, case_id=case))
    with pytest.raises(UsageError, match="belongs to a reader study"):
        delete_case(room, case, actor="system")


def test_no_such_case_is_said(done):
    _, admin, _ = done
    assert admin.post("/admin/cases/C-NOSUCHCASE/delete").json()["detail"] == "there is no such case"


def test_a_case_whose_pictures_are_gone_under_a_look_is_not_there(done):
    room, admin, _ = done
    (video,) = videos_of(room)
    shutil.rmtree(room.folders.cine(video.sha256))
    answer = admin.get(f"/videos/{video.id}/frames")
    assert (answer.status_code, answer.json()["detail"]) == (404, "its pictures are not there")


def test_what_went_back_is_known_when_it_comes_again_by_whatever_way_and_after_its_case_is_gone(run_model, tmp_path):
    archive = Archive()
    with archive.listening() as address:
        settings = node_settings(run_model, tmp_path / "room", address)
        with running(settings) as (room, node):
            assert send(node.ear.port, us_cine()) == [0]
            wait_until(lambda: is_all_done(room))
            (case,) = rows(room, Case)
    own = archive.of_class("Multi-frame True Color")[0]
    buffer = io.BytesIO()
    own.save_as(buffer, enforce_file_format=True)
    browser = Browser(TestClient(create_app(settings, room=room), base_url=URL))  # nothing else runs
    browser.sign_in()
    answer = browser.upload(buffer.getvalue())
    assert (answer.status_code, "room's own report or heatmap" in answer.json()["detail"]) == (422, True)
    delete_case(room, case.id, actor="system")
    assert [len(rows(room, table)) for table in (Case, NodeInstance, Outbound, Result)] == [0] * 4
    assert browser.upload(buffer.getvalue()).status_code == 422
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("HEAT", buffer.getvalue())
        packed.writestr("CINE.AVI", cine_bytes(tmp_path, seed=3))
    assert len(browser.upload(archive.getvalue()).json()["videos"]) == 1


def test_results_that_are_still_to_be_sent_keep_their_case(run_model, tmp_path):
    settings = node_settings(run_model, tmp_path / "room", "ARCHIVE@127.0.0.1:1", complete_after_s=1000)
    with running(settings) as (room, node):
        send(node.ear.port, us_cine())
        wait_until(lambda: rows(room, Outbound))
        wait_until_done(room)
        with pytest.raises(UsageError, match="still to be sent"):
            delete_case(room, rows(room, Case)[0].id, actor="system")
    assert not is_all_sent(room)


def test_a_reader_is_not_offered_to_delete(run_model, tmp_path):
    room, app = opened(settings_for(run_model, tmp_path / "room"))
    with TestClient(app, base_url=URL) as client:
        admin = Browser(client)
        admin.sign_in()
        case = admin.upload(cine_bytes(tmp_path)).json()["case"]
        with room.database.writing() as session:
            _, password = add_user(session, "reader", Role.READER, actor="system")
        client.cookies.clear()
        reader = Browser(client)
        reader.sign_in("reader", password)
        assert "/delete" not in reader.get(f"/cases/{case}").text
        assert reader.post(f"/admin/cases/{case}/delete").status_code == 403
