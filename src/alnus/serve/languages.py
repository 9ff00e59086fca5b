"""The languages that the pages speak: gettext catalogues of this package, compiled when they are first needed."""

from __future__ import annotations

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).with_name("locale")
NAMES = {"en": "English", "zh": "简体中文"}
"""Each language by its own name; English is what the sources hold."""
TAGS = {"en": "en", "zh": "zh-Hans"}
COOKIE = "alnus_language"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Return a language's words, from every catalogue in its folder: each part of the room has its own."""
    found = gettext.NullTranslations()
    for path in sorted((LOCALE / language).glob("*.po")):
        with path.open("rb") as stream:
            catalogue = read_po(stream, locale="zh_Hans_CN")
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        part = gettext.GNUTranslations(compiled)
        part.add_fallback(found)
        found = part
    return found


def chosen(cookie: str | None, accepted: str, kept: str | None = None) -> str:
    """Return the language to speak: what was chosen, what the account says, what the browser asks for, else English."""
    for wish in (cookie, kept, *(_accepted(accepted))):
        if wish in NAMES:
            return wish
    return "en"


def _accepted(header: str) -> list[str]:
    return [part.partition(";")[0].strip()[:2].lower() for part in header[:200].split(",")]
