"""What the other tests rely on: each gets a database of PostgreSQL that is as new."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.postgres_pool import DatabasePool


def _connect(url: str) -> Any:
    psycopg = pytest.importorskip("psycopg")
    return psycopg.connect(url, autocommit=True)


async def test_one_that_was_filled_comes_back_empty(postgres_databases: DatabasePool) -> None:
    with postgres_databases.database() as first, _connect(first) as connection:
        insert = "INSERT INTO destinations (domain) VALUES ('example.org') RETURNING id"
        assert connection.execute(insert).fetchone() == (1,)
        connection.execute("ANALYZE")
    with postgres_databases.database() as second, _connect(second) as connection:
        assert second == first
        assert connection.execute("SELECT count(*) FROM destinations").fetchone() == (0,)
        assert connection.execute(insert).fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (id int)",
        "DROP INDEX ix_deliveries_owner",
        "ALTER TABLE notices DISABLE TRIGGER ALL",
        "ALTER TABLE relays ALTER COLUMN reply_text SET NOT NULL",
        "UPDATE alembic_version SET version_num = '9999'",
    ],
)
async def test_one_whose_shape_was_changed_is_thrown_away(
    postgres_databases: DatabasePool, change: str
) -> None:
    with postgres_databases.database() as first, _connect(first) as connection:
        connection.execute(change)
    with postgres_databases.database() as second:
        assert second != first
