"""Runs the migrations on a connection that is handed in.

``digest db upgrade`` is the way in: it opens the connection, holds the lock and the transaction,
and passes it as ``config.attributes["connection"]``. For writing a new migration, ``alembic
revision --autogenerate`` opens the database of ``DIGEST_DATABASE_URL`` itself.
"""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from digest.store.engines import migration_engine, parse_place
from digest.store.schema import metadata


def run(connection: Connection) -> None:
    """Run what was asked for, inside the transaction the connection is in."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,  # SQLite changes a table by building it anew
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
elif context.is_offline_mode():
    raise SystemExit("Migrations need a database: run digest db upgrade.")
else:
    url = os.environ.get("DIGEST_DATABASE_URL", "sqlite:///digest.db")
    with migration_engine(parse_place(url)).connect() as own, own.begin():
        run(own)
