"""Templates into answers: escaped, in the reader's language, with who is signed in and what stands on every page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from alnus import __version__
from alnus.serve.access.sessions import Person
from alnus.serve.languages import COOKIE, NAMES, TAGS, chosen, translations
from alnus.serve.reasons import shown
from alnus.serve.room import Room

TEMPLATES = Path(__file__).parents[1] / "templates"
UNKNOWN = "–"


@dataclass(frozen=True)
class NavEntry:
    """A link in the head of every page. label: English, translated when shown."""

    path: str
    label: str
    for_admins: bool = False


NAV: list[NavEntry] = [NavEntry("/", "Worklist"), NavEntry("/readings", "My readings"), NavEntry("/upload", "Upload")]
ADMIN_NAV: list[NavEntry] = [
    NavEntry("/admin", "Administration", for_admins=True),
    NavEntry("/admin/studies", "Reader studies", for_admins=True),
    NavEntry("/admin/node", "DICOM", for_admins=True),
]


def render(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page. values: what the template needs beside `person`, `language`, `nav` and `_`.

    here: of an answer to a form, the address at which the page can be had again.
    """
    return HTMLResponse(rendered(request, template, **values), status)


def rendered(request: Request, template: str, **values: Any) -> str:
    """Return a template's text for who asks."""
    language = language_of(request)
    person, room = person_or_none(request), room_of(request)
    common = {
        "person": person,
        "language": language,
        "tag": TAGS[language],
        "languages": NAMES,
        "here": _address(request),
        "section": _section(request.url.path),
        "version": __version__,
        "is_phantom_room": any(model.card.phantom for model in room.models),
        "nav": [one for one in [*NAV, *ADMIN_NAV] if person and (person.is_admin or not one.for_admins)],
        "csrf": "" if person is None else person.csrf,
    }
    return environment(language).get_template(template).render(common | values)


@cache
def environment(language: str) -> Environment:
    """Return the templates' environment in a language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    made.filters |= {"moment": moment, "percent": percent, "say": translations(language).gettext}
    made.filters["reason"] = partial(shown, language)
    return made


def _address(request: Request) -> str:
    """Return where a page is shown again: its address with what was asked for. Of an answer to a form, see `here`."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _section(path: str) -> str:
    """Return the path of the entry of the head that a page belongs to, "" for none."""
    paths = sorted((entry.path for entry in [*NAV, *ADMIN_NAV]), key=len, reverse=True)
    return next((one for one in paths if path == one or (one != "/" and path.startswith(f"{one}/"))), "")


def words(request: Request) -> Callable[[str], str]:
    """Return the function that translates into the language of who asks."""
    return translations(language_of(request)).gettext


def language_of(request: Request) -> str:
    """Return the language of who asks."""
    person = person_or_none(request)
    kept = None if person is None else person.language
    return chosen(request.cookies.get(COOKIE), request.headers.get("accept-language", ""), kept)


def person_of(request: Request) -> Person:
    """Return who asks; the gate lets nobody pass to a closed route of whom it knows nothing."""
    person: Person = request.state.person
    return person


def person_or_none(request: Request) -> Person | None:
    """Return who asks, None on an open page."""
    person: Person | None = request.state.person
    return person


def room_of(request: Request) -> Room:
    """Return the room that is asked."""
    room: Room = request.state.room
    return room


def moment(seconds: float) -> str:
    """Return a time as a browser's script will show it in its own zone: ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def percent(share: float | None) -> str:
    """Return a share in percent without decimals; the ends say "<1%" and ">99%", never 0 or 100."""
    if share is None:
        return UNKNOWN
    if share < 0.005:
        return "<1%"
    return ">99%" if share > 0.995 else f"{100 * share:.0f}%"
