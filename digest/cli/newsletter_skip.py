"""``digest newsletter skip``: holidays, on which nothing goes out and nobody is reminded."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, OfNewsletter
from digest.errors import InputError, NotFoundError
from digest.rules.slots import local_time, read_span
from digest.store.newsletters import get_newsletter
from digest.store.slots import add_break, breaks, remove_break


async def skip(
    span: Annotated[str, Parameter(name="FROM..TO")],
    /,
    *,
    slug: OfNewsletter = None,
    remove: bool = False,
    as_json: Json = False,
) -> int:
    """Send nothing on these days; the home page says so.

    Parameters
    ----------
    span
        The first and the last day: 2026-12-24..2027-01-02, or one day.
    remove
        Take it back.
    """
    first, last = read_span(span)
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        today = local_time(found.clock.now(), newsletter.timezone).date()
        if remove:
            if not await remove_break(session, newsletter.id, first, last):
                raise NotFoundError(
                    "There is no such break.",
                    where="FROM..TO",
                    fix=f"See: digest newsletter show {newsletter.slug}.",
                )
        elif last < today:
            raise InputError(f"{last} is over.", where="FROM..TO", fix="Name days to come.")
        else:
            await add_break(session, newsletter.id, first, last)
        rows = [
            f"{one.first}..{one.last}" for one in await breaks(session, newsletter.id, since=today)
        ]
    data = {"newsletter": newsletter.slug, "breaks": rows}
    text = f"Nothing goes out from {first} to {last}." if not remove else "It is no break any more."
    output.result(data, as_json=as_json, text=text)
    return 0
