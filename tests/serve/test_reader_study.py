"""A reader study in the room: who may see what and when, in which order, and what is kept of an answer."""

from __future__ import annotations

import json
import re

import pytest
from reading_rooms import URL, Browser, cine_bytes, opened, settings_for, wait_until_done
from sqlmodel import col, select
from starlette.testclient import TestClient

from alnus.serve.access.people import add_user
from alnus.serve.database.tables import AuditEntry, Case, Result, Role, User, Video
from alnus.serve.readers.design import in_order
from alnus.serve.readers.tables import Phase, ReaderStudy, Reading, StudyCase, StudyReader

CASES = 4
NAMES = ("ann", "bob", "cem")


@pytest.fixture(scope="module")
def place(run_model, tmp_path_factory):
    """(room, administrator, readers by name): four cases that are explained, and who has signed in."""
    folder = tmp_path_factory.mktemp("readers")
    room, app = opened(settings_for(run_model, folder / "room"))
    with TestClient(app, base_url=URL) as client:
        admin = Browser(client)
        assert admin.sign_in().status_code == 303
        for seed in range(CASES):
            assert admin.upload(cine_bytes(folder, seed=seed)).status_code == 201
        wait_until_done(room)
        with room.database.writing() as session:
            kept = session.exec(select(User)).one().password
            for name in NAMES:
                user, _ = add_user(session, name, Role.READER, actor="system")
                user.password = kept
        people = {name: Browser(TestClient(app, base_url=URL)) for name in NAMES}
        assert [one.sign_in(name).status_code for name, one in people.items()] == [303] * len(NAMES)
        yield room, admin, people


@pytest.fixture
def desk(place):
    """(room, administrator, readers by name); studies of other tests are closed."""
    room, admin, people = place
    with room.database.writing() as session:
        for study in session.exec(select(ReaderStudy).where(ReaderStudy.phase == Phase.RUNNING)):
            study.phase = Phase.CLOSED
            session.add(study)
    return room, admin, people


def ids(room, names=NAMES) -> list[str]:
    with room.database.reading() as session:
        users = {user.name: user.id for user in session.exec(select(User))}
    return [users[name] for name in names]


def model_key(room) -> str:
    return room.models[0].key


def make(room, admin, *, start: bool = True, readers=NAMES, **changes) -> str:
    """Make a study through the page; return its id."""
    fields = {"name": "A study", "design": "independent", "scale": "1-5", "seed": "7", "take": "all"}
    fields |= {"model": model_key(room), "readers": ids(room, readers), "washout_days": "28"} | changes
    answer = admin.post("/admin/studies", fields, follow_redirects=False)
    assert answer.status_code == 303, problem(answer)
    study_id = answer.headers["location"].rsplit("/", 1)[1]
    if start:
        answer = admin.post(f"/admin/studies/{study_id}/start")
        assert answer.status_code == 200, problem(answer)
    return study_id


def problem(answer) -> str:
    found = re.search(r'<p class="problem" role="alert">(.*?)</p>', answer.text)
    return found[1] if found else ""


def readings(room, study_id: str, name: str | None = None) -> list[Reading]:
    with room.database.reading() as session:
        query = (
            select(Reading)
            .join(StudyReader, col(StudyReader.id) == col(Reading.reader_id))
            .join(User, col(User.id) == col(StudyReader.user_id))
            .where(StudyReader.study_id == study_id)
            .order_by(col(StudyReader.place), col(Reading.session), col(Reading.position), col(Reading.step))
        )
        return list(session.exec(query if name is None else query.where(User.name == name)))


def case_of(room, reading: Reading) -> str:
    with room.database.reading() as session:
        return session.get_one(StudyCase, reading.item_id).case_id


def read(reader, reading: Reading, *, call: int = 1, suspicion: int = 4, status: int = 303):
    """Open a reading, see its first frame, and lock an answer."""
    assert reader.get(f"/reading/{reading.id}", follow_redirects=False).status_code == 200
    reader.post(f"/reading/{reading.id}/timer", {"event": "shown"})
    answer = reader.post(f"/reading/{reading.id}/lock", {"call": call, "suspicion": suspicion}, follow_redirects=False)
    assert answer.status_code == status
    return answer


