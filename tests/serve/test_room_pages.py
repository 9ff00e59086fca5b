"""The pages and their pictures: what is shown is what was seen, and nothing of the patient."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from reading_rooms import (
    URL,
    Browser,
    cine_bytes,
    opened,
    results_of,
    settings_for,
    videos_of,
    wait_until_done,
    write_model,
)
from sqlmodel import select
from starlette.testclient import TestClient

from alnus.serve.database.tables import Case, Result, State
from alnus.serve.intake.submission import pseudonym
from alnus.serve.work.ingesting import cine_store
from alnus.serve.work.worker import STEPS


@pytest.fixture(scope="module")
def done(run_model, tmp_path_factory):
    """(room, browser, case id, video) of one finished case, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("pages")
    room, app = opened(settings_for(run_model, folder / "room"))
    with TestClient(app, base_url=URL) as client:
        browser = Browser(client)
        browser.sign_in()
        case = browser.upload(cine_bytes(folder, seed=1)).json()["case"]
        wait_until_done(room)
        yield room, browser, case, videos_of(room)[0]


def viewer_data(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])


def test_a_case_shows_the_risk_its_interval_the_threshold_and_what_it_is_not(done):
    room, admin, case, _ = done
    page = admin.get(f"/cases/{case}").text
    (result,) = results_of(room)
    assert f"{100 * result.risk:.0f}%" in page
    assert "95% interval of the calibration" in page
    assert "60 validation patients" in page
    assert f"score {result.threshold:.3f}" in page
    assert "Research use only. Accuracy on lymph nodes not measured." in page
    assert "trained on simulated patients (phantoms)" in page


def test_not_sure_stands_first_where_the_conformal_set_says_so(done):
    room, admin, case, _ = done
    page = admin.get(f"/cases/{case}").text
    sure = not results_of(room)[0].answer.startswith("not sure")
    assert ("unsure-first" in page) != sure


def test_frames_come_in_their_order_nearly_as_they_are_and_one_alone_exactly(done):
    room, admin, _, video = done
    stored = cine_store(room.folders, video.sha256).frames("cine")
    body, shown = admin.get(f"/videos/{video.id}/frames", params={"first": 2, "count": 3}).content, []
    while body:
        (length,) = struct.unpack_from("<I", body)
        shown.append(np.asarray(Image.open(io.BytesIO(body[4 : 4 + length]))))
        body = body[4 + length :]
    assert len(shown) == 3
    assert all(np.abs(one.astype(int) - stored[2 + number]).mean() < 4 for number, one in enumerate(shown))
    exact = np.asarray(Image.open(io.BytesIO(admin.get(f"/videos/{video.id}/frames/5.png").content)))
    assert (exact == stored[5]).all()


def test_every_frame_has_its_heat_and_its_time(done):
    _, admin, case, video = done
    data = viewer_data(admin.get(f"/cases/{case}").text)
    assert data["times_s"] == pytest.approx([number / 20 for number in range(8)])
    (network,) = data["networks"]
    assert len(network["importance"]) == 8
    answer = admin.get(f"/videos/{video.id}/heat/{network['key']}")
    frames, height, width = struct.unpack_from("<III", answer.content)
    assert (frames, height, width) == (8, 48, 48)
    assert len(answer.content) == 12 + frames * height * width
    assert answer.headers["cache-control"].startswith("private")


@pytest.mark.parametrize(
    "path",
    [
        "/cases/C-NOSUCHCASE",
        "/cases/C-NOSUCHCASE/status",
        "/cases/C-NOSUCHCASE/report.pdf",
        "/videos/V-NOSUCHVID/frames",
        "/videos/V-NOSUCHVID/frames/0.png",
        "/videos/V-NOSUCHVID/heat/tin-0",
    ],
)
def test_what_is_not_there_is_not_found(done, path):
    assert done[1].get(path).status_code == 404


@pytest.mark.parametrize("model", ["..%2f..%2fsecret.key", "tin-0", "%00", "tin-886%0a", "x" * 300])
def test_a_networks_name_in_an_address_reaches_no_other_file(done, model):
    _, admin, _, video = done
    assert admin.get(f"/videos/{video.id}/heat/{model}").status_code == 404


