"""``digest reader check``: addresses that are worth a look before the first send."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.options import Json, OfNewsletter
from digest.rules.subscription import SubscriptionState
from digest.rules.suspects import Suspect, suspect
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.reader_list import list_readers

SHOWN = 20  # of each kind, for people; JSON has them all


async def check(*, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """List active readers whose address looks wrong: typos, dead and throw-away domains, offices.

    Nothing is changed, and nothing is asked of the network. With --json, one line per address.
    """
    counts: Counter[str] = Counter()
    shown: list[dict[str, object]] = []
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        async for one in _suspects(found, newsletter):
            row: dict[str, object] = {
                "address": one.address,
                "why": one.suspicion,
                "advice": one.advice,
            }
            counts[one.suspicion] += 1
            if as_json:
                output.rows([row], as_json=True, columns=())
            elif counts[one.suspicion] <= SHOWN:
                shown.append(row)
    if not as_json:
        shown.sort(key=lambda row: str(row["why"]))
        empty = "Nothing looks odd."
        output.rows(shown, as_json=False, columns=("why", "address", "advice"), empty=empty)
        if counts:
            told = ", ".join(f"{number:,} {why}" for why, number in sorted(counts.items()))
            output.note(f"In all: {told}. --json lists every one.")
    return 0


async def _suspects(found: Connection, newsletter: Newsletter) -> AsyncIterator[Suspect]:
    after = 0
    while True:
        async with found.db.read() as session:
            page = await list_readers(
                session, newsletter.id, state=SubscriptionState.ACTIVE, after=after
            )
        if not page:
            return
        after = page[-1].subscriber_id
        for row in page:
            one = suspect(row.address) if row.suppressed_at is None else None
            if one is not None:
                yield one