def alone(room, study_id: str) -> None:
    """Let every reader of a crossover begin without the model."""
    with room.database.writing() as session:
        own = select(Reading).join(StudyReader, col(StudyReader.id) == col(Reading.reader_id))
        for one in session.exec(own.where(StudyReader.study_id == study_id)):
            one.treatment = "alone" if one.session == 1 else "with model"
            session.add(one)


def viewer(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])


def truth_csv(room) -> str:
    with room.database.reading() as session:
        cases = session.exec(select(Case.id).order_by(col(Case.id))).all()
    return "case,truth\n" + "".join(f"{case},{number % 2}\n" for number, case in enumerate(cases))


def forbidden(room, *, reader: str) -> set[str]:
    """Everything that a reader may not be told: of patients, cases, files, others, and of what the network says."""
    with room.database.reading() as session:
        found = {text for case in session.exec(select(Case)) for text in (case.id, case.patient_key)}
        found |= {text for video in session.exec(select(Video)) for text in (video.id, video.sha256)}
        found |= {user.id for user in session.exec(select(User)) if user.name != reader}
        found |= {name for name in NAMES if name != reader}
        for result in session.exec(select(Result)):
            found |= {result.model, result.model_version, f"{result.probability:.3f}", str(result.importance[0])}
    return found | {"patient_key", "truth", "label", "keyframe", 'importance": [', "heat/", "P-", "C-", "V-"}


def said_of(page: str, words: set[str]) -> set[str]:
    return {
        word
        for word in words
        if word in page.replace("aria-label", "").replace('"label', "").replace("<label", "").replace("</label", "")
    }


# Blinding


@pytest.mark.parametrize("design", ["independent", "second-reader", "crossover"])
def test_nothing_that_a_reader_is_handed_says_what_the_reading_must_not(desk, design):
    room, admin, people = desk
    study = make(room, admin, design=design, seed="5")
    if design == "crossover":  # its first session, of those who begin alone
        alone(room, study)
    admin.post(f"/admin/studies/{study}/truth", {"table": truth_csv(room)})
    read(people["bob"], readings(room, study, "bob")[0], suspicion=2)
    ann, reading = people["ann"], readings(room, study, "ann")[0]
    words = forbidden(room, reader="ann")
    at = f"/reading/{reading.id}"
    pages = [ann.get(one) for one in ("/readings", f"/readings/{study}/next", at, f"{at}?video=0")]
    pages += [ann.post(f"{at}/timer", {"event": "shown"}), ann.post(f"{at}/draft", {"call": "1", "suspicion": ""})]
    pages += [ann.get(f"{at}/cine/9/frames"), ann.get(f"{at}/cine/0/frames", params={"first": 99})]
    for answer in pages:
        assert said_of(answer.text, words) == set(), answer.url
        assert not any(word in str(answer.headers) + str(answer.url) for word in words), answer.url
    assert viewer(ann.get(at).text)["networks"] == []


def test_a_reading_with_the_model_shows_the_model_and_still_no_patient(desk):
    room, admin, people = desk
    study = make(room, admin, design="concurrent")
    reading = readings(room, study, "ann")[0]
    page = people["ann"].get(f"/reading/{reading.id}").text
    with room.database.reading() as session:
        result = session.exec(
            select(Result)
            .join(Video, col(Video.id) == col(Result.video_id))
            .where(Video.case_id == case_of(room, reading))
        ).one()
    assert f"{result.probability:.3f}" in page
    assert viewer(page)["networks"][0]["importance"] == result.importance
    assert said_of(page, {"P-", "C-", "V-", "truth"}) == set()
    heat = people["ann"].get(f"/reading/{reading.id}/cine/0/heat/{result.model}")
    assert heat.status_code == 200
    assert people["ann"].get(f"/reading/{reading.id}/cine/0/heat/other").status_code == 403


def test_while_a_reader_reads_the_rooms_own_pages_of_cases_are_closed_to_them_and_to_no_other(desk):
    room, admin, people = desk
    study = make(room, admin, readers=("ann",))
    with room.database.reading() as session:
        case, video = session.exec(select(Case.id)).first(), session.exec(select(Video.id)).first()
    own = ("/", f"/cases/{case}", f"/cases/{case}/status", f"/cases/{case}/report.pdf", f"/videos/{video}/frames",
           f"/videos/{video}/frames/0.png", f"/videos/{video}/heat/{model_key(room)}")  # fmt: skip
    for path in own:
        assert people["ann"].get(path).status_code == 403, path
        assert people["bob"].get(path).status_code == 200, path
        assert admin.get(path).status_code == 200, path
    sent = people["ann"].get("/", headers={"accept": "text/html"})
    assert sent.url.path == "/readings"
    assert "closed to you" in sent.text
    for reading in readings(room, study, "ann"):
        read(people["ann"], reading)
    assert people["ann"].get("/").status_code == 200


