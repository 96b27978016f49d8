"""What a form sent: names and values of a small body, urlencoded or multipart.

WHATWG URL §5.1 (urlencoded), RFC 7578 §4.2 (multipart). A file among them makes the body unusable,
but where one is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest.web.security import BODY_LIMIT, BODY_SECONDS, read_body

FIELDS_MAX = 64
_URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a form; ``name`` is what the browser calls it."""

    name: str
    data: bytes = field(repr=False)


class Form:
    """The fields of a form; a name may come several times. ``files`` are what was attached."""

    def __init__(self, pairs: list[tuple[str, str]], files: tuple[File, ...] = ()) -> None:
        self._pairs = pairs
        self.files = files

    def one(self, name: str) -> str:
        """The first value of ``name`` without blanks around it, "" where there is none."""
        return next((value.strip() for key, value in self._pairs if key == name), "")

    def raw(self, name: str) -> str:
        """The first value of ``name`` as it was typed, blanks and all: a password, a text."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of ``name``."""
        return [value.strip() for key, value in self._pairs if key == name]


async def read_form(
    request: Request,
    *,
    limit: int = BODY_LIMIT,
    seconds: float = BODY_SECONDS,
    files: bool = False,
) -> Form:
    """The form in the body of ``request``, with its ``files`` where it may have some; 400 for what
    is none, 413 and 408 as ``read_body``.
    """
    body = await read_body(request, limit=limit, seconds=seconds)
    content_type = request.headers.get("content-type", "")
    attached: list[File] | None = [] if files else None
    pairs = form_pairs(content_type, body, attached=attached)
    if pairs is None:
        raise HTTPException(400)
    return Form(pairs, tuple(attached or ()))


def form_pairs(
    content_type: str,
    body: bytes,
    *,
    encoding: str = "utf-8",
    most: int = FIELDS_MAX,
    attached: list[File] | None = None,
) -> list[tuple[str, str]] | None:
    """Names and values in ``body``, in order; None for what is no form. Files are put into
    ``attached``; without it they make the body unusable.
    """
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
            return _parts(content_type, body, encoding, attached)
    except (ValueError, LookupError):  # not in that encoding, too many fields, an unknown charset
        return None
    return None


def _parts(
    content_type: str, body: bytes, encoding: str, attached: list[File] | None
) -> list[tuple[str, str]] | None:
    boundary = _head(b"Content-Type: " + content_type.encode("ascii")).get_boundary()
    if not boundary:
        return None
    # By hand: the parser of mails takes seconds for megabytes that are full of line ends.
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("ascii"))
    if len(parts) < 2 or len(parts) > FIELDS_MAX + 1 or not parts.pop().startswith(b"--"):
        return None
    found = []
    for part in parts:
        fields, gap, value = part.partition(b"\r\n\r\n")
        head = _head(fields.removeprefix(b"\r\n"))
        if not gap or not fields.startswith(b"\r\n") or head.defects:
            return None
        name = str(head.get_param("name", "", header="content-disposition"))
        file = head.get_filename()
        if file is None:
            found.append((name, value.decode(encoding)))
        elif attached is None:
            return None
        elif file or value:  # a field for a file is sent also where none was chosen
            attached.append(File(file, value))
    return found


def _head(fields: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=HTTP).parsebytes(fields + b"\r\n\r\n", headersonly=True)