def test_frames_beyond_the_cine_are_refused(done):
    _, admin, _, video = done
    assert "the cine has 8" in admin.get(f"/videos/{video.id}/frames", params={"first": 8}).json()["detail"]
    assert admin.get(f"/videos/{video.id}/frames/8.png").status_code == 404
    assert admin.get(f"/videos/{video.id}/frames/-1.png").status_code == 404


def test_a_network_without_a_run_says_that_it_has_no_calibrated_risk(tmp_path):
    model = write_model(tmp_path / "alone", threshold=None)
    room, app = opened(settings_for(model, tmp_path / "room"))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        browser = Browser(client)
        browser.sign_in()
        case = browser.upload(cine_bytes(tmp_path)).json()["case"]
        wait_until_done(room)
        page = browser.get(f"/cases/{case}").text
    assert "No calibrated risk" in page
    assert "no run with results.json lies above its directory" in page


def test_the_report_is_one_page_of_pdf(done):
    _, admin, case, _ = done
    answer = admin.get(f"/cases/{case}/report.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", answer.content)) == 1


def test_the_worklist_finds_sorts_and_filters(browser, tmp_path):
    room, admin = browser
    cases = [admin.upload(cine_bytes(tmp_path, seed=seed)).json()["case"] for seed in range(3)]
    bad = admin.upload(b"RIFF\0\0\0\0AVI and nothing of use").json()["case"]
    wait_until_done(room)

    def shown(**query):
        return re.findall(r'<th scope="row"><a href="/cases/([^"]+)"', admin.get("/", params=query).text)

    assert shown() == [bad, *reversed(cases)]
    assert shown(sort="oldest") == [*cases, bad]
    assert shown(q=cases[1].lower()) == [cases[1]]
    assert shown(show="failed") == [bad]
    assert set(shown(show="done")) == set(cases)
    assert shown(show="waiting") == []
    risks = {video.case_id: result.risk for video in videos_of(room) for result in results_of(room)
             if result.video_id == video.id}  # fmt: skip
    assert shown(sort="risk") == [*sorted(cases, key=risks.get, reverse=True), bad]
    with room.database.writing() as session:  # a network that is served no more says otherwise; it is not what is shown
        for result in session.exec(select(Result)).all():
            place = sorted(risks.values()).index(result.risk)
            other = {"model": "old-1", "probability": 1 - place / 2, "risk": 1 - place / 2}
            session.add(Result(**(result.model_dump(exclude={"id", "model", "probability", "risk"}) | other)))
    assert shown(sort="risk") == [*sorted(cases, key=risks.get, reverse=True), bad]
    assert "No case matches." in admin.get("/", params={"q": "%"}).text


def test_a_patient_is_found_by_the_hospitals_id_which_never_stands_in_an_address(browser, tmp_path):
    room, admin = browser
    headers = {"x-csrf-token": admin.csrf, "x-patient": "Doe%2042"}
    case = admin.client.post("/uploads", content=cine_bytes(tmp_path), headers=headers).json()["case"]
    wait_until_done(room)
    answer = admin.post("/patient", {"code": "Doe 42"}, follow_redirects=False)
    assert re.fullmatch(r"/\?q=P-[0-9A-F]{12}", answer.headers["location"])
    assert case in admin.get(answer.headers["location"]).text
    everything = b"".join(path.read_bytes() for path in room.folders.root.rglob("*") if path.is_file())
    assert b"Doe" not in everything


def test_a_typed_id_is_of_the_hospitals_issuer_or_of_none(settings, tmp_path):
    room, app = opened(settings.model_copy(update={"patient_issuer": "CLINIC"}))
    with_issuer = pseudonym(room, "patient", "id\n42\nCLINIC")
    without = pseudonym(room, "patient", "id\n42\n")
    admin = Browser(TestClient(app, base_url=URL))
    admin.sign_in()

    def found() -> str:
        return admin.post("/patient", {"code": " 42 "}, follow_redirects=False).headers["location"]

    assert found() == f"/?q={with_issuer}"
    with room.database.writing() as session:
        session.add(Case(patient_key=without, origin="dicom", submitted_by="system"))
    assert found() == f"/?q={without}"
    headers = {"x-csrf-token": admin.csrf, "x-patient": "42"}
    admin.client.post("/uploads", content=cine_bytes(tmp_path), headers=headers)
    assert found() == f"/?q={with_issuer}"


