"""What goes back: a structured report and a heatmap cine, valid, in the same study, once, whatever the archive does."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the DICOM node needs the extra `serve`")

from node_rooms import (
    NAME,
    NUMBER,
    STUDY,
    Archive,
    files_below,
    is_all_done,
    node_settings,
    rows,
    running,
    send,
    us_cine,
    wait_until,
)
from reading_rooms import opened, results_of, videos_of
from sqlmodel import update

from alnus.media.pool import Worker
from alnus.serve.database.tables import AuditEntry, Job, State, Video
from alnus.serve.node import courier, deciding
from alnus.serve.node.builder_task import MODULE
from alnus.serve.node.sending import NotSentError
from alnus.serve.node.settings import NodeSettings
from alnus.serve.node.tables import Kept, Kind, NodeInstance, Outbound, Sending


@pytest.fixture(scope="module")
def returned(run_model, tmp_path_factory):
    """(room, archive, log): a node that has received one cine, scored it and sent everything back."""
    folder = tmp_path_factory.mktemp("returned")
    archive = Archive()
    with archive.listening() as address, running(node_settings(run_model, folder / "room", address)) as (room, node):
        assert send(node.ear.port, us_cine()) == [0x0000]
        wait_until(lambda: is_all_done(room))
        yield room, archive, node


def test_a_report_and_a_heatmap_come_back_in_the_patients_study_in_series_of_their_own(returned):
    _, archive, _ = returned
    assert sorted(one.SOPClassUID.name for one in archive.got) == [
        "Comprehensive SR Storage",
        "Multi-frame True Color Secondary Capture Image Storage",
    ]
    source = us_cine()
    for one in archive.got:
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber"):
            assert one[keyword].value == source[keyword].value, keyword
        assert one.SeriesInstanceUID != source.SeriesInstanceUID
        assert "research use only" in one.SeriesDescription
    assert len({one.SeriesInstanceUID for one in archive.got}) == 2


def texts(item) -> list[str]:
    found = [item.get("TextValue", "")]
    for child in item.get("ContentSequence", []):
        found += texts(child)
    return found


def numbers(item) -> dict[str, float]:
    found = {}
    for child in item.get("ContentSequence", []):
        if child.ValueType == "NUM":
            found[child.ConceptNameCodeSequence[0].CodeValue] = float(child.MeasuredValueSequence[0].NumericValue)
        found |= numbers(child)
    return found


def codes(item) -> dict[str, str]:
    found = {}
    for child in item.get("ContentSequence", []):
        if child.ValueType == "CODE":
            found[child.ConceptNameCodeSequence[0].CodeMeaning] = child.ConceptCodeSequence[0].CodeMeaning
        found |= codes(child)
    return found


def test_the_report_states_the_rooms_numbers_the_answer_the_network_and_the_frames(returned):
    room, archive, _ = returned
    (report,), (result,) = archive.of_class("SR"), results_of(room)
    assert numbers(report) == {
        "score": pytest.approx(result.probability, abs=1e-6),
        "risk": pytest.approx(result.risk, abs=1e-6),
        "risk-low": pytest.approx(result.risk_low, abs=1e-6),
        "risk-high": pytest.approx(result.risk_high, abs=1e-6),
        "threshold": result.threshold,
    }
    assert codes(report)["Intended use"] == "Research use only, not for diagnosis"
    assert result.answer in codes(report).values()
    assert {"tin", result.model_version, "The network was trained on phantoms."} <= set(texts(report))
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    text = str(report)
    assert us_cine().SOPInstanceUID in text
    assert f"Referenced Frame Number             IS: '{result.keyframe + 1}'" in text


def test_the_heatmap_keeps_the_cines_frames_and_times_and_refers_to_it(returned):
    _, archive, _ = returned
    (heatmap,), source = archive.of_class("Secondary"), us_cine()
    assert (heatmap.NumberOfFrames, float(heatmap.FrameTime)) == (source.NumberOfFrames, float(source.FrameTime))
    pixels = heatmap.pixel_array
    assert pixels.shape[0] == source.NumberOfFrames
    assert np.ptp(pixels.astype(int), axis=-1).max() > 40  # it has colour
    assert heatmap.BurnedInAnnotation == "YES"  # the source does not say that its pixels are clean
    (reference,) = heatmap.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert list(reference.ReferencedFrameNumber) == list(range(1, 9))


@pytest.mark.parametrize("kind", ["SR", "Secondary"])
def test_a_foreign_validator_finds_no_error(returned, tmp_path, kind):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed")
    (made,) = returned[1].of_class(kind)
    made.save_as(tmp_path / "made.dcm", enforce_file_format=True)
    found = subprocess.run(["dciodvfy", tmp_path / "made.dcm"], capture_output=True, text=True, check=False)
    lines = (found.stdout + found.stderr).splitlines()
    assert any("SR" in line or "SCImage" in line for line in lines)  # it knew what it was reading
    assert [line for line in lines if "Error" in line] == []


def test_the_source_is_gone_when_everything_went_back(returned):
    room, _, _ = returned
    assert files_below(room.folders.received) == files_below(room.folders.root / "node") == []


def test_what_comes_back_to_the_node_is_known_as_its_own(returned):
    """An archive that forwards whatever it gets."""
    room, archive, node = returned
    heatmap = archive.of_class("Secondary")[0]
    assert send(node.ear.port, heatmap) == [0x0000]
    assert len(rows(room, NodeInstance)) == len(videos_of(room)) == 1


def test_a_cine_that_is_sent_again_later_is_not_returned_again(returned):
    room, archive, node = returned
    before = len(archive.got)
    assert send(node.ear.port, us_cine()) == [0x0000]
    courier.tidy(room)
    assert files_below(room.folders.received) == []
    assert len(archive.got) == before
    assert courier.due(room) == []


def test_nothing_of_the_patient_is_in_the_database_or_in_names(returned):
    room, _, _ = returned
    names = " ".join(str(path) for path in room.folders.root.rglob("*"))
    stored = b"".join(path.read_bytes() for path in room.folders.root.glob("room.sqlite*"))
    for word in (NAME.split("^")[0], NUMBER, STUDY, "ACC-55"):
        assert word not in names
        assert word.encode() not in stored


# --- the way back, without a network ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(run_model, tmp_path_factory):
    """A room's folder in which one cine of one patient was scored, and its objects wait."""
    folder = tmp_path_factory.mktemp("scored")
    settings = node_settings(run_model, folder / "room", "ARCHIVE@127.0.0.1:1", complete_after_s=3600)
    with running(settings) as (room, node):
        send(node.ear.port, us_cine(StartTrim=3, StopTrim=6, BurnedInAnnotation="NO"))
        wait_until(lambda: len(rows(room, Outbound)) == 2)
    return folder / "room"


