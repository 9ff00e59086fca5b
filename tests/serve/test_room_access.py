"""Nobody gets in without rights, nothing changes without a token, and nothing is exposed by mistake."""

from __future__ import annotations

import re

import pytest
from reading_rooms import PASSWORD, URL, Browser, opened, settings_for
from sqlmodel import select
from starlette.routing import Mount
from starlette.testclient import TestClient

from alnus.errors import UsageError
from alnus.serve.access.gate import PUBLIC, PUBLIC_BELOW
from alnus.serve.access.people import add_user, make_first_admin
from alnus.serve.access.sessions import new_key
from alnus.serve.app import open_room
from alnus.serve.database.tables import Role, User


@pytest.fixture(scope="module")
def standing(run_model, tmp_path_factory):
    """(room, application) for all tests of this file; its workers do not run."""
    return opened(settings_for(run_model, tmp_path_factory.mktemp("access") / "room"))


@pytest.fixture
def open_app(standing):
    """(room, client that has not signed in); the password is what it was, whatever an earlier test did."""
    room, app = standing
    room.login_failures.forget("address testclient")
    with room.database.writing() as session:
        make_first_admin(session, password=PASSWORD)
    return room, TestClient(app, base_url=URL)


@pytest.fixture
def browser(open_app):
    """(room, browser): signed in as administrator."""
    room, client = open_app
    one = Browser(client)
    assert one.sign_in().status_code == 303
    return room, one


def routes(app):
    """Every route of the application with each of its methods, with something in the place of ids."""
    found, waiting = [], list(app.routes)
    while waiting:
        route = waiting.pop()
        if hasattr(route, "original_router"):  # newer versions of FastAPI keep included routers whole
            waiting += route.original_router.routes
        elif not isinstance(route, Mount):
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            found += [(method, path) for method in sorted(route.methods or {"GET"})]
    return sorted(found)


def refused(answer) -> bool:
    return answer.status_code in (401, 403) or (
        answer.status_code == 303 and answer.headers["location"].startswith("/login")
    )


def closed(path: str) -> bool:
    return path not in PUBLIC and not path.startswith(PUBLIC_BELOW)


def test_every_route_but_login_language_health_and_static_refuses_whom_it_does_not_know(open_app):
    _, client = open_app
    asked = [(method, path) for method, path in routes(client.app) if closed(path)]
    assert len(asked) > 5
    for method, path in asked:
        answer = client.request(method, path, follow_redirects=False)
        assert refused(answer), (method, path, answer.status_code)


def test_only_login_language_and_health_are_open(open_app):
    _, client = open_app
    assert {path for _, path in routes(client.app) if not closed(path)} <= {"/login", "/language", "/healthz"}


def test_a_route_that_somebody_adds_and_forgets_to_protect_is_closed(settings):
    _, app = opened(settings)
    client = TestClient(app, base_url=URL)
    client.app.get("/forgotten")(lambda: "secret")
    assert client.get("/forgotten").status_code == 401


def test_every_administrators_route_refuses_a_reader(browser):
    room, admin = browser
    with room.database.writing() as session:
        _, password = add_user(session, "reader", Role.READER, actor="system")
    client = admin.client
    client.cookies.clear()
    reader = Browser(client)
    assert reader.sign_in("reader", password).status_code == 303
    for method, path in routes(client.app):
        if path.startswith("/admin"):
            answer = client.request(method, path, headers={"x-csrf-token": reader.csrf})
            assert answer.status_code == 403, (method, path)
    assert client.get("/admin/anything").status_code == 403


def test_every_unsafe_request_without_the_forms_token_is_refused(browser):
    _, admin = browser
    for method, path in routes(admin.client.app):
        if method in ("GET", "HEAD", "OPTIONS") or not closed(path) or path.startswith("/api/"):
            continue
        answer = admin.client.request(method, path, content=b"csrf=wrong", headers={
            "content-type": "application/x-www-form-urlencoded"})  # fmt: skip
        assert answer.status_code == 403, (method, path, answer.status_code)
        assert "token" in answer.json()["detail"]


