"""Errors as programs read them: ``application/problem+json`` (RFC 9457).

Whatever answers a program says so by its path, so that also what no route answers (no such path,
a body too large, a database that is away) comes in the form the program can read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

API = "/api"
MEDIA_TYPE = "application/problem+json"

# Titles are the phrases of RFC 9110 §15 and RFC 6585 §4, as RFC 9457 §4.2.1 wants for about:blank.
WORDS = {
    400: ("Bad Request", "The body is no JSON."),
    401: ("Unauthorized", "Show a key: Authorization: Bearer dgk_…"),
    403: ("Forbidden", "This key has no scope for that."),
    404: ("Not Found", "There is nothing by that name."),
    405: ("Method Not Allowed", "Another method is needed here; the header Allow names them."),
    408: ("Request Timeout", "The body took too long to come."),
    409: ("Conflict", "That does not fit to what there is."),
    413: ("Content Too Large", "The body is too large."),
    415: ("Unsupported Media Type", "Send application/json."),
    422: ("Unprocessable Content", "Something in the request cannot be used."),
    429: ("Too Many Requests", "Wait for as long as the header Retry-After says."),
    500: ("Internal Server Error", "The fault is ours, and has been written down."),
    503: ("Service Unavailable", "Nothing has changed. Try again in a moment."),
}

# Any site may ask the open door of the sign-up, and must be able to read why it was not let in.
ANYWHERE = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "content-type",
    "access-control-max-age": "86400",
    "cross-origin-resource-policy": "cross-origin",
}


def for_programs(path: str) -> bool:
    """Whether whoever asks for ``path``, within our site, is a program."""
    return path == API or path.startswith(f"{API}/") or _open_door(path)


def _open_door(path: str) -> bool:
    return path.startswith("/n/") and path.endswith("/subscribe.json")


def problem(
    status: int,
    detail: str = "",
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    refused: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for an error. ``errors`` names fields: a JSON pointer, and what is wrong;
    ``refused``: all was understood, and the answer is no.
    """
    title, usual = WORDS.get(status, ("Error", "That did not work."))
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    body["detail"] = detail or usual
    if errors:
        body["errors"] = list(errors)
    if refused:
        body["refused"] = True
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_at(path: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error at ``path`` that no handler answered."""
    open_door = ANYWHERE if _open_door(path) else {}
    return problem(status, headers={**(headers or {}), **open_door})
