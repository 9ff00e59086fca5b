"""Why a request is refused: a page in the reader's language for a browser, JSON for a program."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from alnus.serve.pages.rendering import language_of, render
from alnus.serve.reasons import N_, told

TITLES = {
    400: N_("This cannot be done."),
    403: N_("You may not do this."),
    404: N_("There is no such page."),
    405: N_("This address shows no page."),
    409: N_("This cannot be done."),
    413: N_("This is larger than the room takes."),
    422: N_("This request cannot be used."),
    500: N_("Something went wrong in Alnus."),
}


def wants_page(request: Request) -> bool:
    """Tell a person's browser that goes to an address from a program or a page's script."""
    is_api = request.url.path.startswith("/api/")
    return not is_api and "text/html" in request.headers.get("accept", "")


def problem(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return why a request is refused. detail: one line in English."""
    if not wants_page(request):
        is_api = request.url.path.startswith("/api/")
        said = detail if is_api else told(language_of(request), detail)
        return JSONResponse({"detail": said}, status, headers)
    is_bare = detail == responses.get(status)  # the framework's own words, which say no more than the title
    values = {"title": TITLES.get(status, TITLES[400]), "detail": "" if is_bare else detail}
    answer = render(request, "problem.html", status, here="/", **values)
    answer.headers.update(headers or {})
    return answer


async def refused(request: Request, error: Exception) -> Response:
    """Answer what a route raised."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if "location" in headers:
        return RedirectResponse(headers["location"], error.status_code)
    return problem(request, error.status_code, str(error.detail), headers)


async def unusable(request: Request, error: Exception) -> Response:
    """Say what of a request cannot be used, without repeating it: it may be a password."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem(request, 422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


async def gone(request: Request, _: Exception) -> Response:
    """Say that pictures are not there (any more): their case was deleted while somebody looked at it."""
    return problem(request, 404, "its pictures are not there")
