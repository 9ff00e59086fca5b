"""What a person sees where something cannot be done: a page in their language, not a program's answer."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
from reading_rooms import PASSWORD, URL, Browser, cine_bytes, opened, settings_for, wait_until_done
from sqlmodel import col, select
from starlette.testclient import TestClient

import alnus
from alnus.config import QualityCode
from alnus.serve.access.people import add_user
from alnus.serve.access.sessions import SEEN_EVERY_S, token_sha256
from alnus.serve.access.throttle import Throttle
from alnus.serve.database.tables import AuditEntry, LoginSession, Role
from alnus.serve.languages import translations
from alnus.serve.reasons import PATTERNS, in_language, shown
from alnus.serve.work.worker import STEPS

PAGE = {"accept": "text/html,application/xhtml+xml"}
SOURCES = Path(alnus.__file__).parent


@pytest.fixture(scope="module")
def standing(run_model, tmp_path_factory):
    """(room, application) for the tests that need no worker."""
    return opened(settings_for(run_model, tmp_path_factory.mktemp("problems") / "room"))


@pytest.fixture
def client(standing):
    room, app = standing
    room.login_failures.forget("address testclient")
    return TestClient(app, base_url=URL, raise_server_exceptions=False)


@pytest.fixture
def admin(client):
    one = Browser(client)
    assert one.sign_in().status_code == 303
    return one


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "There is no such page."),
        ("/cases/C-NOSUCHCASE", 404, "there is no such case"),
        ("/?page=none", 422, "This request cannot be used."),
        ("/logout", 405, "This address shows no page."),
    ],
)
def test_a_browser_is_shown_a_page_that_leads_back(admin, path, status, words):
    answer = admin.get(path, headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert words in answer.text
    assert 'href="/">To the worklist' in answer.text


def test_a_page_of_a_problem_speaks_chinese(admin):
    admin.client.cookies.set("alnus_language", "zh")
    page = admin.get("/cases/C-NOSUCHCASE", headers=PAGE).text
    assert "没有这个页面。" in page
    assert "没有这个病例" in page


def test_a_program_is_answered_in_json(admin):
    assert admin.get("/cases/C-NOSUCHCASE").json() == {"detail": "there is no such case"}


def test_a_reader_at_an_administrators_door_sees_a_page(standing, client):
    room, _ = standing
    with room.database.writing() as session:
        _, password = add_user(session, "door", Role.READER, actor="system")
    reader = Browser(client)
    reader.sign_in("door", password)
    answer = reader.get("/admin", headers=PAGE)
    assert answer.status_code == 403
    assert "You may not do this." in answer.text


def test_an_error_in_alnus_has_the_security_headers_and_shows_nothing_of_itself(standing, admin):
    _, app = standing

    def broken():
        raise RuntimeError("a secret")

    app.get("/broken")(broken)
    answer = admin.get("/broken", headers=PAGE)
    assert answer.status_code == 500
    assert "Something went wrong in Alnus." in answer.text
    assert "a secret" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert admin.get("/broken").json()["detail"].startswith("an error in Alnus")


def test_who_signs_in_again_goes_where_they_wanted_to(client):
    answer = client.get("/cases/C-1?video=V-2", headers=PAGE, follow_redirects=False)
    assert answer.headers["location"] == "/login?next=/cases/C-1%3Fvideo%3DV-2"
    assert 'name="next" value="/cases/C-1?video=V-2"' in client.get(answer.headers["location"]).text


@pytest.mark.parametrize(("path", "following"), [("/reading/G-1/lock", "/readings"), ("/admin/users", "/")])
def test_a_form_that_is_sent_after_its_session_leads_to_signing_in_and_says_what_became_of_it(client, path, following):
    answer = client.post(path, headers=PAGE, follow_redirects=False)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"]).text
    assert "What you sent last was not taken over" in page
    assert f'name="next" value="{following}"' in page


def test_another_language_leads_back_to_the_same_view(admin):
    assert 'next=/%3Fq%3DP-1%26page%3D1"' in admin.get("/?q=P-1&page=1", headers=PAGE).text
    answer = admin.post("/admin/users", {"name": "!"}, headers=PAGE)
    assert answer.status_code == 400
    assert "next=/admin&" in answer.text.replace('"', "&")  # GET /admin/users shows nothing


def test_a_page_beyond_the_last_leads_to_the_last(admin):
    answer = admin.get("/?q=P-1&page=7", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=P-1&page=1")


def test_what_a_page_asks_by_itself_keeps_no_session_alive(standing, admin):
    room, _ = standing

    def seen_s(change: float = 0.0) -> float:
        with room.database.writing() as session:
            row = session.get_one(LoginSession, token_sha256(admin.client.cookies["alnus_session"]))
            row.seen_s -= change
            session.add(row)
            return row.seen_s

    before = seen_s(SEEN_EVERY_S + 1)
    assert admin.get("/", headers=PAGE | {"x-by-itself": "1"}).status_code == 200
    assert seen_s() == before
    assert admin.get("/", headers=PAGE).status_code == 200
    assert seen_s() > before


def test_guesses_that_come_at_once_are_counted_before_they_are_tried():
    guesses = Throttle(2, 60)
    assert [guesses.take("a") > 0 for _ in range(4)] == [False, False, True, True]
    guesses.give_back("a")
    assert guesses.take("a") == 0


def test_signing_in_and_being_refused_say_from_where_but_not_a_name_of_nobody(standing, client):
    room, _ = standing
    one = Browser(client)
    one.sign_in("my secret password", "x")
    one.sign_in("admin", "wrong")
    one.sign_in("admin", PASSWORD)
    with room.database.reading() as session:
        lines = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(3)).all()[::-1]
    assert [line.action for line in lines] == ["session.refused", "session.refused", "session.begin"]
    assert [line.subject is None for line in lines] == [True, False, True]
    assert {line.detail["address"] for line in lines} == {"testclient"}


def test_signing_out_empties_what_the_browser_keeps(admin):
    answer = admin.post("/logout", follow_redirects=False)
    assert answer.headers["clear-site-data"] == '"cache"'


def test_a_first_password_is_asked_to_be_changed(standing, client):
    room, _ = standing
    with room.database.writing() as session:
        _, password = add_user(session, "newcomer", Role.READER, actor="system")
    one = Browser(client)
    one.sign_in("newcomer", password)
    assert "somebody else has seen" in one.get("/").text
    one.post("/account", {"old": password, "new": "a long password of mine"})
    one.sign_in("newcomer", "a long password of mine")
    assert "somebody else has seen" not in one.get("/").text


def test_an_upload_that_is_refused_says_so_in_the_readers_language_and_to_programs_in_english(admin):
    admin.client.cookies.set("alnus_language", "zh")
    assert admin.upload(b"").json()["detail"] == "文件为空"


def test_a_failed_file_says_why_in_chinese(open_app, tmp_path):
    room, client = open_app
    one = Browser(client)
    one.sign_in()
    case = one.upload(b"RIFF\0\0\0\0AVI and nothing of use").json()["case"]
    wait_until_done(room)
    one.client.cookies.set("alnus_language", "zh")
    assert "其中没有视频流" in one.get(f"/cases/{case}").text


def test_a_risk_that_is_not_final_says_so(open_app, tmp_path, monkeypatch):
    from alnus.serve.database.tables import Job, State, Video

    room, client = open_app
    one = Browser(client)
    one.sign_in()
    case = one.upload(cine_bytes(tmp_path)).json()["case"]
    wait_until_done(room)
    assert "Not final" not in one.get(f"/cases/{case}").text
    with room.database.writing() as session:
        video = Video(case_id=case, sha256="0" * 64, size_bytes=1, origin="upload")
        session.add(video)
        session.flush()
        session.add(Job(video_id=video.id, next_try_s=1e12))
    assert "Not final: videos of this case that are still to be scored: 1" in one.get(f"/cases/{case}").text
    assert b"%PDF" in one.get(f"/cases/{case}/report.pdf").content[:8]
    with room.database.writing() as session:
        session.delete(session.get_one(Job, video.id))
        session.flush()
        session.delete(session.get_one(Video, video.id))
    assert STEPS[State.RECEIVED]


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("a password has 12 to 256 characters; this one has 3", "密码须有 12 至 256 个字符；此密码有 3 个"),  # noqa: RUF001  Chinese
        ("truth: row 7 is neither 0 nor 1 (1 = metastasis); mend or leave out", "真值：第 7 行既不是 0 也不是 1（1 = 转移）；请改正或去掉"),  # noqa: RUF001, E501
        ("its frames are 3x4 pixels; at most 8 a side are read", "其帧尺寸为 3x4 像素；每边最多读取 8 像素"),  # noqa: RUF001
    ],
)  # fmt: skip
def test_a_reason_with_numbers_is_said_in_chinese(text, chinese):
    assert in_language("zh", text) == chinese
    assert in_language("en", text) == text


def test_what_to_do_about_a_reason_is_said_in_chinese_behind_it():
    text = "its avi container cannot be read (InvalidDataError): it is cut or was never finished"
    said = in_language("zh", f"{text}; copy it again from its source")
    assert said.endswith("文件不完整，或录制未曾完成；请从来源重新复制")  # noqa: RUF001
    assert in_language("zh", "the file is empty; copy it again from its source") == "文件为空；请从来源重新复制"  # noqa: RUF001
    assert in_language("zh", "the file is empty; sing to it") is None


def test_a_reason_without_a_translation_is_marked_as_english_and_escaped():
    assert shown("zh", "<b>odd</b>") == '<span lang="en">&lt;b&gt;odd&lt;/b&gt;</span>'
    assert shown("zh", "已是中文") == "已是中文"


def test_every_pattern_of_a_reason_is_one_that_the_sources_say():
    """A reason that is worded anew would otherwise quietly lose its translation."""
    own = Path(inspect.getsourcefile(in_language))
    said = "".join(
        re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for path in sorted(SOURCES.rglob("*.py"))
        if path != own
    )
    for pattern in PATTERNS:
        parts = re.split(r"%\(\w+\)s", pattern)
        longest = max(parts, key=len).strip()
        code = longest.removesuffix(":").replace(" ", "_")
        wanted = code if code in get_args(QualityCode) else longest
        assert wanted in said, pattern
        assert translations("zh").gettext(pattern) != pattern
