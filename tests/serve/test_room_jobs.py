"""A submitted file is worked on once, to its end, whatever happens on the way."""

from __future__ import annotations

import time

import pytest
from reading_rooms import Browser, cine_bytes, opened, results_of, settings_for, videos_of, wait_until_done
from sqlalchemy.exc import DatabaseError
from sqlmodel import col, delete, select, text, update
from starlette.testclient import TestClient

from alnus.errors import UsageError
from alnus.media.pool import Worker
from alnus.serve.database.tables import AuditEntry, Job, State
from alnus.serve.intake.receiving import TooLargeError, received
from alnus.serve.intake.submission import QueueFullError, submit
from alnus.serve.settings import Limits
from alnus.serve.work import leases
from alnus.serve.work.explaining import read_heat
from alnus.serve.work.leases import LeaseLost
from alnus.serve.work.returning import drop_file
from alnus.serve.work.worker import STEPS, Workers


@pytest.fixture
def room(settings):
    """A room whose workers do not run."""
    return opened(settings)[0]


def submitted(room, content: bytes):
    return submit(room, received(room, [content]), origin="upload", actor="system")


def test_an_uploaded_cine_is_ingested_scored_and_explained(browser, tmp_path):
    room, admin = browser
    answer = admin.upload(cine_bytes(tmp_path))
    assert answer.status_code == 201
    jobs = wait_until_done(room)
    assert jobs[answer.json()["videos"][0]["video"]].state == State.RETURNED
    (video,), (result,) = videos_of(room), results_of(room)
    assert (video.frames, video.height, video.width) == (8, 48, 48)
    assert 0 < result.probability < 1
    assert result.risk_low < result.risk < result.risk_high
    assert len(result.importance) == 8
    assert read_heat(room.folders, video.sha256, result.model).shape == (8, 48, 48)


def test_the_file_that_names_the_patient_is_gone_when_the_case_is_done(browser, tmp_path):
    room, admin = browser
    content = cine_bytes(tmp_path)
    for _ in range(2):  # a re-send brings it again
        admin.upload(content)
        wait_until_done(room)
        assert not [path for path in room.folders.received.rglob("*") if path.is_file()]


def test_the_same_bytes_again_are_the_same_video(room, tmp_path):
    first, second = (submitted(room, cine_bytes(tmp_path)) for _ in range(2))
    assert (first.is_new, second.is_new) == (True, False)
    assert (first.case_id, first.video_id) == (second.case_id, second.video_id)
    assert len(videos_of(room)) == 1


def test_a_file_that_is_no_video_fails_with_its_reason_and_the_next_goes_on(browser, tmp_path):
    room, admin = browser
    bad = admin.upload(b"RIFF\0\0\0\0AVI and no video at all").json()["videos"][0]["video"]
    good = admin.upload(cine_bytes(tmp_path)).json()["videos"][0]["video"]
    jobs = wait_until_done(room)
    assert jobs[bad].state == State.FAILED
    assert "it holds no video stream" in jobs[bad].reason
    assert jobs[good].state == State.RETURNED


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[.ShellClassInfo]", "it is not a DICOM or video file, nor an image"),
        (bytes(128) + b"DICM\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10", "it holds no image: a report"),
    ],
)
def test_what_was_dropped_along_with_videos_is_refused_and_makes_no_case(browser, content, reason):
    room, admin = browser
    answer = admin.upload(content)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(reason)
    assert videos_of(room) == []


def test_two_workers_never_hold_one_job(room, tmp_path):
    submitted(room, cine_bytes(tmp_path))
    assert leases.take(room.database, room.settings.work) is not None
    assert leases.take(room.database, room.settings.work) is None


def test_a_lease_that_ran_out_goes_to_another_and_its_first_holder_can_write_nothing(room, tmp_path):
    submitted(room, cine_bytes(tmp_path))
    first = leases.take(room.database, room.settings.work)
    with room.database.writing() as session:
        session.exec(update(Job).values(lease_until_s=time.time() - 1))
    second = leases.take(room.database, room.settings.work)
    assert second.attempt == 1
    with pytest.raises(LeaseLost):
        leases.settle(room.database, first, State.INGESTED, lambda session: None)
    assert leases.settle(room.database, second, State.INGESTED, lambda session: None).state == State.INGESTED


def test_a_step_that_fails_is_tried_again_and_at_last_laid_aside(browser, tmp_path, monkeypatch):
    room, admin = browser
    tries = []

    def broken(*_):
        tries.append(1)
        raise RuntimeError("Doe^Jane must never be shown")

    monkeypatch.setitem(STEPS, State.INGESTED, (broken, State.SCORED))
    admin.upload(cine_bytes(tmp_path))
    (job,) = wait_until_done(room).values()
    assert job.state == State.DEAD
    assert len(tries) == room.settings.work.attempts
    assert job.reason == "an error in Alnus (RuntimeError)"