def test_no_route_of_the_room_that_is_added_later_shows_cases_to_a_reader_who_reads(desk):
    """What is open to them is named here; whatever else there is refuses."""
    room, admin, people = desk
    make(room, admin, readers=("ann",))
    opened_to_readers = re.compile(r"/(login|language|healthz|account|upload|readings|readings/1/next|reading/1.*)")
    from test_room_access import routes

    asked = [path for method, path in routes(people["ann"].client.app) if method == "GET"]
    shut = [path for path in asked if not opened_to_readers.fullmatch(path)]
    assert {"/", "/cases/1", "/videos/1/frames"} <= set(shut)
    for path in shut:
        assert people["ann"].get(path, follow_redirects=False).status_code in (401, 403), path


# Order


def test_the_worklist_is_the_seeds_order_and_each_reader_has_an_own_one(desk):
    room, admin, _ = desk
    with room.database.reading() as session:
        cases = list(session.exec(select(Case.id)))
    for _again in range(2):  # the same seed is the same order
        study = make(room, admin, seed="11")
        orders = [[case_of(room, one) for one in readings(room, study, name)] for name in NAMES]
        assert orders == [in_order(cases, seed=11, reader=place, session=1) for place in (1, 2, 3)]
        assert len({tuple(order) for order in orders}) > 1


def test_a_study_that_has_started_cannot_be_started_again_or_discarded(desk):
    room, admin, _ = desk
    study = make(room, admin)
    before = [one.id for one in readings(room, study)]
    assert "has been started already" in problem(admin.post(f"/admin/studies/{study}/start"))
    assert "close it instead" in problem(admin.post(f"/admin/studies/{study}/discard"))
    assert [one.id for one in readings(room, study)] == before


def test_readings_come_one_after_the_other_and_a_locked_one_is_not_opened_again(desk):
    room, admin, people = desk
    study = make(room, admin, readers=("ann",))
    ann, (first, second, *_) = people["ann"], readings(room, study, "ann")
    assert ann.get(f"/readings/{study}/next", follow_redirects=False).headers["location"] == f"/reading/{first.id}"
    assert ann.get(f"/reading/{second.id}", follow_redirects=False).headers["location"] == "/readings"
    for path in (f"/reading/{second.id}/cine/0/frames", f"/reading/{second.id}/cine/0/frames/0.png"):
        assert "comes first" in ann.get(path).json()["detail"]
    assert "comes first" in ann.post(f"/reading/{second.id}/draft", {"call": "1"}).json()["detail"]
    assert ann.post(f"/reading/{second.id}/timer", {"event": "shown"}).status_code == 409
    assert read(ann, first).headers["location"] == f"/readings/{study}/next"
    assert ann.get(f"/reading/{first.id}", follow_redirects=False).headers["location"] == "/readings"
    assert "locked" in ann.get(f"/reading/{first.id}/cine/0/frames").json()["detail"]


# Answers


def test_an_answer_that_is_locked_is_never_changed_and_a_second_click_goes_on(desk):
    room, admin, people = desk
    study = make(room, admin, readers=("ann",))
    ann, reading = people["ann"], readings(room, study, "ann")[0]
    read(ann, reading, call=1, suspicion=4)
    again = ann.post(f"/reading/{reading.id}/lock", {"call": "0", "suspicion": "1"}, follow_redirects=False)
    assert again.headers["location"] == f"/readings/{study}/next"
    assert "locked" in ann.post(f"/reading/{reading.id}/draft", {"call": "0"}).json()["detail"]
    kept = readings(room, study, "ann")[0]
    assert (kept.call, kept.suspicion) == (1, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"call": "1"}, "Give both a call and a suspicion."),
        ({"suspicion": "3"}, "Give both a call and a suspicion."),
        ({"call": "1", "suspicion": "6"}, "not on the study’s scale"),
        ({"call": "2", "suspicion": "3"}, "not on the study’s scale"),
        ({"call": "1", "suspicion": "٣"}, "not on the study’s scale"),
    ],
)
def test_half_an_answer_and_one_beyond_the_scale_are_not_locked(desk, fields, message):
    room, admin, people = desk
    study = make(room, admin, readers=("ann",))
    ann, reading = people["ann"], readings(room, study, "ann")[0]
    ann.post(f"/reading/{reading.id}/timer", {"event": "shown"})
    answer = ann.post(f"/reading/{reading.id}/lock", fields)
    assert answer.status_code == 400
    assert message in problem(answer)
    assert readings(room, study, "ann")[0].locked_s is None