def test_an_api_key_opens_no_page_and_a_session_opens_no_api(browser):
    room, admin = browser
    assert admin.get("/metrics").status_code == 401
    with room.database.writing() as session:
        _, text = new_key(session, "scanner", actor=session.exec(select(User)).first().id)
    admin.client.cookies.clear()
    assert admin.get("/", headers={"authorization": f"Bearer {text}"}).status_code == 401


@pytest.mark.parametrize("password", ["wrong", "", PASSWORD + "x"])
def test_a_wrong_password_opens_nothing(open_app, password):
    _, client = open_app
    assert Browser(client).sign_in(password=password).status_code == 401
    assert client.get("/account").status_code == 401


def test_after_five_wrong_passwords_even_the_right_one_waits(settings):
    _, app = opened(settings)
    client = TestClient(app, base_url=URL)
    one = Browser(client)
    assert [one.sign_in(password="wrong").status_code for _ in range(6)] == [401] * 5 + [429]
    assert one.sign_in().status_code == 429


def test_a_login_form_from_elsewhere_is_refused(open_app):
    _, client = open_app
    answer = client.post("/login", data={"name": "admin", "password": PASSWORD, "form": "forged"})
    assert answer.status_code == 403


def test_signing_out_ends_the_session_on_the_server(browser):
    _, admin = browser
    token = admin.client.cookies["alnus_session"]
    admin.post("/logout", follow_redirects=False)
    admin.client.cookies.set("alnus_session", token)
    assert admin.get("/account").status_code == 401


def test_a_new_password_ends_every_session_and_must_be_long(browser):
    _, admin = browser
    assert "12 to 256" in admin.post("/account", {"old": PASSWORD, "new": "short"}).text
    assert admin.post("/account", {"old": PASSWORD, "new": "a long new password"}, follow_redirects=False).is_redirect
    assert admin.get("/account").status_code == 401
    assert admin.sign_in(password="a long new password").status_code == 303


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_after_signing_in_nobody_is_led_to_another_site(open_app, path):
    _, client = open_app
    assert 'name="next" value="/"' in client.get("/login", params={"next": path}).text


def test_every_answer_carries_the_security_headers(open_app):
    _, client = open_app
    for path in ("/login", "/healthz", "/static/room.css", "/nowhere", "/"):
        headers = client.get(path, follow_redirects=False).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_session_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(open_app):
    _, client = open_app
    cookie = Browser(client).sign_in().headers["set-cookie"]
    assert "alnus_session=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_another_host_name_is_not_served(open_app):
    _, client = open_app
    assert client.get("/login", headers={"host": "evil.example"}).status_code == 400


def test_a_large_form_is_refused_before_it_is_read(browser):
    _, admin = browser
    assert admin.post("/account", {"old": "x" * 300_000}).status_code == 413


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "0.0.0.0"}, "reached from other machines: give --certificate"),
        ({"host": "192.0.2.1", "certificate": "c.pem"}, "go together"),
        ({"host": "reading.example", "behind_tls_proxy": True}, "still has the first password"),
    ],
)
def test_the_room_refuses_to_be_exposed(settings, changes, message):
    changed = type(settings).model_validate(settings.model_dump() | changes)
    with pytest.raises(UsageError, match=message):
        open_room(changed)


def test_behind_tls_and_with_an_own_password_the_room_opens_to_others(settings):
    changed = settings.model_copy(update={"host": "0.0.0.0", "behind_tls_proxy": True})
    room, shown = open_room(changed, password=PASSWORD)
    assert shown is None
    assert room.settings.is_tls


def test_a_room_that_is_open_to_others_starts_again_after_an_administrator_was_added(settings):
    changed = settings.model_copy(update={"host": "0.0.0.0", "behind_tls_proxy": True})
    room, _ = open_room(changed, password=PASSWORD)
    with room.database.writing() as session:
        add_user(session, "second", Role.ADMIN, actor="system")
    assert open_room(changed)[1] is None


def test_the_first_password_is_shown_once(settings):
    assert open_room(settings)[1] is not None
    assert open_room(settings)[1] is None


def test_passwords_are_kept_by_argon2id_as_strong_as_rfc_9106_recommends(cheap_passwords):
    """RFC 9106, section 4, second choice: 3 passes over 64 MiB in 4 lanes."""
    assert cheap_passwords.hash("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