@pytest.fixture
def waiting(scored, run_model, tmp_path):
    """A copy of that room, nothing of it running."""
    shutil.copytree(scored, tmp_path / "room")
    return opened(node_settings(run_model, tmp_path / "room", "ARCHIVE@127.0.0.1:1"))[0]


@pytest.fixture(scope="module")
def builder():
    with Worker(timeout_s=120, module=MODULE) as one:
        yield one


def test_nothing_goes_back_before_the_study_is_complete(waiting, run_model):
    assert len(courier.due(waiting)) == 2
    patient = opened(node_settings(run_model, waiting.folders.root, "A@127.0.0.1:1", complete_after_s=60))[0]
    (instance,) = rows(patient, NodeInstance)
    assert courier.due(patient, now_s=instance.received_s + 59) == []
    assert len(courier.due(patient, now_s=instance.received_s + 61)) == 2
    with patient.database.writing() as session:  # another video of the study comes: it is not complete after all
        session.add(
            NodeInstance(
                sop_key="k", sha256="s", size_bytes=1, sender="X", state=Kept.SUBMITTED,
                study_key=instance.study_key, received_s=instance.received_s + 30,
            )
        )  # fmt: skip
    assert courier.due(patient, now_s=instance.received_s + 61) == []


def test_an_object_that_is_made_again_is_the_same_bit_for_bit(waiting, builder):
    made = []
    for _ in range(2):
        for outbound in rows(waiting, Outbound):
            path = courier.outbox_path(waiting.folders, outbound.id)
            courier._make(waiting, builder, outbound, path)
            made.append((outbound.id, hashlib.sha256(path.read_bytes()).hexdigest()))
            path.unlink()
    assert len(set(made)) == 2


def test_frames_are_counted_as_in_the_source_where_it_was_trimmed(waiting, builder):
    import pydicom

    rows_of = {outbound.kind: outbound for outbound in rows(waiting, Outbound)}
    for kind in Kind:
        courier._make(waiting, builder, rows_of[kind], waiting.folders.root / f"{kind}.dcm")
    heatmap = pydicom.dcmread(waiting.folders.root / "heatmap.dcm")
    assert list(heatmap.SourceImageSequence[0].ReferencedFrameNumber) == [3, 4, 5, 6]
    assert heatmap.BurnedInAnnotation == "NO"
    report = str(pydicom.dcmread(waiting.folders.root / "report.dcm"))
    assert "IS: [3, 4, 5, 6]" in report
    (result,) = results_of(waiting)
    assert f"IS: '{result.keyframe + 3}'" in report