def test_a_case_of_which_no_frame_was_shown_cannot_be_locked(desk):
    room, admin, people = desk
    reading = readings(room, make(room, admin, readers=("ann",)), "ann")[0]
    answer = people["ann"].post(f"/reading/{reading.id}/lock", {"call": "1", "suspicion": "3"})
    assert "No frame was shown yet." in problem(answer)


def test_a_draft_survives_a_restart_of_the_room_and_the_reader_goes_on_where_they_were(run_model, tmp_path):
    settings = settings_for(run_model, tmp_path / "room")
    room, app = opened(settings)
    with TestClient(app, base_url=URL) as client:
        admin = Browser(client)
        admin.sign_in()
        admin.upload(cine_bytes(tmp_path))
        wait_until_done(room)
        with room.database.writing() as session:
            _, password = add_user(session, "ann", Role.READER, actor="system")
        study = make(room, admin, readers=("ann",))
        ann = Browser(TestClient(app, base_url=URL))
        ann.sign_in("ann", password)
        reading = readings(room, study, "ann")[0]
        ann.post(f"/reading/{reading.id}/timer", {"event": "shown"})
        ann.post(f"/reading/{reading.id}/draft", {"call": "0", "suspicion": "2"})
        cookies = dict(ann.client.cookies)
    again, app = opened(settings)
    with TestClient(app, base_url=URL, cookies=cookies) as client:
        page = client.get(f"/readings/{study}/next")
        assert page.url.path == f"/reading/{reading.id}"
        assert re.search(r'name="call" value="0" required checked', page.text)
        assert re.search(r'name="suspicion" value="2" required checked', page.text)
    assert readings(again, study, "ann")[0].begun_s is not None


def test_every_change_before_the_lock_is_in_the_audit_log(desk):
    room, admin, people = desk
    reading = readings(room, make(room, admin, readers=("ann",)), "ann")[0]
    for call, suspicion in (("1", ""), ("1", "5"), ("1", "5"), ("0", "2")):
        people["ann"].post(f"/reading/{reading.id}/draft", {"call": call, "suspicion": suspicion})
    read(people["ann"], reading, call=0, suspicion=2)
    with room.database.reading() as session:
        lines = session.exec(select(AuditEntry).where(AuditEntry.subject == reading.id).order_by(col(AuditEntry.id)))
        said = [(line.action, line.detail.get("call"), line.detail.get("suspicion")) for line in lines]
    assert [one for one in said if one[0] != "reading.open"] == [
        ("reading.draft", 1, None),
        ("reading.draft", 1, 5),
        ("reading.draft", 0, 2),
        ("reading.lock", 0, 2),
    ]


# The second reading


def test_the_model_cannot_be_seen_before_the_first_reading_is_locked(desk):
    room, admin, people = desk
    study = make(room, admin, design="second-reader", readers=("ann",))
    ann, (alone, aided, *_) = people["ann"], readings(room, study, "ann")
    assert ann.get(f"/reading/{aided.id}", follow_redirects=False).headers["location"] == "/readings"
    for path in ("frames", f"heat/{model_key(room)}"):
        assert ann.get(f"/reading/{aided.id}/cine/0/{path}").status_code == 409
    assert ann.get(f"/reading/{alone.id}/cine/0/heat/{model_key(room)}").status_code == 403
    page = ann.get(f"/reading/{alone.id}").text
    assert viewer(page)["networks"] == []
    assert "What the model says" not in page
    ann.post(f"/reading/{aided.id}/timer", {"event": "shown"})
    ann.post(f"/reading/{aided.id}/lock", {"call": "1", "suspicion": "3"})
    assert all(one.locked_s is None and one.begun_s is None for one in readings(room, study, "ann"))

    read(ann, alone, call=0, suspicion=2)
    page = ann.get(f"/readings/{study}/next")
    assert page.url.path == f"/reading/{aided.id}"
    assert "What the model says" in page.text
    assert re.search(r'name="suspicion" value="2" required checked', page.text)
    assert ann.get(f"/reading/{aided.id}/cine/0/heat/{model_key(room)}").status_code == 200
    read(ann, aided, call=1, suspicion=5)
    first, second, *_ = readings(room, study, "ann")
    assert [(one.call, one.suspicion) for one in (first, second)] == [(0, 2), (1, 5)]


