"""``digest newsletter welcome``: what a reader gets right after confirming."""

from __future__ import annotations

from pathlib import Path

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.issue_publish import read_issue
from digest.cli.options import Json
from digest.delivery.welcome import stop_welcome, store_welcome
from digest.errors import InputError
from digest.store.newsletters import get_newsletter


async def welcome(
    newsletter: str, file: Path | None = None, /, *, off: bool = False, as_json: Json = False
) -> int:
    """Mail FILE to every reader who has just confirmed, from now on.

    It is written as an issue, with `slug: welcome` in place of a number, and looks like one; it is
    in no archive. Its sender and address are those of now: set it again when they change.

    Parameters
    ----------
    newsletter
        Whose readers are greeted.
    file
        An issue file.
    off
        Greet nobody any more.
    """
    if (file is None) != off:
        raise InputError("Name a file, or say --off.", where="FILE")
    written = None if file is None else read_issue(file)
    async with connected() as found:
        async with found.db.read() as session:
            mine = await get_newsletter(session, newsletter)
        prepared = None
        if written is not None:
            prepared = written.prepared(mine, found.settings, page=False)
        async with found.db.begin() as session:
            if prepared is None:
                await stop_welcome(session, mine)
                data: dict[str, object] = {"newsletter": mine.slug, "welcome": None}
            else:
                stored = await store_welcome(session, mine, prepared, now=found.clock.now())
                data = {"newsletter": mine.slug, "welcome": stored.issue.name}
                data["hash"] = stored.version.hash
    text = "Nobody is greeted any more." if prepared is None else "Who confirms, gets it."
    output.result(data, as_json=as_json, text=text)
    return 0