def test_an_archive_that_fails_is_tried_again_later_and_later(waiting, builder, monkeypatch):
    def refused(*_):
        raise NotSentError("the archive answered 0xA700")

    monkeypatch.setattr(courier, "send", refused)
    outbound = courier.due(waiting)[0]
    waits = []
    for _ in range(3):
        courier.deliver(waiting, builder, outbound)
        outbound = next(one for one in rows(waiting, Outbound) if one.id == outbound.id)
        waits.append(outbound.next_try_s - outbound.changed_s)
    assert outbound.reason == "the archive answered 0xA700"
    assert (outbound.state, outbound.attempts) == (Sending.WAITING, 3)
    assert waits == pytest.approx([0.02, 0.04, 0.08], abs=0.01)
    assert courier.wait_s(NodeSettings(), 1000) == NodeSettings().longest_wait_s


def test_what_failed_too_often_is_laid_aside_until_it_is_retried_or_dropped(waiting, builder, monkeypatch):
    def refused(*_):
        raise NotSentError("no answer")

    sent = []
    monkeypatch.setattr(courier, "send", refused)
    first, second = courier.due(waiting)
    attempts = waiting.settings.node.attempts
    with waiting.database.writing() as session:
        session.exec(update(Outbound).values(attempts=attempts - 1))
    for outbound in (first, second):
        courier.deliver(waiting, builder, outbound)
    assert {one.state for one in rows(waiting, Outbound)} == {Sending.DEAD}
    assert courier.due(waiting) == []
    courier.tidy(waiting)
    assert files_below(waiting.folders.root / "node" / "inbox")  # it may be retried
    with waiting.database.writing() as session:
        deciding.retry(session, first.id, actor="U-1")
        deciding.drop(session, second.id, actor="U-1")
    monkeypatch.setattr(courier, "send", lambda node, path: sent.append(path.name))
    (again,) = courier.due(waiting)
    courier.deliver(waiting, builder, again)
    assert sent == [f"{first.id}.dcm"]
    courier.tidy(waiting)
    courier.sweep_outbox(waiting)
    assert files_below(waiting.folders.root / "node") == []
    actions = {entry.action for entry in rows(waiting, AuditEntry) if entry.actor == "U-1"}
    assert actions == {"outbound.retry", "outbound.drop"}


def test_an_object_whose_source_is_gone_is_laid_aside_at_once(waiting, builder):
    shutil.rmtree(waiting.folders.root / "node" / "inbox")
    courier.deliver(waiting, builder, courier.due(waiting)[0])
    dead = next(one for one in rows(waiting, Outbound) if one.state == Sending.DEAD)
    assert dead.reason == "its source is not there any more: send the study again"


def test_an_object_over_which_the_building_process_died_is_tried_again(waiting, monkeypatch):
    with Worker(timeout_s=0.01, module=MODULE) as hasty:
        courier.deliver(waiting, hasty, courier.due(waiting)[0])
    tried = next(one for one in rows(waiting, Outbound) if one.attempts)
    assert tried.state == Sending.WAITING
    assert tried.reason.startswith("the object could not be made: decoding took longer")


def test_a_server_that_ends_in_the_midst_holds_nothing_against_the_object(waiting):
    with Worker(timeout_s=60, module=MODULE) as closed:
        closed.close()
        courier.deliver(waiting, closed, courier.due(waiting)[0], is_ending=lambda: True)
    assert {(one.state, one.attempts) for one in rows(waiting, Outbound)} == {(Sending.WAITING, 0)}


def test_an_object_that_was_sent_but_not_ticked_off_is_sent_again_as_the_same(waiting, builder, monkeypatch):
    """As after SIGKILL between the archive's answer and the row."""
    got = []

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    monkeypatch.setattr(courier, "send", lambda node, path: got.append(path.read_bytes()))
    ticked = courier._tick_off
    monkeypatch.setattr(courier, "_tick_off", killed)
    outbound = courier.due(waiting)[0]
    with pytest.raises(Killed):
        courier.deliver(waiting, builder, outbound)
    monkeypatch.setattr(courier, "_tick_off", ticked)
    courier.deliver(waiting, builder, outbound)
    assert len(got) == 2
    assert got[0] == got[1]
    assert next(one for one in rows(waiting, Outbound) if one.id == outbound.id).state == Sending.SENT


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (0x0000, Sending.SENT),
        (0xB000, Sending.SENT),
        (0x0111, Sending.SENT),
        (0xA700, Sending.WAITING),
        (0xC001, Sending.WAITING),
    ],
)
def test_the_archives_answer_decides(waiting, builder, answer, state):
    archive = Archive([answer])
    with archive.listening() as address:
        told = waiting.settings.node.model_copy(update={"return_to": address})
        object.__setattr__(waiting.settings, "node", told)
        outbound = courier.due(waiting)[0]
        courier.deliver(waiting, builder, outbound)
    assert next(one for one in rows(waiting, Outbound) if one.id == outbound.id).state == state