def test_files_of_one_examination_are_one_case_with_one_verdict(browser, tmp_path):
    room, admin = browser
    headers = {"x-csrf-token": admin.csrf, "x-batch": "today"}
    bodies = [cine_bytes(tmp_path, seed=seed) for seed in (1, 2)]
    made = [admin.client.post("/uploads", content=body, headers=headers).json()["case"] for body in bodies]
    assert made[0] == made[1]
    wait_until_done(room)
    page = admin.get(f"/cases/{made[0]}").text
    assert "of 2 videos together" in page
    mean = np.mean([result.probability for result in results_of(room)])
    assert f"<dd>{mean:.3f}" in page


def test_the_videos_of_a_zip_file_are_one_case_and_what_is_no_video_is_passed_over(browser, tmp_path):
    room, admin = browser
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for seed in (1, 2):
            packed.writestr(f"../../outside/{seed}.avi", cine_bytes(tmp_path, seed=seed))
        packed.writestr("readme.txt", "hello")
    answer = admin.upload(archive.getvalue()).json()
    assert len(answer["videos"]) == 2
    assert len({video["case"] for video in answer["videos"]}) == 1
    assert {job.state for job in wait_until_done(room).values()} == {State.RETURNED}
    assert not (room.folders.root.parent / "outside").exists()


def test_a_job_that_was_laid_aside_goes_on_from_its_step_when_asked(browser, tmp_path, monkeypatch):
    room, admin = browser
    good = STEPS[State.SCORED]

    def broken(*_):
        raise RuntimeError

    monkeypatch.setitem(STEPS, State.SCORED, (broken, good[1]))
    video = admin.upload(cine_bytes(tmp_path)).json()["videos"][0]["video"]
    wait_until_done(room)
    assert f"/admin/jobs/{video}/retry" in admin.get("/admin").text
    monkeypatch.setitem(STEPS, State.SCORED, good)
    admin.post(f"/admin/jobs/{video}/retry")
    assert wait_until_done(room)[video].state == State.RETURNED
    assert admin.post(f"/admin/jobs/{video}/retry").status_code == 404


def test_an_administrator_adds_locks_and_resets_people_but_not_themselves(browser):
    _, admin = browser
    page = admin.post("/admin/users", {"name": "li.wei", "role": "reader"}).text
    password = re.search(r'id="secret">li.wei: ([^<]+)<', page)[1]
    assert "the name li.wei is taken" in admin.post("/admin/users", {"name": "li.wei"}).text
    users = dict(re.findall(r"/admin/users/(U-\w+)/(active)", admin.get("/admin").text))
    (reader,) = users
    admin.post(f"/admin/users/{reader}/active", {"active": "0"})
    admin_cookie = admin.client.cookies["alnus_session"]
    admin.client.cookies.clear()
    assert Browser(admin.client).sign_in("li.wei", password).status_code == 401
    admin.client.cookies.set("alnus_session", admin_cookie)
    audit = admin.get("/admin").text
    assert "user.active" in audit


def test_the_first_page_of_an_empty_room_says_what_to_do(browser):
    assert "No cases yet." in browser[1].get("/").text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 and nothing more", "ZIP file cannot be unpacked (BadZipFile)"),
        (b"PK\x05\x06" + bytes(18), "holds no video, image or DICOM file"),
    ],
)
def test_a_zip_file_of_no_use_leaves_a_record_that_says_why(browser, content, reason):
    room, admin = browser
    made = admin.upload(content).json()
    assert wait_until_done(room)[made["videos"][0]["video"]].state == State.FAILED
    assert reason in admin.get(f"/cases/{made['case']}").text
    assert admin.upload(content).json()["videos"][0]["is_new"] is False


def test_what_could_be_unpacked_before_a_fault_is_kept(browser, tmp_path):
    room, admin = browser
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("1.avi", cine_bytes(tmp_path, seed=1))
        packed.writestr("2.avi", cine_bytes(tmp_path, seed=2))
    content = bytearray(archive.getvalue())
    content[content.index(b"2.avi") + 700] ^= 0xFF  # the second member's checksum is wrong now
    made = admin.upload(bytes(content)).json()
    states = [wait_until_done(room)[one["video"]].state for one in made["videos"]]
    assert states == [State.RETURNED, State.FAILED]


def test_an_empty_file_is_refused(done):
    answer = done[1].upload(b"")
    assert (answer.status_code, answer.json()["detail"]) == (422, "the file is empty")