@pytest.mark.parametrize("state", [State.RECEIVED, State.INGESTED, State.SCORED, State.EXPLAINED])
def test_a_server_that_dies_in_any_step_loses_nothing_and_does_nothing_twice(settings, tmp_path, monkeypatch, state):
    """The step's work is done, its outcome is not written: as after SIGKILL just before the commit."""
    room, app = opened(settings)
    step, following = STEPS[state]

    class Killed(BaseException):
        pass

    def done_but_not_written(*arguments):
        step(*arguments)
        raise Killed

    made = submitted(room, cine_bytes(tmp_path))
    workers = Workers(room)
    monkeypatch.setitem(STEPS, state, (done_but_not_written, following))
    lease = leases.take(room.database, settings.work)
    with Worker(timeout_s=60) as decoder, pytest.raises(Killed):
        workers.work(lease, decoder)
    monkeypatch.setitem(STEPS, state, (step, following))
    with TestClient(app):
        jobs = wait_until_done(room)
    assert jobs[made.video_id].state == State.RETURNED
    assert len(results_of(room)) == len(videos_of(room)) == 1


def test_an_orderly_end_is_no_attempt_and_a_crash_is_one(room, tmp_path):
    submitted(room, cine_bytes(tmp_path))
    for is_crash, attempts in ((False, 0), (True, 1)):
        assert leases.take(room.database, room.settings.work) is not None
        leases.release_all(room.database, is_crash=is_crash)
        with room.database.reading() as session:
            assert session.exec(select(Job)).one().attempts == attempts


def test_more_than_the_room_can_wait_for_is_refused(run_model, tmp_path):
    room, _ = opened(settings_for(run_model, tmp_path / "room", limits=Limits(waiting=1)))
    submitted(room, b"one")
    with pytest.raises(QueueFullError, match="1 videos wait already"):
        submitted(room, b"two")


def test_a_file_that_is_too_large_leaves_nothing_behind(run_model, tmp_path):
    room, app = opened(settings_for(run_model, tmp_path / "room", limits=Limits(upload_bytes=100)))
    with pytest.raises(TooLargeError, match="larger than the 100 bytes"):
        received(room, [b"x" * 60, b"x" * 60])
    assert not list(room.folders.incoming.iterdir())
    browser = Browser(TestClient(app, base_url="http://127.0.0.1"))
    browser.sign_in()
    assert browser.upload(b"x" * 101).status_code == 413


def test_a_full_disk_is_told_before_it_is_full(run_model, tmp_path):
    _, app = opened(settings_for(run_model, tmp_path / "room", limits=Limits(free_bytes=1 << 60)))
    browser = Browser(TestClient(app, base_url="http://127.0.0.1"))
    browser.sign_in()
    assert browser.upload(b"x").status_code == 507


def test_two_servers_never_run_on_one_data_folder(settings):
    _, app = opened(settings)
    _, other = opened(settings)
    with TestClient(app), pytest.raises(UsageError, match="another reading room runs on it"), TestClient(other):
        pass


@pytest.mark.parametrize("statement", [delete(AuditEntry), update(AuditEntry).values(actor="nobody")])
def test_the_audit_log_cannot_be_changed(room, statement):
    with pytest.raises(DatabaseError, match="append-only"), room.database.writing() as session:
        session.exec(statement)
    with room.database.reading() as session:
        assert session.exec(select(AuditEntry).where(col(AuditEntry.action) == "user.first")).one().actor == "system"


def test_the_migrations_make_exactly_the_tables_of_the_models(room):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    import alnus.serve.database.registry  # noqa: F401  every table

    with room.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_file_that_comes_again_while_its_failed_copy_is_removed_is_not_lost(room):
    """The older copy's worker ends its job between the new copy's arrival and its submission."""
    submitted(room, b"no video")
    lease = leases.take(room.database, room.settings.work)
    again = received(room, [b"no video"])
    leases.fail(room.database, lease, "it is no video", lambda session: drop_file(room, session, lease.video_id))
    submit(room, again, origin="upload", actor="system")
    assert room.folders.blob(again.sha256).read_bytes() == b"no video"
    assert leases.take(room.database, room.settings.work).state == State.RECEIVED


def test_files_of_cut_off_submissions_are_removed_at_the_next_start_and_waiting_ones_kept(settings):
    room, app = opened(settings)
    waiting = submitted(room, b"no video, but it waits")
    orphan = room.folders.received / "ab" / ("ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    with room.database.writing() as session:
        session.exec(update(Job).values(next_try_s=time.time() + 1000))
    with TestClient(app):
        assert not orphan.exists()
    with room.database.reading() as session:
        assert session.exec(select(Job)).one().video_id == waiting.video_id
    assert [path for path in room.folders.received.rglob("*") if path.is_file()]
