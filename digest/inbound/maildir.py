"""A Maildir that an MTA delivers into: read when something is new, and emptied behind us.

A mail is moved from ``new`` to ``cur`` only when what it says is committed, with the flag S (seen);
what is not about us, or could not be read, is flagged F, so that a person finds it. A crash in
between means it is read twice, which changes nothing. D. J. Bernstein's maildir: names appear in
``new`` by a rename, so whatever is there is whole.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from digest.audience.feedback import FeedbackDesk
from digest.errors import InputError
from digest.inbound.mails import Intake, take_mail
from digest.mail.mime import READ_MAX

log = structlog.get_logger(__name__)

LOOK = 2.0  # seconds between two looks


async def take_maildir(desk: FeedbackDesk, folder: Path) -> list[Intake]:
    """Take in every new mail of ``folder``; InputError where that is no Maildir."""
    fresh, read = folder / "new", folder / "cur"
    if not (fresh.is_dir() and read.is_dir()):
        raise InputError(
            "This is no Maildir.", where=str(folder), fix="It needs the folders new, cur and tmp."
        )
    taken: list[Intake] = []
    for path in sorted(fresh.iterdir()):
        data = _read(path)
        if data is None:
            continue
        found = await take_mail(desk, data, source="maildir")
        flag = "S" if all(one.known for one in found) else "F"
        path.rename(read / f"{path.name.partition(':')[0]}:2,{flag}")
        taken += found
    return taken


async def watch_maildir(desk: FeedbackDesk, folder: Path) -> None:
    """Take in what comes, until cancelled."""
    while True:
        try:
            await take_maildir(desk, folder)
        except Exception:  # a full disk or a database that is away: the mails stay where they are
            log.exception("a Maildir could not be read", folder=str(folder))
        await asyncio.sleep(LOOK)


def _read(path: Path) -> bytes | None:
    """What is read of a mail; None where somebody else took it."""
    try:
        with path.open("rb") as file:
            return file.read(2 * READ_MAX)
    except FileNotFoundError:
        return None
