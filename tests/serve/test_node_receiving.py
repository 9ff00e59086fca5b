"""What comes over DICOM: from whom it is taken, and that it is kept before success is answered, each once."""

from __future__ import annotations

import socket
import struct

import pytest

pytest.importorskip("pynetdicom", reason="the DICOM node needs the extra `serve`")

from node_rooms import NAME, NUMBER, files_below, node_settings, rows, running, send, us_cine, wait_until
from reading_rooms import opened, settings_for, videos_of
from sqlmodel import select

from alnus.errors import UsageError
from alnus.serve.database.tables import AuditEntry, Case
from alnus.serve.intake import receiving
from alnus.serve.node import listening
from alnus.serve.node.classes import CLASSES, SYNTAXES
from alnus.serve.node.inbox import inbox_path
from alnus.serve.node.node import Node
from alnus.serve.node.settings import NodeSettings
from alnus.serve.node.tables import Kept, NodeInstance
from alnus.serve.settings import Limits, check_exposure


@pytest.fixture
def ear(run_model, tmp_path):
    """(room, port): a node that takes in and does not score."""
    with running(node_settings(run_model, tmp_path / "room"), workers=False) as (room, node):
        yield room, node.ear.port


def test_an_echo_is_answered(ear):
    assert send(ear[1]) == [0x0000]


@pytest.mark.parametrize("titles", [{"calling": "STRANGER"}, {"called": "OTHER"}])
def test_a_stranger_or_a_wrong_address_is_refused_before_anything_is_sent(ear, titles):
    room, port = ear
    assert send(port, us_cine(), **titles) is None
    assert rows(room, NodeInstance) == []


def test_success_means_that_the_file_and_its_row_are_on_the_disk(ear, monkeypatch):
    room, port = ear
    synced = []
    monkeypatch.setattr(receiving.os, "fsync", lambda handle: synced.append(handle))
    assert send(port, us_cine()) == [0x0000]
    (instance,) = rows(room, NodeInstance)
    assert inbox_path(room.folders, instance.sha256).stat().st_size == instance.size_bytes
    assert len(synced) >= 2  # the file, and the folder that names it


def test_what_was_sent_is_kept_byte_for_byte_in_whatever_syntax(ear, tmp_path):
    from pydicom import dcmread, examples

    room, port = ear
    source = examples.ybr_color  # JPEG Baseline, not decoded by anybody on the way
    assert send(port, source) == [0x0000]
    (instance,) = rows(room, NodeInstance)
    kept = dcmread(inbox_path(room.folders, instance.sha256))
    assert kept.file_meta.TransferSyntaxUID == source.file_meta.TransferSyntaxUID
    assert kept.PixelData == source.PixelData
    assert kept.PatientName == source.PatientName


def test_every_class_is_offered_in_every_syntax_that_is_read(run_model, tmp_path):
    room, _ = opened(node_settings(run_model, tmp_path / "room"))
    offered = {one.abstract_syntax: set(one.transfer_syntax) for one in listening.application(room).supported_contexts}
    assert len(SYNTAXES) > 25
    assert all(offered[name] == set(SYNTAXES) for name in CLASSES)


def test_the_same_instance_again_is_answered_success_and_is_there_once(ear):
    room, port = ear
    assert send(port, us_cine(), us_cine()) == [0x0000, 0x0000]
    assert send(port, us_cine()) == [0x0000]
    wait_until(lambda: rows(room, NodeInstance)[0].state == Kept.SUBMITTED)
    assert len(rows(room, NodeInstance)) == len(videos_of(room)) == 1


def test_another_picture_under_the_same_uid_is_refused_and_noted(ear):
    room, port = ear
    assert send(port, us_cine(), us_cine(seed=3)) == [0x0000, 0x0111]
    (instance,) = rows(room, NodeInstance)
    assert [path.name for path in files_below(room.folders.root / "node")] == [instance.sha256]
    assert files_below(room.folders.incoming) == []
    with room.database.reading() as session:
        assert session.exec(select(AuditEntry).where(AuditEntry.action == "node.conflict")).one().subject == instance.id


def test_two_videos_of_a_study_are_one_case(ear):
    room, port = ear
    send(port, us_cine(), us_cine(number=2, seed=1))
    wait_until(lambda: len(videos_of(room)) == 2)
    (case,) = rows(room, Case)
    assert case.origin == "dicom"
    assert NUMBER not in case.patient_key


def test_a_full_disk_is_answered_as_such_and_nothing_is_left(run_model, tmp_path):
    limits = {"limits": Limits(free_bytes=1 << 60)}
    with running(node_settings(run_model, tmp_path / "room", room=limits), workers=False) as (room, node):
        assert send(node.ear.port, us_cine()) == [0xA700]
        assert rows(room, NodeInstance) == []
        assert files_below(room.folders.incoming) == []


def test_an_instance_that_is_too_large_is_not_taken(run_model, tmp_path):
    limits = {"limits": Limits(upload_bytes=5000)}
    with running(node_settings(run_model, tmp_path / "room", room=limits), workers=False) as (room, node):
        assert send(node.ear.port, us_cine()) == [0xA700]
        assert files_below(room.folders.incoming) == []