def test_an_archive_that_takes_no_jpeg_gets_the_heatmap_unpacked(waiting, builder):
    archive = Archive(syntaxes=["1.2.840.10008.1.2"])
    with archive.listening() as address:
        told = waiting.settings.node.model_copy(update={"return_to": address})
        object.__setattr__(waiting.settings, "node", told)
        for outbound in courier.due(waiting):
            courier.deliver(waiting, builder, outbound)
    (heatmap,) = archive.of_class("Secondary")
    assert heatmap.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert (heatmap.PhotometricInterpretation, heatmap.LossyImageCompression) == ("RGB", "01")
    assert heatmap.pixel_array.shape[0] == 4


def test_a_file_that_cannot_be_used_is_deleted_and_tried_once_more_when_it_is_sent_again(run_model, tmp_path):
    broken = us_cine()
    broken.PixelData = broken.PixelData[:100]
    with running(node_settings(run_model, tmp_path / "room", "ARCHIVE@127.0.0.1:1")) as (room, node):
        for attempt in (1, 2):
            assert send(node.ear.port, broken) == [0x0000]
            wait_until(lambda: [one.state for one in rows(room, NodeInstance)] == [Kept.DONE])
            assert files_below(room.folders.received) == files_below(room.folders.root / "node") == []
            tried = [one for one in rows(room, AuditEntry) if one.action in ("video.submit", "video.again")]
            assert len(tried) == attempt
        assert rows(room, Outbound) == []


def test_a_file_under_another_uid_than_its_header_states_is_not_answered_for(run_model, tmp_path):
    source = us_cine()
    with running(node_settings(run_model, tmp_path / "room", "ARCHIVE@127.0.0.1:1")) as (room, node):
        from pynetdicom import AE

        entity = AE(ae_title="SCANNER")
        entity.add_requested_context(source.SOPClassUID, source.file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", node.ear.port, ae_title="ALNUS")
        source.SOPInstanceUID = f"{STUDY}.1.77"
        path = tmp_path / "source.dcm"
        source.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID
        source.save_as(path, enforce_file_format=True)
        content = path.read_bytes().replace(f"{STUDY}.1.77".encode(), f"{STUDY}.1.78".encode(), 1)  # the meta's alone
        path.write_bytes(content)
        from pynetdicom import _config

        _config.STORE_SEND_CHUNKED_DATASET = True
        try:
            assert association.send_c_store(path).Status == 0x0000
        finally:
            _config.STORE_SEND_CHUNKED_DATASET = False
            association.release()
        dead = wait_until(lambda: [one for one in rows(room, Outbound) if one.state == Sending.DEAD])
    assert dead[0].reason == "it came under another UID than its header states"


def dropped(settings, room, cine) -> dict:
    """Upload an instance as a person does; return where it went."""
    from io import BytesIO

    from reading_rooms import URL, Browser
    from starlette.testclient import TestClient

    from alnus.serve.app import create_app

    content = BytesIO()
    cine.save_as(content, enforce_file_format=True)
    browser = Browser(TestClient(create_app(settings, room=room), base_url=URL))
    browser.sign_in()
    return browser.upload(content.getvalue()).json()["videos"][0]


@pytest.mark.parametrize("is_dropped_first", [True, False])
def test_an_instance_that_is_dropped_and_sent_is_one_video_and_its_results_go_back(
    run_model, tmp_path, is_dropped_first
):
    """pynetdicom and the exporting program write other heads before the same data set, so the bytes differ."""
    archive = Archive()
    with archive.listening() as address:
        settings = node_settings(run_model, tmp_path / "room", address)
        with running(settings) as (room, node):
            if is_dropped_first:
                assert dropped(settings, room, us_cine())["is_new"]
                wait_until(lambda: [job.state for job in rows(room, Job)] == [State.RETURNED])
            assert send(node.ear.port, us_cine()) == [0]
            wait_until(lambda: is_all_done(room))
            if not is_dropped_first:
                assert not dropped(settings, room, us_cine())["is_new"]
            assert len(rows(room, Video)) == 1
            assert files_below(room.folders.received) == []
    assert len(archive.got) == 2
