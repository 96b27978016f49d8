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
from digest.collect.automatic import automatic_issue
from digest.collect.draft import draft_issue
from digest.collect.picking import Picked, pick
from digest.collect.upcoming import upcoming_issue
from digest.content.issue_format import Beginning
from digest.errors import ConflictError, RefusedError
from digest.rules.automatic import AutomaticPolicy
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.session import Session


async def draft(
    *,
    slug: OfNewsletter = None,
    number: int | None = None,
    title: str | None = None,
    on: Annotated[datetime | None, Parameter(name="--date")] = None,
    out: Path | None = None,
    automatic: bool = False,
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
    automatic
        As the newsletter would make it by itself now: also of links that wait, and not too many of
        one source. Number, title and date are its own.
    """
    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        now = found.clock.now()
        begun = await upcoming_issue(session, newsletter, now=now)
        if automatic:
            picked = await _automatic(session, newsletter, now)
        else:
            begun = _named(begun, number=number, title=title, on=on)
            picked = await pick(session, newsletter, begun)
    if not picked.items and not picked.sponsors:
        raise RefusedError(
            "There is too little for an issue." if automatic else "Nothing is kept for an issue.",
            fix="Run: digest link add URL, or keep some of digest link list.",
        )
    target = out or Path(f"issue-{begun.number}.md")
    if target.exists():
        raise ConflictError(
            "This file is there already.", where=str(target), fix="Name another: --out FILE."
        )
    zone, sponsors = newsletter.timezone, picked.sponsors
    write_text(target, draft_issue(begun, picked.items, timezone=zone, sponsors=sponsors))
    data = {
        "issue": begun.number,
        "items": len(picked.items),
        "sponsors": len(picked.sponsors),
        "out": target,
    }
    told = f"{output.counted(len(picked.items), 'item')} → {output.printable(target)}"
    output.result(data, as_json=as_json, text=told)
    return 0


async def _automatic(session: Session, newsletter: Newsletter, now: datetime) -> Picked:
    policy = AutomaticPolicy.of(newsletter.settings) or AutomaticPolicy()
    made = await automatic_issue(session, newsletter, policy, now=now)
    return made.picked if made else Picked((), ())


def _named(
    begun: Beginning, *, number: int | None, title: str | None, on: datetime | None
) -> Beginning:
    """The next issue with what the command line says of it."""
    if number is not None:
        named = begun.title.replace(str(begun.number), str(number))
        begun = replace(begun, number=number, title=named)
    return replace(begun, title=title or begun.title, date=on.date() if on else begun.date)
