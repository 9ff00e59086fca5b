"""The room as a person uses it, in Chromium: sign in, upload, watch, step, seek, export, by keyboard and on a phone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from reading_rooms import PASSWORD, cine_bytes, opened, serving, settings_for

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[test]'")
pytestmark = pytest.mark.slow
LOOKS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


@pytest.fixture(scope="module")
def place(run_model, tmp_path_factory):
    """(url, folder with two cines): a room that is served."""
    folder = tmp_path_factory.mktemp("browser")
    for seed in (1, 2):
        cine_bytes(folder, seed=seed, frames=24, side_px=96)
    _, app = opened(settings_for(run_model, folder / "room"))
    with serving(app) as url:
        yield url, folder


@pytest.fixture(scope="module")
def signed_in(place, chromium):
    """(url, address of a finished case, the browser's state): uploaded through the page, without a script's error."""
    url, folder = place
    context = chromium.new_context(reduced_motion="reduce")
    page = watched(context)
    page.goto(f"{url}/upload")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    sync_api.expect(page).to_have_url(f"{url}/upload")
    page.get_by_label("All files are of one examination").check()
    page.set_input_files("#files", [folder / "cine-1.avi", folder / "cine-2.avi"])
    uploaded = page.get_by_role("link", name=re.compile("open case"))
    sync_api.expect(uploaded).to_have_count(2)  # who leaves before that takes one of the files along
    uploaded.first.click()
    sync_api.expect(page.locator("#state .badge.good")).to_be_visible(timeout=60_000)
    yield url, page.url, context.storage_state()
    assert page.problems == []
    context.close()


def watched(context):
    """A page that remembers what its scripts complain of."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
    return page


@pytest.fixture
def case(signed_in, chromium):
    """The case's page, paused at its first frame, which was loaded again without loss; nothing may complain."""
    _, address, state = signed_in
    context = chromium.new_context(storage_state=state, reduced_motion="reduce", accept_downloads=True)
    page = watched(context)
    page.goto(address)
    page.wait_for_selector("#canvas[data-frame='0'][data-lossless='0']")
    yield page
    assert page.problems == []
    context.close()


def picture(page) -> list[int]:
    return page.evaluate(
        "() => [...document.getElementById('canvas').getContext('2d').getImageData(0, 0, 96, 96).data]"
    )


def shown_data(page) -> dict:
    return json.loads(page.text_content("#data"))


def at_frame(page, number: int) -> None:
    page.wait_for_selector(f"#canvas[data-frame='{number}']")


def rate_hz(page) -> float:
    """Frames a second that were on the canvas during one second."""
    passed = page.evaluate(
        """async () => {
          const canvas = document.getElementById("canvas"), seen = [];
          const began = performance.now();
          let last = null, frames = 0;
          while (performance.now() - began < 1000) {
            await new Promise(requestAnimationFrame);
            const now = Number(canvas.dataset.frame);
            if (now === last) continue;
            if (last !== null) frames += (now - last + 24) % 24;
            last = now;
            seen.push(performance.now());
          }
          return {frames, seconds: (seen[seen.length - 1] - seen[0]) / 1000};
        }"""
    )
    return passed["frames"] / max(passed["seconds"], 1e-3)


def test_the_cine_plays_at_its_own_rate(case):
    """20 Hz; what a busy machine loses in one second it does not lose in each of ten."""
    case.get_by_role("button", name="Play").click()
    rates = []
    while len(rates) < 10 and not (rates and abs(rates[-1] - 20) < 3):
        rates.append(rate_hz(case))
    assert rates[-1] == pytest.approx(20, abs=3), rates


def test_keys_step_frame_by_frame_and_to_the_ends(case):
    case.keyboard.press("ArrowRight")
    case.keyboard.press("ArrowRight")
    at_frame(case, 2)
    case.keyboard.press("ArrowLeft")
    at_frame(case, 1)
    case.keyboard.press("End")
    at_frame(case, 23)
    case.keyboard.press("ArrowRight")  # goes nowhere: one back from there is the last but one
    case.keyboard.press("ArrowLeft")
    at_frame(case, 22)
    case.keyboard.press("Home")
    at_frame(case, 0)


def test_a_frame_that_stands_still_is_shown_exactly_as_it_is_stored(case):
    case.keyboard.press("h")
    case.keyboard.press("ArrowRight")
    case.wait_for_selector("#canvas[data-lossless='1']")
    shown = picture(case)[::4]
    exact = case.evaluate(
        """async (address) => {
          const bitmap = await createImageBitmap(await (await fetch(address)).blob());
          const canvas = new OffscreenCanvas(96, 96), context = canvas.getContext("2d");
          context.drawImage(bitmap, 0, 0);
          return [...context.getImageData(0, 0, 96, 96).data].filter((_, place) => place % 4 === 0);
        }""",
        f"/videos/{case.get_attribute('#meta', 'data-video')}/frames/1.png",
    )
    assert shown == exact


def test_the_heat_can_be_hidden_and_its_opacity_changed(case):
    keyframe = shown_data(case)["networks"][0]["keyframe"]
    case.evaluate("delete document.getElementById('canvas').dataset.lossless")
    case.get_by_role("button", name="Keyframe").click()
    case.wait_for_selector(f"#canvas[data-frame='{keyframe}'][data-lossless='{keyframe}']")
    case.wait_for_function(
        """() => {
          const canvas = document.getElementById("canvas"), { width, height } = canvas;
          const seen = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          return seen.some((value, place) => place % 4 === 0 && value !== seen[place + 1]);
        }"""
    )
    case.keyboard.press("h")
    grey = picture(case)
    assert all(red == green for red, green in zip(grey[::4], grey[1::4], strict=True))
    case.keyboard.press("h")
    for _ in range(12):
        case.keyboard.press("-")
    assert picture(case) == grey


def test_the_curve_seeks_and_the_keyframe_is_its_summit(case):
    data = shown_data(case)
    box = case.locator("#curve").bounding_box()
    case.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    at_frame(case, 12)
    weights = data["networks"][0]["importance"]
    assert data["networks"][0]["keyframe"] == weights.index(max(weights))
    case.keyboard.press("k")
    at_frame(case, data["networks"][0]["keyframe"])
    sync_api.expect(case.locator("#where")).to_contain_text("weighs")


def test_the_slider_moves_by_keyboard_and_tells_its_frame(case):
    case.locator("#seek").focus()
    case.keyboard.press("ArrowRight")
    at_frame(case, 1)
    sync_api.expect(case.locator("#seek")).to_have_attribute("aria-valuetext", "Frame 2 of 24")


def test_both_videos_of_the_case_and_the_report_are_there(case):
    sync_api.expect(case.locator("#videos .videos li")).to_have_count(2)
    second = case.locator("#videos .videos a").nth(1)
    address = second.evaluate("link => link.href")
    second.click()
    sync_api.expect(case).to_have_url(address)
    case.wait_for_selector("#canvas[data-frame='0']")
    answer = case.request.get(case.get_by_role("link", name="PDF").evaluate("link => link.href"))
    assert answer.body().startswith(b"%PDF")


def test_a_case_that_is_still_worked_on_fills_itself_while_one_watches(place, signed_in, chromium):
    url, folder = place
    _, _, state = signed_in
    context = chromium.new_context(storage_state=state)
    page = watched(context)
    page.goto(f"{url}/upload")
    cine_bytes(folder, seed=7, frames=24, side_px=96)
    page.set_input_files("#files", [folder / "cine-7.avi"])
    page.get_by_role("link", name=re.compile("open case")).click()
    sync_api.expect(page.locator("#verdict .figure")).to_be_visible(timeout=60_000)
    sync_api.expect(page.locator("#curve .area")).to_be_attached(timeout=60_000)
    assert page.problems == []
    context.close()


def test_what_is_dropped_goes_up_and_what_is_too_large_is_not_even_sent(place, signed_in, chromium):
    url, folder = place
    _, _, state = signed_in
    context = chromium.new_context(storage_state=state)
    page = watched(context)
    page.goto(f"{url}/upload")
    page.get_by_label("hospital id").fill("Doe 42")
    content = list((folder / "cine-1.avi").read_bytes())
    dropped = page.evaluate_handle(
        """(content) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(content)], "cine-1.avi"));
          return data;
        }""",
        content,
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    sync_api.expect(page.locator("#list li.done")).to_contain_text("was here already")
    sync_api.expect(page.locator("#list .whose")).to_have_text("given id: Doe 42")
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate("document.getElementById('upload').dataset.most = 10")
    page.set_input_files("#files", [folder / "cine-2.avi"])
    sync_api.expect(page.locator("#list li.failed")).to_contain_text("larger than the room takes")
    assert sent == []
    assert page.problems == []
    context.close()


def test_an_ended_session_leads_to_signing_in_instead_of_a_page_that_stands_still(place, signed_in, chromium):
    url, _ = place
    _, _, state = signed_in
    context = chromium.new_context(storage_state=state)
    page = context.new_page()
    page.goto(f"{url}/")
    context.clear_cookies()
    page.evaluate("() => { refreshed(location.href, ['rows']); }")  # not awaited: it ends this page
    sync_api.expect(page).to_have_url(f"{url}/login?next=/")
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_is_wider_than_the_screen(signed_in, chromium, look):
    url, address, state = signed_in
    context = chromium.new_context(storage_state=state, reduced_motion="reduce", **LOOKS[look])
    page = watched(context)
    for one in (address, f"{url}/", f"{url}/upload", f"{url}/account", f"{url}/admin", f"{url}/admin/audit"):
        page.goto(one)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), one
    assert page.problems == []
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(signed_in, chromium, look):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    url, address, state = signed_in
    context = chromium.new_context(storage_state=state, reduced_motion="reduce", **LOOKS[look])
    page = watched(context)
    paths = ("/", "/upload", "/account", "/admin", "/admin/audit", "/admin/node", "/login", "/nowhere")
    for one in (address, *(f"{url}{path}" for path in paths)):
        page.goto(one)
        found = axe.Axe().run(page).response["violations"]
        said = [(one, each["id"], each["impact"], each["nodes"][0]["html"][:120]) for each in found]
        assert said == []
    context.close()


def test_the_screenshots_are_taken_where_they_are_asked_for(signed_in, chromium):
    """ALNUS_SCREENSHOTS names a folder: for a person to look at."""
    folder = os.environ.get("ALNUS_SCREENSHOTS")
    if not folder:
        pytest.skip("set ALNUS_SCREENSHOTS to a folder to have the pages' pictures")
    url, address, state = signed_in
    for look, options in LOOKS.items():
        context = chromium.new_context(storage_state=state, reduced_motion="reduce", **options)
        page = context.new_page()
        for name, one in {
            "case": address,
            "worklist": f"{url}/",
            "upload": f"{url}/upload",
            "admin": f"{url}/admin",
        }.items():
            page.goto(one)
            page.wait_for_timeout(500)
            page.screenshot(path=Path(folder) / f"{name}-{look}.png", full_page=True)
        context.close()
