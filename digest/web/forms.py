"""What a form sent: names and values of a small body, urlencoded or multipart.

WHATWG URL §5.1 (urlencoded), RFC 7578 §4.2 (multipart). A file among them makes the body unusable.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest.web.security import BODY_LIMIT, read_body

FIELDS_MAX = 64
_URLENCODED = "application/x-www-form-urlencoded"


class Form:
    """The fields of a form; a name may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def one(self, name: str) -> str:
        """The first value of ``name`` without blanks around it, "" where there is none."""
        return next((value.strip() for key, value in self._pairs if key == name), "")

    def raw(self, name: str) -> str:
        """The first value of ``name`` as it was typed, blanks and all: a password, a text."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of ``name``."""
        return [value.strip() for key, value in self._pairs if key == name]


async def read_form(request: Request, *, limit: int = BODY_LIMIT) -> Form:
    """The form in the body of ``request``; 400 for what is none, 413 and 408 as ``read_body``."""
    body = await read_body(request, limit=limit)
    pairs = form_pairs(request.headers.get("content-type", ""), body)
    if pairs is None:
        raise HTTPException(400)
    return Form(pairs)


def form_pairs(
    content_type: str, body: bytes, *, encoding: str = "utf-8", most: int = FIELDS_MAX
) -> list[tuple[str, str]] | None:
    """Names and values in ``body``, in order; None for what is no form."""
    kind = content_type.partition(";")[0].strip().lower()
    if not content_type.isprintable():
        return None
    try:
        if kind in ("", _URLENCODED):
            text = body.decode(encoding).strip()
            return parse_qsl(
                text,
                keep_blank_values=True,
                max_num_fields=most,
                encoding=encoding,
                errors="strict",
            )
        if kind == "multipart/form-data":
            return _parts(content_type, body, encoding)
    except (ValueError, LookupError):  # not in that encoding, too many fields, an unknown charset
        return None
    return None


def _parts(content_type: str, body: bytes, encoding: str) -> list[tuple[str, str]] | None:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("ascii")
    message = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + body)
    if not message.is_multipart() or message.defects:
        return None
    found = []
    for part in message.iter_parts():
        name = part.get_param("name", "", header="content-disposition")
        value = part.get_payload(decode=True)
        if part.get_filename() is not None or not isinstance(value, bytes):
            return None
        found.append((str(name), value.decode(encoding).strip()))
        if len(found) > FIELDS_MAX:
            return None
    return found
