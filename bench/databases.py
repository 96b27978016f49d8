"""Databases to measure on: a SQLite file and a PostgreSQL server that writes to the disk."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digest.store.newsletters import Newsletter, create_newsletter, list_newsletters
from digest.store.session import Database, upgrade
from tests.build import NOW
from tests.fakes.postgres import PostgresServer, find_binaries


@contextmanager
def fresh_databases() -> Iterator[dict[str, str]]:
    """The URLs of empty databases with all tables, by kind; PostgreSQL where its binaries are."""
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        urls = {"sqlite": f"sqlite:///{Path(folder) / 'bench.db'}"}
        binaries = find_binaries()
        if binaries is None:
            asyncio.run(_upgrade(urls))
            yield urls
            return
        with PostgresServer(binaries, durable=True) as server:
            server.create_database("bench")
            urls["postgresql"] = server.url("bench")
            asyncio.run(_upgrade(urls))
            yield urls


async def the_newsletter(db: Database) -> Newsletter:
    """The only newsletter; made where there is none."""
    async with db.begin() as session:
        found = await list_newsletters(session)
        return (
            found[0]
            if found
            else await create_newsletter(
                session,
                "bench",
                now=NOW,
                name="Bench",
                from_address="hello@news.example.org",
                return_path="b-{token}@bounces.example.org",
            )
        )


async def _upgrade(urls: dict[str, str]) -> None:
    for url in urls.values():
        await upgrade(url)
