r"""A mailbox on an IMAP server: taken in when it is opened, then as mail arrives (IDLE).

RFC 3501, RFC 2177. A mail is marked ``\Seen`` only when what it says is committed; what is not
about us stays unread and gets ``\Flagged``, so that a person finds it, and nothing is ever
deleted. Only the beginning of a mail is fetched. Passwords are sent over TLS, or on loopback.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from digest.audience.feedback import FeedbackDesk
from digest.errors import SettingsError
from digest.inbound.mails import Intake, take_mail
from digest.mail.mime import READ_MAX
from digest.settings import is_loopback

log = structlog.get_logger(__name__)

SETTING = "DIGEST_INBOUND__IMAP"
IDLE_SECONDS = 10 * 60  # a server may end an idle connection after 30 minutes (RFC 2177 §3)
AGAIN = 30.0  # seconds until a lost connection is tried again
_ANSWER = 60.0  # seconds a server may take
_LOOK = 1.0  # seconds between two looks for one mail


@dataclass(frozen=True, slots=True)
class ImapPlace:
    """A mailbox: where it is and how we get in. Its ``repr`` has no password."""

    host: str
    port: int
    tls: bool
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"


def parse_imap(url: str, *, where: str = SETTING) -> ImapPlace:
    """Read ``imaps://user:password@host:993/INBOX``, which stands ``where``; SettingsError, which
    never repeats it.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("imap", "imaps") or not parts.hostname or port == -1:
        raise _wrong("This is no address of a mailbox.", where)
    tls = parts.scheme == "imaps"
    if not tls and not is_loopback(parts.hostname):
        raise _wrong("A password would be sent in clear text.", where)
    return ImapPlace(
        host=parts.hostname,
        port=port or (993 if tls else 143),
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        folder=unquote(parts.path.strip("/")) or "INBOX",
    )


async def find_mail(place: ImapPlace, message_id: str, *, patience: float) -> bytes | None:
    """The beginning of the mail in whose Message-ID these characters stand, once it has arrived;
    None when it has not within ``patience`` seconds. Nothing is marked.
    """
    async with _opened(place) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while (data := await _found(client, message_id)) is None:
                    await asyncio.sleep(_LOOK)
                    _check(await client.noop(), "a look")  # else it may not see what is new
                return data
    return None


async def _found(client: Any, message_id: str) -> bytes | None:
    found = await client.uid_search(f'HEADER "Message-ID" "{message_id}"', charset=None)
    _check(found, "a search")
    for number in found.lines[0].split() if found.lines else ():
        if number.isdigit() and (data := await _fetch(client, number.decode("ascii"))):
            return data
    return None


async def take_imap(desk: FeedbackDesk, place: ImapPlace) -> list[Intake]:
    """Take in every unread mail of the mailbox, once."""
    async with _opened(place) as client:
        return await _take(desk, client)


async def watch_imap(desk: FeedbackDesk, place: ImapPlace) -> None:
    """Take in what is there and what comes, until cancelled; a lost connection is made again."""
    while True:
        try:
            async with _opened(place) as client:
                while True:
                    await _take(desk, client)
                    await _idle(client)
        except Exception:  # whatever it was, the mails are still there
            log.exception("the mailbox is away", host=place.host)
        await asyncio.sleep(AGAIN)


@asynccontextmanager
async def _opened(place: ImapPlace) -> AsyncIterator[Any]:
    try:
        import aioimaplib
    except ImportError:
        raise SettingsError(
            "Reading a mailbox needs a package that is not installed.",
            where=SETTING,
            fix="Install digest with its extra: pip install 'digest[imap]'.",
        ) from None
    if place.tls:
        context = ssl.create_default_context()
        client = aioimaplib.IMAP4_SSL(place.host, place.port, timeout=_ANSWER, ssl_context=context)
    else:
        client = aioimaplib.IMAP4(place.host, place.port, timeout=_ANSWER)
    try:
        await client.wait_hello_from_server()
        _check(await client.login(place.user, place.password), "the login")
        _check(await client.select(f'"{place.folder}"'), "opening the folder")
        yield client
    finally:
        with suppress(Exception):
            await asyncio.wait_for(client.logout(), 5)


async def _take(desk: FeedbackDesk, client: Any) -> list[Intake]:
    found = await client.uid_search("UNSEEN UNFLAGGED", charset=None)
    _check(found, "a search")
    numbers = found.lines[0].split() if found.lines else []
    taken: list[Intake] = []
    for number in numbers:
        if not number.isdigit():
            continue
        uid = number.decode("ascii")
        data = await _fetch(client, uid)
        if data is None:
            continue
        read = await take_mail(desk, data, source="imap")
        flag = r"(\Seen)" if all(one.known for one in read) else r"(\Flagged)"
        _check(await client.uid("store", uid, "+FLAGS.SILENT", flag), "setting a flag")
        taken += read
    return taken


async def _fetch(client: Any, uid: str) -> bytes | None:
    """The beginning of a mail; None where it is gone."""
    answer = await client.uid("fetch", uid, f"(BODY.PEEK[]<0.{2 * READ_MAX}>)")
    _check(answer, "reading a mail")
    return next((bytes(one) for one in answer.lines if isinstance(one, bytearray)), None)


async def _idle(client: Any) -> None:
    """Return when the server says that something is new, or after a while."""
    waiting = await client.idle_start(timeout=IDLE_SECONDS)
    try:
        while client.has_pending_idle():
            pushed = await client.wait_server_push(timeout=IDLE_SECONDS)
            if isinstance(pushed, str) or any(b"EXISTS" in line for line in pushed):
                break
    except TimeoutError:
        pass
    finally:
        client.idle_done()
        await asyncio.wait_for(waiting, _ANSWER)


def _check(answer: Any, what: str) -> None:
    if answer.result != "OK":
        raise SettingsError(f"The mail server refused {what}.", where=SETTING)


def _wrong(message: str, where: str) -> SettingsError:
    return SettingsError(
        message, where=where, fix="Write it like imaps://user:password@mail.example.org/INBOX."
    )
