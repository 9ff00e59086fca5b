"""The room on PostgreSQL: a server of the test's own, in a temporary folder, without TCP."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from reading_rooms import URL, Browser, cine_bytes, opened, results_of, settings_for, videos_of, wait_until_done
from sqlalchemy.exc import DatabaseError
from sqlmodel import delete, text, update
from starlette.testclient import TestClient

from alnus.serve.database.tables import AuditEntry, State
from alnus.serve.settings import WorkSettings

pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'alnus[postgres]'")
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed: apt install postgresql"),
]


def run(*command: str) -> None:
    """Run one of PostgreSQL's programs; they refuse to run as root."""
    user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, *command], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module")
def url():
    """A server's URL; its folder is not pytest's, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="alnus-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        run(str(PROGRAMS / "initdb"), "-D", str(data), "-U", "alnus", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        run(str(PROGRAMS / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        yield f"postgresql://alnus@/postgres?host={folder}"
        run(str(PROGRAMS / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")


def test_the_room_works_on_postgresql_as_on_sqlite(url, run_model, tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    import alnus.serve.database.registry  # noqa: F401  every table

    room, app = opened(settings_for(run_model, tmp_path / "room", database=url, work=WorkSettings(workers=2)))
    with room.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    bodies = [cine_bytes(tmp_path, seed=seed) for seed in range(3)] * 3
    with TestClient(app, base_url=URL) as client:
        browser = Browser(client)
        browser.sign_in()
        with ThreadPoolExecutor(9) as clients:  # the same bytes at one moment are the same video
            assert {answer.status_code for answer in clients.map(browser.upload, bodies)} == {201}
        jobs = wait_until_done(room)
        assert browser.get("/", params={"sort": "risk", "q": "c-"}).text.count('scope="row"') == 3
    assert [job.state for job in jobs.values()] == [State.RETURNED] * 3
    assert len(results_of(room)) == len(videos_of(room)) == 3
    for statement in (delete(AuditEntry), update(AuditEntry).values(actor="nobody"), text("TRUNCATE audit_log")):
        with pytest.raises(DatabaseError, match="append-only"), room.database.writing() as session:
            session.execute(statement)
    room.database.engine.dispose()


def test_the_dicom_node_works_on_postgresql_as_on_sqlite(url, run_model, tmp_path):
    pytest.importorskip("highdicom", reason="the DICOM node needs the extra `serve`")
    from node_rooms import Archive, is_all_done, node_settings, rows, running, send, us_cine, wait_until

    from alnus.serve.node.tables import NodeInstance

    archive = Archive([0xA700])  # the first object is refused once
    with archive.listening() as address:
        settings = node_settings(run_model, tmp_path / "node", address, room={"database": url})
        with running(settings) as (room, node):
            before = len(rows(room, NodeInstance))
            assert send(node.ear.port, us_cine(), us_cine(), us_cine(seed=3)) == [0x0000, 0x0000, 0x0111]
            wait_until(lambda: is_all_done(room, before + 1))
    assert len(archive.got) == 2
    room.database.engine.dispose()