# The wash-out


def test_the_second_session_is_shut_until_the_wash_out_is_over(desk):
    room, admin, people = desk
    study = make(room, admin, design="crossover", readers=("ann", "bob"), washout_days="28")
    ann = people["ann"]
    own = readings(room, study, "ann")
    one, two = ([each for each in own if each.session == session] for session in (1, 2))
    assert {each.treatment for each in one} != {each.treatment for each in two}
    assert {each.treatment for each in readings(room, study, "bob")[:CASES]} == {two[0].treatment}
    for each in one:
        read(ann, each)
    assert ann.get(f"/readings/{study}/next").url.path == "/readings"
    assert ann.get(f"/reading/{two[0].id}", follow_redirects=False).headers["location"] == "/readings"
    for answer in (
        ann.get(f"/reading/{two[0].id}/cine/0/frames"),
        ann.post(f"/reading/{two[0].id}/timer", {"event": "shown"}),
        ann.post(f"/reading/{two[0].id}/draft", {"call": "1"}),
    ):
        assert answer.status_code == 409
        assert "the wash-out is not over" in answer.json()["detail"]
    assert "wash-out: opens" in ann.get("/readings").text
    assert ann.get("/").status_code == 403  # the cases stay closed between the sessions

    move_locks(room, study, days=-27.9)
    assert ann.get(f"/reading/{two[0].id}", follow_redirects=False).status_code == 303
    move_locks(room, study, days=-0.2)
    read(ann, two[0])


def move_locks(room, study: str, *, days: float) -> None:
    """Pretend that what is locked was locked at another time."""
    with room.database.writing() as session:
        own = select(Reading).join(StudyReader, col(StudyReader.id) == col(Reading.reader_id))
        for one in session.exec(own.where(StudyReader.study_id == study, col(Reading.locked_s).is_not(None))):
            one.locked_s += days * 86_400
            session.add(one)


# Access


def test_a_reader_sees_only_their_own_worklist_and_an_administrator_all(desk):
    room, admin, people = desk
    study = make(room, admin, readers=("ann", "bob"))
    theirs = readings(room, study, "bob")[0]
    at = f"/reading/{theirs.id}"
    for path in (at, f"{at}/cine/0/frames", f"{at}/cine/0/frames/0.png", f"{at}/cine/0/heat/x"):
        assert people["ann"].get(path).status_code == 403, path
        assert people["cem"].get(path).status_code == 403, path
    for path, fields in (
        ("timer", {"event": "shown"}),
        ("draft", {"call": "1"}),
        ("lock", {"call": "1", "suspicion": "1"}),
    ):
        assert people["ann"].post(f"{at}/{path}", fields).status_code == 403, path
        assert admin.post(f"{at}/{path}", fields).status_code == 403, path
    assert study not in people["cem"].get("/readings").text
    assert people["cem"].get(f"/readings/{study}/next").url.path == "/readings"
    for path in ("", "/readings.csv", "/analysis", "/readers/1"):
        assert people["ann"].get(f"/admin/studies/{study}{path}").status_code == 403
    assert admin.get(at).status_code == 200
    assert admin.get(f"/admin/studies/{study}/readers/2").status_code == 200
    assert readings(room, study, "bob")[0].begun_s is None


def test_nobody_reads_a_draft_or_a_closed_study(desk):
    room, admin, people = desk
    assert make(room, admin, start=False, readers=("ann",)) not in people["ann"].get("/readings").text
    study = make(room, admin, readers=("ann",))
    reading = readings(room, study, "ann")[0]
    admin.post(f"/admin/studies/{study}/close")
    assert "not running" in people["ann"].post(f"/reading/{reading.id}/draft", {"call": "1"}).json()["detail"]
    assert "is not running" in problem(admin.post(f"/admin/studies/{study}/close"))


