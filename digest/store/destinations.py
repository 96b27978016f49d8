"""Recipients' domains, each a row with a number: what brakes and pauses go by."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from digest.rules.providers import provider_of
from digest.store import schema
from digest.store.session import Session
from digest.store.types import insert

_AT_ONCE = 1_000  # names in one statement; both databases take ten times as many
_REMEMBERED = 100_000

_t = schema.destinations


async def destination_ids(session: Session, domains: Collection[str]) -> dict[str, int]:
    """The ids of ``domains`` (A-labels, lower case); rows that are missing are made."""
    found: dict[str, int] = {}
    # Sorted: two imports that meet new domains lock them in the same order.
    ordered = sorted(set(domains))
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        found |= await _look_up(session, part)
        new = [
            {"domain": domain, "provider": provider_of(domain)}
            for domain in part
            if domain not in found
        ]
        if new:
            await session.execute(insert(_t).values(new).on_conflict_do_nothing())
            found |= await _look_up(session, [domain for domain in part if domain not in found])
    return found


async def _look_up(session: Session, domains: list[str]) -> dict[str, int]:
    query = select(_t.c.domain, _t.c.id).where(_t.c.domain.in_(domains))
    rows: Any = await session.execute(query)
    return dict(rows.all())


class DestinationMemo:
    """Remembers ids through an import: a list of a million readers has few domains, mostly."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    async def ids(self, session: Session, domains: Collection[str]) -> dict[str, int]:
        """The ids of ``domains``, asking only for those not met lately."""
        new = {domain for domain in domains if domain not in self._known}
        if len(self._known) + len(new) > _REMEMBERED:
            self._known.clear()
            new = set(domains)
        if new:
            self._known |= await destination_ids(session, new)
        return self._known
