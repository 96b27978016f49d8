"""``digest issue draft``: the issue file made of the links that were kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.files import write_text
from digest.cli.options import Json, OfNewsletter
from digest.collect.draft import draft_issue
from digest.collect.picking import pick
from digest.collect.upcoming import upcoming_issue
from digest.errors import ConflictError, RefusedError
from digest.store.newsletters import get_newsletter


async def draft(
    *,
    slug: OfNewsletter = None,
    number: int | None = None,
    title: str | None = None,
    on: Annotated[datetime | None, Parameter(name="--date")] = None,
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Write the next issue's file from the links that were kept and no issue has yet.

    Sponsors booked for its date stand at the end of the first section. Exit 1 where nothing is
    kept.

    Parameters
    ----------
    number
        Its number; one more than the last, when not given.
    title
        Its title.
    on
        Its date; that of the next send slot, when not given.
    out
        The file to write; issue-NUMBER.md, when not given. Nothing is ever overwritten.
    """
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        begun = await upcoming_issue(session, newsletter, now=found.clock.now())
        if number is not None:
            named = begun.title.replace(str(begun.number), str(number))
            begun = replace(begun, number=number, title=named)
        begun = replace(
            begun, title=title or begun.title, date=on.date() if on is not None else begun.date
        )
        picked = await pick(session, newsletter, begun)
    if not picked.items and not picked.sponsors:
        raise RefusedError(
            "Nothing is kept for the next issue.",
            fix="Run: digest link add URL, or keep some of digest link list.",
        )
    target = out or Path(f"issue-{begun.number}.md")
    if target.exists():
        raise ConflictError(
            "This file is there already.", where=str(target), fix="Name another: --out FILE."
        )
    zone = newsletter.timezone
    text = draft_issue(begun, picked.items, timezone=zone, sponsors=picked.sponsors)
    write_text(target, text)
    data = {
        "issue": begun.number,
        "items": len(picked.items),
        "sponsors": len(picked.sponsors),
        "out": target,
    }
    count = output.counted(len(picked.items), "item")
    told = f"{count} → {output.printable(target)}"
    output.result(data, as_json=as_json, text=told)
    return 0
