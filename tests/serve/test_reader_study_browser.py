"""A reader study as its people use it, in Chromium: made, read by keyboard, paused, resumed, analysed, on a phone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from reading_rooms import PASSWORD, URL, Browser, cine_bytes, opened, serving, settings_for, wait_until_done
from sqlmodel import col, select
from starlette.testclient import TestClient

from alnus.serve.access.people import add_user
from alnus.serve.database.tables import Case, Role, User
from alnus.serve.readers.tables import Reading, ReadingPause, StudyReader

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[test]'")
pytestmark = pytest.mark.slow
LOOKS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "chinese": {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN"},
}


@pytest.fixture(scope="module")
def place(run_model, tmp_path_factory):
    """(room, url): three cases that are explained, and two readers, whose password is the administrator's."""
    folder = tmp_path_factory.mktemp("reading")
    room, app = opened(settings_for(run_model, folder / "room"))
    with serving(app) as url:
        admin = Browser(TestClient(app, base_url=URL))
        assert admin.sign_in().status_code == 303
        for seed in (1, 2, 3):
            assert admin.upload(cine_bytes(folder, seed=seed, frames=24, side_px=96)).status_code == 201
        wait_until_done(room)
        with room.database.writing() as session:
            kept = session.exec(select(User)).one().password
            for name in ("ann", "bob"):
                add_user(session, name, Role.READER, actor="system")[0].password = kept
        yield room, url


@pytest.fixture(scope="module")
def states(place, chromium):
    """What a browser keeps of the administrator's and each reader's session."""
    _, url = place
    found = {}
    for name in ("admin", "ann", "bob"):
        context = chromium.new_context()
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{url}/account")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Sign out").wait_for()
        found[name] = context.storage_state()
        context.close()
    return found


@pytest.fixture
def page_of(place, states, chromium):
    """A function that opens a page as somebody; no script may complain."""
    opened_pages = []

    def made(name: str, **options):
        context = chromium.new_context(storage_state=states[name], reduced_motion="reduce", **options)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda said: page.problems.append(said.text) if is_problem(said) else None)
        opened_pages.append(page)
        return page

    yield made
    for page in opened_pages:
        page.context.close()
    assert [page.problems for page in opened_pages] == [[]] * len(opened_pages)


def is_problem(said) -> bool:
    """A picture that is asked for in the moment between the lock and the next page is refused, as it must be."""
    picture_after_lock = "409" in said.text and re.search(r"/cine/\d+/(frames|heat)", said.location["url"])
    return said.type == "error" and not picture_after_lock


def made_study(page, url: str, *, design: str, scale: str = "1-5", name: str = "Nodes") -> str:
    """Make and start a study on the administrator's pages; return its address."""
    page.goto(f"{url}/admin/studies")
    page.get_by_label("Name (readers see it)").fill(name)
    page.locator(f"input[name=design][value={design}]").check()
    page.get_by_label("Scale of suspicion").select_option(scale)
    for reader in ("ann", "bob"):
        page.get_by_label(reader, exact=True).check()
    page.get_by_role("button", name="Make the study").click()
    page.get_by_role("button", name="Start the reading").click()
    sync_api.expect(page.locator(".titled .badge")).to_have_text("running")
    return page.url


def closed(page, address: str, *readers) -> None:
    """Close a study, after its readers have left it: what their pages still told of it would be refused."""
    for reader in readers:
        reader.goto("about:blank")
    page.goto(address)
    page.get_by_text("End the reading").click()
    page.get_by_role("button", name="Close for good").click()
    sync_api.expect(page.locator(".titled .badge")).to_have_text("closed")


def told(page, *fields: str):
    """Wait, at the end of a `with`, for the answer to a request that says all of this, as `event=shown`."""
    return page.expect_response(lambda answer: set(fields) <= set((answer.request.post_data or "").split("&")))


def shown(page) -> None:
    """Wait until a frame is on the canvas and the server was told."""
    page.wait_for_selector("#canvas[data-frame='0']")