# Making


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "name: give the study a name"),
        ({"scale": "1-7"}, "scale: 1-5, 1-10, 0-100 are the choices"),
        ({"design": "crossover", "washout_days": "0"}, "a crossover needs 1 to 366 days"),
        ({"seed": "x"}, "seed: a whole number is expected"),
        ({"seed": "9999999999"}, "seed: a whole number from 0"),
        ({"design": "concurrent", "model": ""}, "network: the design concurrent shows what a network says"),
        ({"readers": []}, "readers: choose at least one"),
        ({"readers": ["U-NOBODY"]}, "readers: U-NOBODY is no active account of a reader"),
        ({"take": "chosen"}, "cases: a study has 1 to 5000"),
        ({"take": "list", "listing": "C-NONE"}, "cases: C-NONE is no case or video of this room"),
    ],
)
def test_a_study_that_cannot_be_read_is_not_made(desk, changes, message):
    room, admin, _ = desk
    fields = {"name": "A", "readers": ids(room, ("ann",)), "model": model_key(room)} | changes
    assert message in problem(admin.post("/admin/studies", fields))


def test_an_administrator_does_not_read(desk):
    room, admin, _ = desk
    answer = admin.post("/admin/studies", {"name": "A", "readers": ids(room, ("admin",))})
    assert "administrators see labels and cannot read" in problem(answer)


def test_two_cases_of_one_patient_are_not_read_in_one_study(desk):
    room, admin, _ = desk
    with room.database.writing() as session:
        first, second, *_ = session.exec(select(Case).order_by(col(Case.created_s))).all()
        own, second.patient_key = second.patient_key, first.patient_key
        session.add(second)
    try:
        fields = {"name": "A", "readers": ids(room, ("ann",)), "take": "list", "listing": f"{first.id}\n{second.id}"}
        assert f"{first.id} and {second.id} are of one patient" in problem(admin.post("/admin/studies", fields))
        study = make(room, admin, readers=("ann",))
        assert len(readings(room, study)) == CASES - 1
    finally:
        with room.database.writing() as session:
            session.get_one(Case, second.id).patient_key = own


def test_cases_can_be_ticked_or_listed_by_case_or_video(desk):
    room, admin, _ = desk
    with room.database.reading() as session:
        videos = list(session.exec(select(Video).order_by(col(Video.received_s))))
    ticked = make(room, admin, take="chosen", chosen=[videos[0].case_id, videos[1].case_id])
    listed = make(room, admin, take="list", listing=f"case\n{videos[2].case_id.lower()};{videos[3].id}")
    assert {case_of(room, one) for one in readings(room, ticked)} == {videos[0].case_id, videos[1].case_id}
    assert {case_of(room, one) for one in readings(room, listed)} == {videos[2].case_id, videos[3].case_id}


def test_a_design_with_the_model_does_not_start_where_the_network_has_not_explained_a_case(desk):
    room, admin, _ = desk
    study = make(room, admin, start=False, design="concurrent", model="other-network")
    assert "has not explained all its videos" in problem(admin.post(f"/admin/studies/{study}/start"))
    assert readings(room, study) == []
    assert admin.post(f"/admin/studies/{study}/discard", follow_redirects=False).status_code == 303
    assert admin.get(f"/admin/studies/{study}").status_code == 404


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the table is empty"),
        ("a,b\n1,2", "the first line names the columns"),
        ("case,truth\nC-X,2", "row 2 is neither 0 nor 1"),
        ("case;truth\nC-X;1\n\nC-X;0", "row 4 says otherwise of a case than a row above"),
        ("case\ttruth\nC-X\t1", "no row is of a case of this study"),
    ],
)
def test_a_table_of_truths_that_cannot_be_right_is_refused(desk, table, message):
    room, admin, _ = desk
    study = make(room, admin, start=False)
    assert message in problem(admin.post(f"/admin/studies/{study}/truth", {"table": table}))


def test_truth_is_found_by_case_or_video_and_what_is_strange_is_counted(desk):
    room, admin, _ = desk
    study = make(room, admin, start=False)
    with room.database.reading() as session:
        first, second, *_ = session.exec(select(Video).order_by(col(Video.received_s))).all()
    table = f"\ufeffid;label\n{first.case_id};1\n{second.id};0\nC-STRANGE;1\n"
    page = admin.post(f"/admin/studies/{study}/truth", {"table": table}).text
    assert "Cases with a truth: 2. Rows of no case of this study: 1." in page
    with room.database.reading() as session:
        truths = {one.case_id: one.truth for one in session.exec(select(StudyCase).where(StudyCase.study_id == study))}
    assert (truths[first.case_id], truths[second.case_id]) == (1, 0)
    assert sum(truth is None for truth in truths.values()) == CASES - 2
    contradiction = f"case,truth\n{first.case_id},1\n{first.id},0\n"
    assert "contradict each other" in problem(admin.post(f"/admin/studies/{study}/truth", {"table": contradiction}))


