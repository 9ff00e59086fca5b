"""Every word that a page shows has its Chinese; a language is chosen once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from reading_rooms import URL, Browser, opened
from starlette.testclient import TestClient

import alnus.serve
from alnus.serve import risk
from alnus.serve.languages import NAMES, chosen
from alnus.serve.pages.rendering import ADMIN_NAV, NAV, percent

SERVE = Path(alnus.serve.__file__).parent
OPTIONS = {"templates/**.html": {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true"}}
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


def messages() -> set:
    found = {message for _, _, message, _, _ in extract_from_dir(SERVE, METHODS, OPTIONS)}
    return found | {entry.label for entry in [*NAV, *ADMIN_NAV]}


def translated() -> dict[str, set]:
    """The messages that have a translation, by their catalogue."""
    found = {}
    for path in (SERVE / "locale" / "zh").glob("*.po"):
        with path.open("rb") as stream:
            found[path.name] = {entry.id for entry in read_po(stream) if entry.id and all(_texts(entry.string))}
    return found


def _texts(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def test_every_message_of_the_pages_is_translated():
    assert len(messages()) > 100
    assert messages() - set().union(*translated().values()) == set()


def test_no_translation_is_left_of_a_message_that_is_gone():
    reasons = {risk.NO_RUN, risk.OTHER_RUN, risk.NOT_STATED, risk.NO_INTERVAL, risk.NOT_REPRODUCED}
    left = {name: found - messages() - reasons for name, found in translated().items()}
    assert {name: found for name, found in left.items() if found} == {}


@pytest.mark.parametrize(
    ("cookie", "accepted", "kept", "language"),
    [
        (None, "", None, "en"),
        (None, "zh-CN,zh;q=0.9", None, "zh"),
        ("en", "zh-CN", None, "en"),
        (None, "fr, de", None, "en"),
        ("xx", "", "zh", "zh"),
    ],
)
def test_the_language_is_the_one_chosen_else_the_browsers_else_english(cookie, accepted, kept, language):
    assert chosen(cookie, accepted, kept) == language


def test_the_pages_speak_chinese_and_say_so(settings):
    _, app = opened(settings)
    admin = Browser(TestClient(app, base_url=URL))
    admin.sign_in()
    answer = admin.get("/language", params={"to": "zh", "next": "/upload"})
    assert 'lang="zh-Hans"' in answer.text
    assert "将文件或文件夹拖到这里" in answer.text
    assert "仅供研究使用。" in answer.text
    assert set(NAMES) == {"en", "zh"}


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "–"), (0.0, "<1%"), (0.004, "<1%"), (0.006, "1%"), (0.5, "50%"), (0.996, ">99%"), (1.0, ">99%")],
)
def test_a_risk_is_never_shown_as_none_or_certain(share, words):
    assert percent(share) == words