def begin(page, url: str) -> None:
    """Go to the reading that is next, and wait until the server knows that its first frame is shown."""
    page.goto(f"{url}/readings")
    with told(page, "event=shown"):
        page.get_by_role("link", name=re.compile("Begin|Go on")).first.click()
    shown(page)


def readings_of(room, name: str) -> list[Reading]:
    """Return a reader's readings of the newest study."""
    with room.database.reading() as session:
        own = select(StudyReader).join(User, col(User.id) == col(StudyReader.user_id)).where(User.name == name)
        newest = max(session.exec(own), key=lambda one: _made_s(session, one))
        order = (col(Reading.session), col(Reading.position), col(Reading.step))
        return list(session.exec(select(Reading).where(Reading.reader_id == newest.id).order_by(*order)))


def _made_s(session, reader: StudyReader) -> float:
    from alnus.serve.readers.tables import ReaderStudy

    return session.get_one(ReaderStudy, reader.study_id).created_s


def answered(page, call: str, digit: str) -> None:
    """Answer by keyboard and lock; wait for the next page."""
    before = page.url
    page.keyboard.press(call)
    page.keyboard.press(digit)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "lock"
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: address != before)


def test_a_study_is_made_read_by_keyboard_and_analysed(place, page_of):
    room, url = place
    admin = page_of("admin")
    address = made_study(admin, url, design="second-reader")
    with room.database.reading() as session:
        cases = sorted(session.exec(select(Case.id)))
    for name in ("ann", "bob"):
        reader = page_of(name)
        begin(reader, url)
        sync_api.expect(reader.get_by_text("without the model")).to_be_visible()
        sync_api.expect(reader.locator("#model")).to_have_count(0)
        for number in range(len(cases)):
            shown(reader)
            answered(reader, "nm"[number % 2], str(1 + number))
            shown(reader)
            sync_api.expect(reader.locator("#model .figure")).to_be_visible()
            sync_api.expect(reader.locator("input[name=suspicion]:checked")).to_have_value(str(1 + number))
            with told(reader, "event=shown"):
                reader.reload()  # and go on where one was
            answered(reader, "m", "5")
        sync_api.expect(reader).to_have_url(f"{url}/readings")
        sync_api.expect(reader.get_by_text("done")).to_be_visible()
    answers = [(one.call, one.suspicion) for one in readings_of(room, "bob")]
    assert answers == [(0, 1), (1, 5), (1, 2), (1, 5), (0, 3), (1, 5)]
    assert all(one.active_s > 0 for one in readings_of(room, "bob"))

    admin.goto(f"{address}/analysis")
    sync_api.expect(admin.get_by_text("Cases without a truth: 3")).to_be_visible()
    admin.goto(address)
    admin.get_by_label("Table with the columns").fill(
        "case,truth\n" + "".join(f"{c},{k % 2}\n" for k, c in enumerate(cases))
    )
    admin.get_by_role("button", name="Take over").click()
    sync_api.expect(admin.get_by_text("Every case has its truth.")).to_be_visible()
    admin.goto(f"{address}/analysis")
    sync_api.expect(admin.locator("#results")).to_contain_text("at least 2 are needed")  # three cases carry no analysis
    assert admin.locator("#results tbody tr").count() >= 4


def test_drafts_are_kept_pauses_hide_the_picture_and_the_reader_goes_on_where_they_were(place, page_of):
    room, url = place
    admin = page_of("admin")
    address = made_study(admin, url, design="independent", scale="0-100")
    ann = page_of("ann")
    begin(ann, url)
    with told(ann, "suspicion=71"):
        ann.keyboard.press("7")
        ann.keyboard.press("]")
    sync_api.expect(ann.locator("#saved")).to_contain_text("kept")
    ann.keyboard.press("ArrowRight")
    ann.wait_for_selector("#canvas[data-frame='1']")
    with told(ann, "event=pause"):
        ann.keyboard.press("p")
    sync_api.expect(ann.locator("#canvas")).to_be_hidden()
    with told(ann, "event=resume"):
        ann.keyboard.press("p")
    sync_api.expect(ann.locator("#canvas")).to_be_visible()
    first = readings_of(room, "ann")[0]
    assert (first.call, first.suspicion) == (None, 71)
    with room.database.reading() as session:
        (pause,) = session.exec(select(ReadingPause).where(ReadingPause.reading_id == first.id))
    assert pause.reason == "reader"
    assert pause.ended_s is not None
    ann.goto(f"{url}/")  # the room's worklist is closed: back to the readings
    sync_api.expect(ann).to_have_url(f"{url}/readings?closed=1")
    begin(ann, url)
    sync_api.expect(ann.locator("#suspicion")).to_have_value("71")
    sync_api.expect(ann.locator("#grade")).to_have_value("71")
    closed(admin, address, ann)