def test_a_form_that_cannot_be_taken_comes_back_as_it_was_filled_in(desk):
    room, admin, _ = desk
    with room.database.reading() as session:
        case = session.exec(select(Case.id)).first()
    given = {"name": "My study", "design": "crossover", "scale": "0-100", "washout_days": "41", "seed": "12"}
    given |= {"take": "list", "listing": f"{case}, V-NONE", "model": model_key(room), "readers": ids(room, ["bob"])}
    answer = admin.post("/admin/studies", given)
    assert answer.status_code == 400
    for kept in ('value="My study"', 'value="crossover" required checked', "<option selected>0-100", 'value="41"',
                 'value="12"', 'value="list" checked', f">{case}, V-NONE</textarea>",
                 f'value="{ids(room, ["bob"])[0]}" checked'):  # fmt: skip
        assert kept in answer.text, kept


def test_what_is_done_to_a_study_is_not_done_again_when_its_page_is_loaded_again(desk):
    room, admin, _ = desk
    study_id = make(room, admin, start=False)
    answer = admin.post(f"/admin/studies/{study_id}/start", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/studies/{study_id}")
    table = "case,truth\nC-NONE,2"
    answer = admin.post(f"/admin/studies/{study_id}/truth", {"table": table})
    assert answer.status_code == 400
    assert f">{table}</textarea>" in answer.text


def test_a_look_at_the_results_keeps_nobody_from_writing(desk, monkeypatch):
    """Statistics take their time; what readers mark meanwhile is kept at once."""
    from alnus.serve.readers import studies

    room, admin, _ = desk
    study_id = make(room, admin, readers=["ann"])
    with room.database.writing() as session:
        study = session.get_one(ReaderStudy, study_id)
        study.phase = Phase.CLOSED
        session.add(study)
        for item in session.exec(select(StudyCase).where(StudyCase.study_id == study_id)):
            item.truth = 1
            session.add(item)

    def slow(*_):
        with room.database.engine.connect().execution_options(alnus_writes=True) as other, other.begin():
            pass  # a write at this moment; under the write lock it would wait for half a minute
        return analyse(*_)

    analyse = studies.analyse
    monkeypatch.setattr(studies, "analyse", slow)
    assert admin.get(f"/admin/studies/{study_id}/analysis").status_code == 200


def test_patients_that_a_reader_met_before_are_told_to_who_makes_the_study(desk):
    room, admin, people = desk
    with room.database.reading() as session:
        cases = list(session.exec(select(Case.id).order_by(Case.id)))
    for case in cases[:2]:
        assert people["cem"].get(f"/cases/{case}").status_code == 200
    first = make(room, admin, readers=["bob"])
    read(people["bob"], readings(room, first, "bob")[0])
    admin.post(f"/admin/studies/{first}/close")
    study_id = make(room, admin, start=False, readers=["bob", "cem"])
    page = admin.get(f"/admin/studies/{study_id}").text
    met = [int(one) for one in re.findall(r'class="badge bad">(\d) / 4</span>', page)]
    assert met[1] >= 2
    assert met[0] >= 1
    assert "are not blind to them" in page
    unmet = make(room, admin, start=False, readers=["cem"], take="list", listing=cases[3])
    assert "are not blind to them" not in admin.get(f"/admin/studies/{unmet}").text


def test_a_study_with_a_reader_who_was_locked_out_is_not_started(desk):
    room, admin, _ = desk
    study_id = make(room, admin, start=False, readers=["cem"])
    (cem,) = ids(room, ["cem"])
    for is_active, status in ((0, 400), (1, 303)):
        with room.database.writing() as session:
            user = session.get_one(User, cem)
            user.is_active = bool(is_active)
            session.add(user)
        answer = admin.post(f"/admin/studies/{study_id}/start", follow_redirects=False)
        assert answer.status_code == status
        assert ("is no active account of a reader" in answer.text) == (status == 400)
