"""What is fetched over DICOMweb: the bytes that were stored, once, and no more than the room takes."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest

pytest.importorskip("pynetdicom", reason="the DICOM node needs the extra `serve`")

from node_rooms import STUDY, files_below, node_settings, rows, running, send, us_cine, wait_until
from pydicom import dcmwrite
from reading_rooms import opened

from alnus.errors import MediaError, UsageError
from alnus.serve.database.tables import AuditEntry
from alnus.serve.node.pulling import ask, pull
from alnus.serve.node.tables import NodeInstance
from alnus.serve.settings import Limits


def file_of(dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@contextmanager
def service(*instances, changes=None):
    """A DICOMweb service that has these instances; (its URL, what it was asked)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            wanted = [one for one in instances if self.path.endswith(f"/instances/{one.SOPInstanceUID}")]
            if wanted:
                self._answer(
                    'multipart/related; type="application/dicom"; boundary=XYZ',
                    b"--XYZ\r\nContent-Type: application/dicom\r\n\r\n" + file_of(wanted[0]) + b"\r\n--XYZ--\r\n",
                )
                return
            of_studies = "/instances" not in self.path
            found = [self._row(one) for one in (instances[:1] if of_studies else instances)]
            self._answer("application/dicom+json", json.dumps([] if "offset=0" not in self.path else found).encode())

        def _row(self, one):
            row = {
                "0020000D": {"vr": "UI", "Value": [one.StudyInstanceUID]},
                "0020000E": {"vr": "UI", "Value": [one.SeriesInstanceUID]},
                "00080018": {"vr": "UI", "Value": [one.SOPInstanceUID]},
                "00080016": {"vr": "UI", "Value": [one.SOPClassUID]},
            }
            return row | (changes or {})

        def _answer(self, kind, content):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicom-web", asked
    finally:
        server.shutdown()
        server.server_close()


def room_of(run_model, folder, url, **told):
    return opened(node_settings(run_model, folder, port=None, web=url, **told))[0]


def test_a_fetched_instance_has_the_bytes_that_c_store_would_have_brought(run_model, tmp_path):
    source = us_cine()
    with service(source) as (url, _):
        fetched = room_of(run_model, tmp_path / "fetched", url)
        assert list(pull(fetched, STUDY)) == [True]
    with running(node_settings(run_model, tmp_path / "sent"), workers=False) as (room, node):
        send(node.ear.port, source)
        assert rows(room, NodeInstance)[0].sha256 == rows(fetched, NodeInstance)[0].sha256


def test_what_is_there_already_is_not_fetched_again(run_model, tmp_path):
    with service(us_cine(), us_cine(number=2, seed=1)) as (url, asked):
        room = room_of(run_model, tmp_path / "room", url)
        assert list(pull(room, STUDY)) == [True, True]
        assert list(pull(room, STUDY)) == [False, False]
    assert len([path for path, _ in asked if "/instances/" in path]) == 2
    assert len(rows(room, NodeInstance)) == 2


def test_a_poll_asks_for_ultrasound_of_today_and_yesterday_and_takes_what_is_new(run_model, tmp_path):
    with service(us_cine()) as (url, asked):
        room = room_of(run_model, tmp_path / "room", url)
        assert list(pull(room, None)) == [True]
    path = asked[0][0]
    assert "ModalitiesInStudy=US" in path
    assert "StudyDate=2" in path


def test_other_objects_and_what_is_no_uid_are_passed_over(run_model, tmp_path):
    for changes in ({"00080016": {"Value": ["1.2.840.10008.5.1.4.1.1.2"]}}, {"00080018": {"Value": ["../../admin"]}}):
        with service(us_cine(), changes=changes) as (url, asked):
            room = room_of(run_model, tmp_path / "room", url)
            assert list(pull(room, STUDY)) == []
            assert not [path for path, _ in asked if "/instances/" in path]


def test_an_answer_that_is_too_large_is_not_read(run_model, tmp_path):
    with service(us_cine()) as (url, _):
        room = room_of(run_model, tmp_path / "room", url)
        object.__setattr__(room.settings, "limits", Limits(upload_bytes=5000))
        with pytest.raises(MediaError, match="larger than 5000 bytes"):
            list(pull(room, STUDY))
    assert files_below(room.folders.incoming) == []


def test_the_login_is_sent_along_and_is_told_where_it_cannot_be_read(run_model, tmp_path):
    login = tmp_path / "login"
    login.write_text("node:secret words\n")
    with service(us_cine()) as (url, asked):
        list(pull(room_of(run_model, tmp_path / "room", url, web_login=login), STUDY))
        expected = f"Basic {base64.b64encode(b'node:secret words').decode()}"
        assert {headers["Authorization"] for _, headers in asked} == {expected}
        login.unlink()
        with pytest.raises(UsageError, match="--dicom-web-login"):
            list(pull(room_of(run_model, tmp_path / "room", url, web_login=login), STUDY))


def test_a_fetch_that_fails_is_in_the_audit_log_without_an_address(run_model, tmp_path, caplog):
    settings = node_settings(run_model, tmp_path / "room", port=None, web="http://127.0.0.1:9/dicom-web")
    with running(settings, workers=False) as (room, _):
        ask(room, STUDY)
        wait_until(lambda: [one for one in rows(room, AuditEntry) if one.action == "node.fetch"])
    (entry,) = [one for one in rows(room, AuditEntry) if one.action == "node.fetch"]
    assert entry.detail == {"found": 0, "new": 0, "reason": "ConnectionError"}
    assert STUDY not in caplog.text


def test_what_is_no_uid_is_not_asked_for(run_model, tmp_path):
    with pytest.raises(UsageError, match="no study instance UID"):
        ask(room_of(run_model, tmp_path / "room", "http://127.0.0.1:9"), "1.2.3/../studies")
