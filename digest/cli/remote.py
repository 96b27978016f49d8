"""Commands that work on an installation elsewhere: ``DIGEST_SERVER`` and ``DIGEST_TOKEN``.

For editors without a shell on the server, and for the CI of their repository. The server is asked
by its API; what comes of it is printed as the command prints it at home. A token is shown to the
server it is for and to nobody else: over TLS or on loopback, and no redirect is followed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from digest import __version__
from digest.content.media import Media
from digest.content.picture_names import PICTURE_URL
from digest.errors import (
    ConflictError,
    DatabaseError,
    DigestError,
    InputError,
    NotFoundError,
    RefusedError,
    SettingsError,
)
from digest.settings import is_loopback

SERVER, TOKEN = "DIGEST_SERVER", "DIGEST_TOKEN"
_PATIENCE = 60.0  # seconds
_KINDS: Mapping[int, type[DigestError]] = {
    403: RefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: InputError,
    422: InputError,
}


@dataclass(frozen=True, slots=True)
class Server:
    """An installation elsewhere. Its ``repr`` has no token."""

    url: str
    token: str = field(repr=False)

    async def get(self, path: str) -> Any:
        """What the API answers; DigestError with its words."""
        return await self._call("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The same, for what is to be done."""
        return await self._call("POST", path, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """The same, for what is to be changed."""
        return await self._call("PATCH", path, body)

    async def picture(self, url: str) -> bytes:
        """The picture of an issue; whatever host ``url`` names, this server is asked.

        Raises InputError where what comes is not the picture that the URL names.
        """
        named = PICTURE_URL.search(url)
        if named is None:
            raise InputError("This is no picture of an issue.", where=url)
        answer = await self._send("GET", f"/media/{named['name']}", None, {})
        data = answer.content
        if not answer.is_success or hashlib.sha256(data).hexdigest() != named["sha"]:
            raise InputError("The server does not have this picture.", where=url)
        return data

    async def newsletter(self, slug: str | None) -> str:
        """The path of the newsletter called ``slug``, or of the only one there is."""
        if slug is None:
            found = [one["newsletter"] for one in (await self.get("/newsletters"))["items"]]
            if len(found) != 1:
                names = ", ".join(found) or "none"
                raise NotFoundError(
                    "Say which newsletter.", where="--newsletter", fix=f"There are: {names}."
                )
            slug = found[0]
        return f"/newsletters/{quote(slug, safe='')}"

    async def issue(self, slug: str | None, name: str) -> str:
        """The path of an issue."""
        return f"{await self.newsletter(slug)}/issues/{quote(name.removeprefix('#'), safe='')}"

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        answer = await self._send(method, f"/api/v1{path}", body, headers)
        try:
            said = json.loads(answer.content, object_hook=_with_moments)
        except ValueError:
            said = None
        if answer.is_success and said is not None:
            return said
        raise _refusal(answer.status_code, said if isinstance(said, dict) else {})

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]
    ) -> httpx2.Response:
        headers = {"user-agent": f"digest/{__version__}", **headers}
        try:
            async with httpx2.AsyncClient(timeout=_PATIENCE, headers=headers) as client:
                return await client.request(method, self.url + path, json=body)
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise DatabaseError(f"The server does not answer: {reason}.", where=SERVER) from None


def server() -> Server | None:
    """The server the environment names; None where commands work here. SettingsError."""
    url = os.environ.get(SERVER, "").strip().rstrip("/")
    if not url:
        return None
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    if not safe or not parts.hostname:
        raise SettingsError(
            "The server needs an https:// address.",
            where=SERVER,
            fix="Write the public URL of the installation, like https://news.example.org.",
        )
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise SettingsError(
            "The server asks for a key.",
            where=TOKEN,
            fix="Made there by: digest api-key create NAME --scope issues:read issues:write",
        )
    return Server(url, token)


def text_of(text: str, path: str, pictures: Mapping[str, Media]) -> dict[str, Any]:
    """An issue file with its pictures, as the API takes it."""
    encoded = {name: base64.b64encode(one.data).decode() for name, one in pictures.items()}
    return {"text": text, "path": Path(path).name, "pictures": encoded}


def _with_moments(found: dict[str, Any]) -> dict[str, Any]:
    """What the API says as the commands know it: ``*_at`` is a time, ``until`` one or a day."""
    for name, value in found.items():
        moment = name.endswith("_at") or (name == "until" and "T" in str(value))
        if moment and isinstance(value, str):
            found[name] = datetime.fromisoformat(value)
    return found


def _refusal(status: int, said: Mapping[str, Any]) -> DigestError:
    if status == 401:
        return SettingsError(
            "The server does not know this key.",
            where=TOKEN,
            fix="It may be revoked or over: digest api-key list, on the server.",
        )
    detail = " ".join(str(one.get("detail", "")) for one in said.get("errors", ())[:5])
    message = detail or str(said.get("detail") or f"The server answers {status}.")
    kind = RefusedError if said.get("refused") else _KINDS.get(status, DatabaseError)
    return kind(message, where=SERVER)


# Which version a text at hand is made of, as far as this machine has seen.


def based_on(place: Server, path: str) -> str | None:
    """The hash of the version that was pulled or added last from here."""
    found = _remembered().get(f"{place.url}{path}")
    return found if isinstance(found, str) else None


def remember(place: Server, path: str, hash_: str) -> None:
    """Note the version that a text at hand is; where that cannot be noted, nothing is lost."""
    known = _remembered() | {f"{place.url}{path}": hash_}
    with suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        _file().write_text(json.dumps(known), encoding="utf-8")


def _remembered() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _file() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "digest" / "versions.json"
