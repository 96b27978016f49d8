"""``digest reader check``: addresses that are worth a look before the first send."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.options import Json, OfNewsletter
from digest.errors import DnsError
from digest.mail.lookups import takes_mail
from digest.net.dns import Resolver
from digest.rules.subscription import SubscriptionState
from digest.rules.suspects import Suspect, Suspicion, suspect
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.reader_list import ReaderRow, list_readers

SHOWN = 20  # of each kind, for people; JSON has them all
_AT_ONCE = 20  # questions to the name server


@dataclass(slots=True)
class _Domains:
    """Which domains take mail, asked once each."""

    resolver: Resolver
    takes: dict[str, bool | None] = field(default_factory=dict)  # None: nobody could tell

    async def ask(self, domains: Collection[str]) -> None:
        new = [domain for domain in domains if domain not in self.takes]
        for start in range(0, len(new), _AT_ONCE):
            await asyncio.gather(*map(self._ask, new[start : start + _AT_ONCE]))

    async def _ask(self, domain: str) -> None:
        try:
            self.takes[domain] = await self.resolver.answered(takes_mail(domain))
        except DnsError:
            self.takes[domain] = None


async def check(
    *, slug: OfNewsletter = None, check_domains: bool = False, as_json: Json = False
) -> int:
    """List active readers whose address looks wrong: typos, dead and throw-away domains, offices.

    Nothing is changed. With --json, one line per address.

    Parameters
    ----------
    check_domains
        Ask the DNS which domains take mail at all; without this, nothing is asked of the network.
    """
    counts: Counter[str] = Counter()
    shown: list[dict[str, object]] = []
    async with connected() as found:
        dns = found.settings.dns
        resolver = Resolver(dns.nameserver, timeout=dns.timeout)
        domains = _Domains(resolver) if check_domains else None
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        async for one in _suspects(found, newsletter, domains):
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
        _show(shown, counts)
    unknown = sum(takes is None for takes in domains.takes.values()) if domains else 0
    if unknown:
        output.note(f"Of {output.counted(unknown, 'domain')} nobody could tell; ask again later.")
    return 0


def _show(shown: list[dict[str, object]], counts: Counter[str]) -> None:
    shown.sort(key=lambda row: str(row["why"]))
    empty = "Nothing looks odd."
    output.rows(shown, as_json=False, columns=("why", "address", "advice"), empty=empty)
    if counts:
        told = ", ".join(f"{number:,} {why}" for why, number in sorted(counts.items()))
        output.note(f"In all: {told}. --json lists every one.")


async def _suspects(
    found: Connection, newsletter: Newsletter, domains: _Domains | None
) -> AsyncIterator[Suspect]:
    after = 0
    while True:
        async with found.db.read() as session:
            page = await list_readers(
                session, newsletter.id, state=SubscriptionState.ACTIVE, after=after
            )
        if not page:
            return
        after = page[-1].subscriber_id
        rows = [row for row in page if row.suppressed_at is None]
        if domains is not None:
            await domains.ask({_domain(row) for row in rows})
        for row in rows:
            one = suspect(row.address)
            if domains is not None and domains.takes[_domain(row)] is False:
                meant = f"; {one.advice} may be meant" if one and one.suspicion == "typo" else ""
                advice = f"no server takes mail for {_domain(row)}{meant}"
                one = Suspect(row.address, Suspicion.DEAD, advice)
            if one is not None:
                yield one


def _domain(row: ReaderRow) -> str:
    return row.address.rpartition("@")[2]