def test_a_cut_association_leaves_nothing_behind(ear):
    """The data set's first half comes, then the connection ends."""
    from pynetdicom import AE
    from pynetdicom.dimse_messages import C_STORE_RQ
    from pynetdicom.dimse_primitives import C_STORE

    room, port = ear
    entity = AE(ae_title="SCANNER")
    cine = us_cine()
    entity.add_requested_context(cine.SOPClassUID, cine.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title="ALNUS")
    from io import BytesIO

    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = cine.SOPClassUID, cine.SOPInstanceUID
    request.DataSet = BytesIO(cine.PixelData)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    pieces = list(message.encode_msg(1, 4096))
    for piece in pieces[: len(pieces) // 2]:
        association.dul.send_pdu(piece)
    wait_until(lambda: files_below(room.folders.incoming))
    connection = association.dul.socket.socket
    connection.shutdown(socket.SHUT_RDWR)
    association.kill()
    connection.close()
    wait_until(lambda: not files_below(room.folders.incoming))
    assert rows(room, NodeInstance) == []
    assert send(port) == [0x0000]


def test_a_pdu_that_claims_gigabytes_is_not_read_into_memory(ear):
    _, port = ear
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFF0))
        try:
            answer = connection.recv(1024)
        except ConnectionResetError:
            answer = b""
    assert answer == b""
    assert send(port) == [0x0000]


def test_files_that_no_row_knows_are_gone_after_a_start(run_model, tmp_path):
    """As after SIGKILL between the file and the row: its sender never got success for an answer."""
    settings = node_settings(run_model, tmp_path / "room")
    room, _ = opened(settings)
    place = inbox_path(room.folders, "cd" * 32)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x")
    with running(settings, workers=False) as (room, _):
        assert files_below(room.folders.root / "node") == []


def test_nothing_of_the_patient_is_in_log_database_or_names(ear, caplog, capfd):
    room, port = ear
    send(port, us_cine(), us_cine(seed=3), us_cine(number=2, seed=4, PatientAge="not an age"))
    wait_until(lambda: len(videos_of(room)) == 2)
    room.database.engine.dispose()
    texts = [caplog.text, *capfd.readouterr(), *(str(path) for path in files_below(room.folders.root))]
    stored = b"".join(path.read_bytes() for path in room.folders.root.glob("room.sqlite*"))
    for word in (NAME, NAME.split("^")[0], NUMBER, "1.2.826.0.1.3680043.10.999", "ACC-55", "19710203"):
        assert not any(word in text for text in texts), word
        assert word.encode() not in stored, word


REFUSED = {
    "nobody may send": {"callers": ()},
    "DICOM is sent in clear": {"host": "0.0.0.0"},
    "is no AE title": {"ae_title": "a title that is too long"},
    "write AE@host:port": {"return_to": "archive"},
    "is no DICOMweb address": {"web": "ftp://archive"},
    "name it with --dicom-web": {"poll_s": 5.0},
    "--dicom-web http://pacs/dw: http sends patients' data in clear": {"web": "http://pacs/dw"},
    "--dicom-return http://pacs/dw: http sends patients' data in clear": {"return_to": "http://pacs/dw"},
    "--dicom-return PACS@192.0.2.1:104: DICOM sends patients' data in clear": {"return_to": "PACS@192.0.2.1:104"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_would_be_unsafe_or_cannot_work_is_refused(run_model, tmp_path, message):
    told = {"port": 0, "callers": ("SCANNER",)} | REFUSED[message]
    settings = settings_for(run_model, tmp_path / "room", node=NodeSettings(**told))
    with pytest.raises(UsageError, match=message):
        check_exposure(settings, has_own_password=True)


def test_a_wider_address_is_taken_where_the_network_is_trusted(run_model, tmp_path):
    told = {"port": 0, "callers": ("SCANNER",), "host": "192.0.2.1", "return_to": "PACS@pacs:104", "web": "http://pacs"}
    node = NodeSettings(**told, trusted_network=True)
    check_exposure(settings_for(run_model, tmp_path / "room", node=node), has_own_password=True)


def test_what_is_encrypted_or_stays_on_this_machine_needs_no_trust(run_model, tmp_path):
    for address in ("https://pacs/dw", "PACS@127.0.0.1:104", "PACS@localhost:104", "http://[::1]:8042/dw"):
        node = NodeSettings(port=0, callers=("SCANNER",), return_to=address, web="https://pacs/dw")
        check_exposure(settings_for(run_model, tmp_path / "room", node=node), has_own_password=True)


def test_a_port_that_is_taken_is_told(run_model, tmp_path, ear):
    room, _ = opened(node_settings(run_model, tmp_path / "other", port=ear[1]))
    node = Node(room)
    with pytest.raises(UsageError, match=f"--dicom-port {ear[1]}: cannot be listened on"):
        node.start()
    node.stop()


@pytest.mark.parametrize(
    ("titles", "reason"),
    [
        ({"calling": "STRANGER"}, "the calling AE title may not send"),
        ({"called": "OTHER"}, "the called AE title is not this node's"),
    ],
)
def test_who_is_refused_can_be_seen_with_the_reason(ear, titles, reason, caplog):
    room, port = ear
    with caplog.at_level("WARNING", logger="alnus"):
        assert send(port, **titles) is None
        wait_until(lambda: room.refusals)
    newest = room.refusals[0]
    assert (newest.reason, newest.address) == (reason, "127.0.0.1")
    assert (newest.calling, newest.called) == (titles.get("calling", "SCANNER"), titles.get("called", "ALNUS"))
    assert reason in caplog.text


def test_the_page_shows_what_came_last_and_who_was_refused(run_model, tmp_path):
    from reading_rooms import URL, Browser
    from starlette.testclient import TestClient

    from alnus.serve.app import create_app

    settings = node_settings(run_model, tmp_path / "room")
    with running(settings, workers=False) as (room, node):
        send(node.ear.port, us_cine())
        send(node.ear.port, calling="<b>X")
        wait_until(lambda: room.refusals)
        browser = Browser(TestClient(create_app(settings, room=room), base_url=URL))
        browser.sign_in()
        page = browser.get("/admin/node").text
    assert 'data-label="From">SCANNER</td>' in page
    assert "&lt;b&gt;X" in page
    assert "the calling AE title may not send" in page
