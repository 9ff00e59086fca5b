"""Every word that a page shows has its Chinese; a language is chosen once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import alnus.serve
from alnus.serve import risk
from alnus.serve.languages import NAMES, chosen, translations
from alnus.serve.pages.rendering import ADMIN_NAV, NAV, percent

SERVE = Path(alnus.serve.__file__).parent
OPTIONS = {"templates/**.html": {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true"}}
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


def messages() -> set:
    found = {message for _, _, message, _, _ in extract_from_dir(SERVE, METHODS, OPTIONS)}
    return found | {entry.label for entry in [*NAV, *ADMIN_NAV]}


def test_every_message_of_the_pages_is_translated():
    words = translations("zh")
    assert len(messages()) > 100
    missing = []
    for message in messages():
        one, several = message if isinstance(message, tuple) else (message, None)
        said = words.gettext(one) if several is None else words.ngettext(one, several, 2)
        if said in (one, several):
            missing.append(message)
    assert missing == []


def test_no_translation_is_left_of_a_message_that_is_gone():
    reasons = {risk.NO_RUN, risk.OTHER_RUN, risk.NOT_STATED, risk.NO_INTERVAL, risk.NOT_REPRODUCED}
    known = {one for message in messages() for one in (message if isinstance(message, tuple) else (message,))} | reasons
    for path in (SERVE / "locale" / "zh").glob("*.po"):
        with path.open("rb") as stream:
            for entry in read_po(stream):
                ids = entry.id if isinstance(entry.id, tuple) else (entry.id,)
                assert set(ids) <= known | {""}, (path.name, ids)


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


def test_the_pages_speak_chinese_and_say_so(browser):
    _, admin = browser
    answer = admin.get("/language", params={"to": "zh", "next": "/upload"})
    assert 'lang="zh-Hans"' in answer.text
    assert "将文件拖到这里" in answer.text
    assert "仅供研究使用。" in answer.text
    assert set(NAMES) == {"en", "zh"}


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "–"), (0.0, "<1%"), (0.004, "<1%"), (0.006, "1%"), (0.5, "50%"), (0.996, ">99%"), (1.0, ">99%")],
)
def test_a_risk_is_never_shown_as_none_or_certain(share, words):
    assert percent(share) == words
