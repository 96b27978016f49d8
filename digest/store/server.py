"""What a PostgreSQL server has to be for us: new enough, and reached by sessions of our own.

A lease is a session's advisory lock, a wake-up is LISTEN, and what a session asks for when it
begins (time limits above all) has to hold to its end. A pooler that hands each transaction to
another session, as pgbouncer does in transaction mode, takes all three away without an error.
"""

from __future__ import annotations

from sqlalchemy import Connection

from digest.errors import DatabaseError
from digest.store.engines import IDLE_TIMEOUT, OLDEST_POSTGRESQL, POOLED


def check_server(connection: Connection, where: str) -> None:
    """Raise DatabaseError for a server that is too old, or lies behind a pooler."""
    if connection.dialect.name != "postgresql":
        return
    asked = "SELECT current_setting('server_version_num')::int AS version, "
    asked += "current_setting('idle_in_transaction_session_timeout') AS idle"
    found = connection.exec_driver_sql(asked).one()
    if found.version < OLDEST_POSTGRESQL * 10_000:
        raise DatabaseError(
            f"PostgreSQL {found.version // 10_000} is too old.",
            where=where,
            fix=f"Version {OLDEST_POSTGRESQL} or newer is needed.",
        )
    if found.idle != IDLE_TIMEOUT:
        raise DatabaseError(
            "What a session asks for does not reach PostgreSQL: there is a pooler in between.",
            where=where,
            fix=POOLED,
        )