def test_after_a_click_on_the_scale_the_arrow_keys_step_through_the_frames(place, page_of):
    _, url = place
    admin = page_of("admin")
    address = made_study(admin, url, design="independent")
    ann = page_of("ann")
    begin(ann, url)
    ann.get_by_label("3", exact=True).check()
    ann.keyboard.press("ArrowRight")
    ann.wait_for_selector("#canvas[data-frame='1']")
    sync_api.expect(ann.locator("input[name=suspicion]:checked")).to_have_value("3")
    ann.locator("input[name=suspicion][value='3']").focus()  # by the keyboard they choose, as in every form
    with told(ann, "suspicion=4"):
        ann.keyboard.press("ArrowRight")
    sync_api.expect(ann.locator("input[name=suspicion]:checked")).to_have_value("4")
    closed(admin, address, ann)


def test_the_page_pauses_by_itself_when_nothing_is_touched(place, page_of):
    room, url = place
    admin = page_of("admin")
    address = made_study(admin, url, design="independent")
    ann = page_of("ann")
    ann.clock.install()
    begin(ann, url)
    ann.clock.run_for(250_000)
    ann.mouse.move(200, 200)
    ann.clock.run_for(250_000)
    sync_api.expect(ann.locator("#pause")).to_have_text("Pause")
    with told(ann, "event=idle"):
        ann.clock.run_for(60_000)
    sync_api.expect(ann.locator("#stage-note")).to_contain_text("nothing was touched for five minutes")
    sync_api.expect(ann.locator("#canvas")).to_be_hidden()
    assert readings_of(room, "ann")[0].open_since_s is None
    with told(ann, "event=resume"):
        ann.get_by_role("button", name="Go on").click()
    assert readings_of(room, "ann")[0].open_since_s is not None
    closed(admin, address, ann)


def every_page(admin, reader, url: str, address: str):
    """Open each page of reader studies once; yield its name and page."""
    of_admin = {"studies": f"{url}/admin/studies", "study": address}
    of_admin |= {"analysis": f"{address}/analysis", "answers": f"{address}/readers/1"}
    for name, one in of_admin.items():
        admin.goto(one)
        yield name, admin
    reader.goto(f"{url}/readings")
    yield "readings", reader
    reader.goto(f"{url}/readings/{address.rsplit('/', 1)[1]}/next")
    shown(reader)
    yield "reading", reader


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_is_too_wide_and_axe_finds_nothing(place, page_of, look):
    """ALNUS_SCREENSHOTS names a folder: the pages' pictures go there, for a person to look at."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    _, url = place
    admin = page_of("admin")
    address = made_study(admin, url, design="concurrent", scale="1-10")
    folder = os.environ.get("ALNUS_SCREENSHOTS")
    ann = page_of("ann", **LOOKS[look])
    try:
        for name, page in every_page(page_of("admin", **LOOKS[look]), ann, url, address):
            if folder:
                page.wait_for_timeout(400)
                page.screenshot(path=Path(folder) / f"{name}-{look}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
            found = axe.Axe().run(page).response["violations"]
            said = [(name, each["id"], each["impact"], each["nodes"][0]["html"][:120]) for each in found]
            assert said == []
    finally:
        closed(admin, address, ann)
