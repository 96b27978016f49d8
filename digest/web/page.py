"""Our own pages: Jinja2 with autoescape, the assets that go with them, and the error pages.

Templates get values, never the request. Assets are read once and served under a path that holds
their hash, so that they are cached for ever and no request ever names a file. RFC 9110 §15.5–15.6
(status codes), §10.2.3 (Retry-After).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.datastructures import Headers as HeaderView
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest import languages
from digest.errors import DatabaseError, NotFoundError
from digest.languages import phrase
from digest.resources import templates
from digest.web.problem import for_programs, problem_at

log = structlog.get_logger(__name__)

FOR_EVER = "public, max-age=31536000, immutable"
NO_ROBOTS = {"x-robots-tag": "noindex, nofollow"}  # of what is for one person
RETRY_SECONDS = 30  # after a 503; short, as a mailbox provider that asks again finds us up
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_WORDS = {
    400: (phrase("That request could not be understood"), phrase("Go back and try again.")),
    404: (
        phrase("There is nothing here"),
        phrase("The address may be incomplete. Copy it whole from your mail."),
    ),
    405: (
        phrase("That is not possible here"),
        phrase("Open the page instead and use its buttons."),
    ),
    408: (phrase("The request took too long"), phrase("Try again.")),
    410: (
        phrase("This link has done its work"),
        phrase("Links like this one can be used once, and for some days."),
    ),
    413: (phrase("That was too much at once"), phrase("This page only needs a few words.")),
    429: (phrase("That was too often"), phrase("Wait some minutes, then try again.")),
    500: (
        phrase("Something went wrong on our side"),
        phrase("It has been written down. Try again in a while."),
    ),
    503: (
        phrase("We are out for a moment"),
        phrase("Nothing is lost. Please try again in a minute."),
    ),
}

_OTHER = (phrase("That did not work"), phrase("Go back and try again."))


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that goes with our pages."""

    data: bytes
    media_type: str
    digest: str


@cache
def assets() -> Mapping[str, Asset]:
    """Every asset by its name."""
    found: dict[str, Asset] = {}
    for path in sorted((templates() / "web" / "static").iterdir()):
        if path.suffix in _TYPES:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()[:12]
            found[path.name] = Asset(data, _TYPES[path.suffix], digest)
    return found


def asset_url(name: str) -> str:
    """The path under which the asset ``name`` is served, within the site."""
    return f"/static/{assets()[name].digest}/{name}"


async def asset(request: Request) -> Response:
    """Answer ``/static/<hash>/<name>``."""
    found = assets().get(request.path_params["name"])
    if found is None or found.digest != request.path_params["digest"]:
        raise HTTPException(404)
    headers = {"cache-control": FOR_EVER}
    return Response(found.data, media_type=found.media_type, headers=headers)


ASSET_ROUTE = Route("/static/{digest}/{name}", asset)


def page(
    template: str,
    values: Mapping[str, Any] | None = None,
    *,
    language: str = languages.SOURCE,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page ``template`` filled with ``values``, in a language there are words for."""
    text = template_text(template, language=language, **(values or {}))
    return HTMLResponse(text, status, headers=dict(headers or {}))


def template_text(template: str, **values: Any) -> str:
    """The HTML of ``template`` filled with ``values``; ``prefix`` stands before paths of ours."""
    language = str(values.get("language", languages.SOURCE))
    spoken = {"language": language, "direction": languages.direction_of(language)}
    return _environment(language).get_template(template).render({"prefix": "", **spoken, **values})


def language_for(request: Request, *wished: str | None) -> str:
    """The language of a page: what a form of ours asks for (``?lang=``), then the first of
    ``wished`` that there are words for, then what the browser prefers.
    """
    asked = request.query_params.get("lang")
    return languages.spoken(asked, *wished, *_preferred(request.scope))


def _preferred(scope: Scope) -> tuple[str, ...]:
    return languages.accepted(HeaderView(scope=scope).get("accept-language", ""))


def error_page(
    status: int,
    headers: Mapping[str, str] | None = None,
    *,
    prefix: str = "",
    language: str = languages.SOURCE,
) -> HTMLResponse:
    """The page that says what is wrong, the same bytes whatever was asked for."""
    title, advice = _WORDS.get(status, _OTHER)
    sent = _when_again(status, headers)
    values = {"status": status, "title": title, "advice": advice, "prefix": prefix}
    return page("error.html", values, status=status, headers=sent, language=language)


def _when_again(status: int, headers: Mapping[str, str] | None) -> dict[str, str]:
    retry = {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    return {**retry, **(headers or {})}


def _error(scope: Scope, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """What is wrong, as whoever asked can read it."""
    prefix = _prefix(scope)
    path = str(scope["path"]).removeprefix(prefix)
    if for_programs(path):
        return problem_at(path, status, _when_again(status, headers))
    language = languages.spoken(*_preferred(scope))
    return error_page(status, headers, prefix=prefix, language=language)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for an HTTPException raised by a route or by the router."""
    if not isinstance(error, HTTPException):
        raise error
    return _error(request.scope, error.status_code, error.headers)


def _prefix(scope: Scope) -> str:
    return str(scope.get("root_path", ""))


class Faults:
    """Turns whatever an application raises into a page, so that errors too are ours to look at.

    A database that is away is a 503 with Retry-After; anything unexpected is a 500 and a
    traceback in the log, which names the kind of page but not its path: that may be a token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except ClientDisconnect:
            return
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await _fault(scope, error)(scope, receive, send)


def _fault(scope: Scope, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _error(scope, error.status_code, error.headers)
    if isinstance(error, NotFoundError):
        return _error(scope, 404)
    kind = "/" + str(scope["path"]).removeprefix(_prefix(scope)).split("/")[1]
    if isinstance(error, DatabaseError):
        log.warning("a page found no database", page=kind, error=str(error))
        return _error(scope, 503)
    log.error("a page failed", page=kind, exc_info=error)
    return _error(scope, 500)


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates() / "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = languages.catalogue(language)
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.globals["asset"] = _asset
    environment.globals["own_name"] = languages.own_name
    environment.filters["day"] = partial(languages.day, language=language)
    environment.filters["number"] = partial(languages.number, language=language)
    return environment


@pass_context
def _asset(context: Context, name: str) -> str:
    return str(context["prefix"]) + asset_url(name)
