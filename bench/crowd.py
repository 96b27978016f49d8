"""Millions of readers in PostgreSQL within minutes: written by the database, not imported."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from bench.letters import NEWSLETTER
from digest.clock import Clock
from digest.store.newsletters import create_newsletter
from digest.store.session import Database

_DOMAINS = 1_000
_STATEMENTS = (
    """
    INSERT INTO destinations (domain) SELECT 'mail' || n || '.example.com'
    FROM generate_series(0, :domains - 1) AS n ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO subscribers (address, address_key, name, destination_id, created_at)
    SELECT local || '@' || domain, local || '@' || domain, 'Reader ' || n, destinations.id, :now
    FROM (SELECT n, 'reader.' || n AS local, 'mail' || n % :domains || '.example.com' AS domain
        FROM generate_series(1, :readers) AS n) AS made
    JOIN destinations USING (domain) ORDER BY n
    """,
    """
    INSERT INTO subscriptions (subscriber_id, newsletter_id, state, created_at, confirmed_at)
    SELECT id, :newsletter, 'active', :now, :now FROM subscribers ORDER BY id
    """,
)
_AFTERWARDS = ("VACUUM ANALYZE subscribers", "VACUUM ANALYZE subscriptions", "CHECKPOINT")


def make_crowd(url: str, slug: str, readers: int) -> None:
    """A newsletter that everybody in an empty database reads: so many active readers."""
    asyncio.run(_make_crowd(url, slug, readers))


async def _make_crowd(url: str, slug: str, readers: int) -> None:
    now = Clock().now()
    async with await Database.open(url) as db:
        async with db.begin() as session:
            newsletter = await create_newsletter(session, slug, now=now, **NEWSLETTER)  # type: ignore[arg-type]  # fields of a newsletter
            given: dict[str, object] = {
                "domains": _DOMAINS,
                "readers": readers,
                "newsletter": newsletter.id,
                "now": now,
            }
            for statement in _STATEMENTS:
                wanted = {name: value for name, value in given.items() if f":{name}" in statement}
                await session.execute(text(statement), wanted)
        alone = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as session:
            for statement in _AFTERWARDS:
                await session.execute(text(statement))
