from __future__ import annotations

import asyncio

from digest.store.destinations import DestinationMemo, destination_ids


async def test_a_domain_keeps_its_number(database):
    async with database.begin() as session:
        first = await destination_ids(session, ["example.org", "example.net"])
        again = await destination_ids(session, ["example.org", "example.com"])
    assert first["example.org"] == again["example.org"]
    assert len({*first.values(), *again.values()}) == 3


async def test_thousands_of_domains_are_numbered_at_once(database):
    domains = {f"d{number}.example.org" for number in range(2_500)}
    async with database.begin() as session:
        found = await destination_ids(session, domains)
        assert await destination_ids(session, domains) == found
    assert found.keys() == domains
    assert len(set(found.values())) == 2_500


async def test_a_domain_met_by_two_at_once_has_one_number(database):
    async def number() -> int:
        async with database.begin() as session:
            return (await destination_ids(session, ["example.org"]))["example.org"]

    assert len(set(await asyncio.gather(*(number() for _ in range(5))))) == 1


async def test_the_memo_knows_what_it_was_told(database):
    memo = DestinationMemo()
    async with database.begin() as session:
        first = dict(await memo.ids(session, {"example.org"}))
        assert (await memo.ids(session, {"example.org", "example.net"}))["example.org"] == (
            first["example.org"]
        )
