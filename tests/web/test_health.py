"""Alive is not ready: what each check says, and when."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import text

from digest.errors import DatabaseError
from digest.mail.tokens import KeyRing
from digest.store.engines import parse_place
from digest.store.session import Database
from digest.web.app import Site, create_app
from tests.build import PUBLIC_URL
from tests.web.conftest import Installation


async def ask(site: Site, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(create_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        return await client.get(path)


async def test_an_installation_with_everything_is_ready(installation: Installation) -> None:
    answer = await ask(installation.site, "/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "failing": [],
        "checks": {"database": "ok", "migrations": "current", "relay": "ok"},
    }


async def test_without_a_relay_it_is_alive_and_says_relay(installation: Installation) -> None:
    site = replace(installation.site, relay_configured=False)
    assert (await ask(site, "/healthz")).status_code == 200
    answer = await ask(site, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["failing"] == ["relay"]
    assert "retry-after" in answer.headers


@pytest.mark.parametrize(
    ("change", "says", "failing"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "behind", ["migrations"]),
        ("DELETE FROM alembic_version", "empty", ["migrations"]),
        # Others have the new version already; until its turn comes, this process goes on.
        ("UPDATE alembic_version SET version_num = 'f00'", "newer", []),
    ],
)
async def test_tables_of_an_older_version_are_not_ready_and_those_of_a_newer_one_are(
    installation: Installation, change: str, says: str, failing: list[str]
) -> None:
    async with installation.site.db.begin() as session:
        await session.execute(text(change))
    answer = await ask(installation.site, "/readyz")
    assert answer.json()["checks"]["migrations"] == says
    assert answer.json()["failing"] == failing
    assert answer.status_code == (503 if failing else 200)


async def test_a_database_that_refused_a_write_is_not_ready_until_it_takes_one(
    installation: Installation,
) -> None:
    with pytest.raises(DatabaseError):
        async with installation.site.db.begin() as session:
            await session.execute(text("INSERT INTO nowhere VALUES (1)"))
    answer = await ask(installation.site, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["failing"] == ["database"]
    assert answer.json()["checks"]["migrations"] == "current"
    async with installation.site.db.begin():
        pass
    assert (await ask(installation.site, "/readyz")).status_code == 200


async def test_without_a_database_it_is_alive_and_says_database(keys: KeyRing) -> None:
    async with Database(parse_place("sqlite:////nowhere/at/all.db")) as db:
        site = Site(db, keys, PUBLIC_URL, relay_configured=True)
        assert (await ask(site, "/healthz")).json() == {"status": "alive"}
        answer = await ask(site, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["failing"] == ["database", "migrations"]
