"""Databases of PostgreSQL that are used again: emptied after a test instead of dropped.

Making one from a template takes 80 ms, and its first connection as long again to learn the
catalogue; emptying one takes a tenth of both, by a connection that stays and knows it. One whose
schema, settings or functions a test has changed is dropped: it would not be what its name promises.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.fakes.postgres import PostgresServer

# What changes with every statement that defines something: objects come and go, or are switched.
_SHAPE = """
SELECT md5(concat_ws(',',
    (SELECT string_agg(concat_ws(' ', oid, relname, relkind, reloptions), ';' ORDER BY oid)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT string_agg(concat_ws(' ', attrelid, attname, atttypid, attnotnull), ';'
            ORDER BY attrelid, attnum) FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'),
    (SELECT string_agg(concat_ws(' ', oid, tgname, tgenabled), ';' ORDER BY oid) FROM pg_trigger),
    (SELECT string_agg(concat_ws(' ', oid, conname, convalidated), ';' ORDER BY oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
    (SELECT string_agg(concat_ws(' ', oid, proname, md5(prosrc)), ';' ORDER BY oid)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'),
    (SELECT string_agg(setconfig::text, ';') FROM pg_db_role_setting),
    (SELECT string_agg(version_num, ';') FROM alembic_version)))
"""
# Without triggers: what may only be appended to by the product goes too, and nothing else has to go
# first. Rows of a small table are deleted, since to truncate one makes new files for it and all
# that refer to it. What the planner had learned goes with the rows.
_EMPTY = """
DO $$
DECLARE
    one regclass;
    filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    SET LOCAL client_min_messages = warning;
    FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r'
        AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO filled;
        IF pg_relation_size(one) > 262144 THEN
            EXECUTE format('TRUNCATE %s CASCADE', one);
        ELSIF filled THEN
            EXECUTE format('DELETE FROM %s', one);
        END IF;
    END LOOP;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
        FROM pg_sequences WHERE last_value IS NOT NULL;
    DELETE FROM pg_statistic WHERE starelid IN
        (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace);
END
$$
"""
_CUT_OFF = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(slots=True)
class _Kept:
    """A database, its shape when it was made, and the connection that empties it."""

    name: str
    connection: Any
    shape: str


class DatabasePool:
    """Fresh copies of ``template``, of which a few are kept."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._numbers = itertools.count(1)
        self._free: list[_Kept] = []

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of one with all tables and no row."""
        one = self._free.pop() if self._free else self._made()
        kept = False
        try:
            yield self._server.url(one.name)
            kept = self._emptied(one)
        finally:
            if kept:
                self._free.append(one)
            else:
                one.connection.close()
                self._server.drop_database(one.name)

    def close(self) -> None:
        """Let go of all of them."""
        for one in self._free:
            one.connection.close()

    def _made(self) -> _Kept:
        name = f"test_{next(self._numbers)}"
        self._server.create_database(name, template=self._template)
        connection = self._connect(name)
        return _Kept(name, connection, connection.execute(_SHAPE).fetchone()[0])

    def _emptied(self, one: _Kept) -> bool:
        """Whether it is as new; nobody is connected to it any more."""
        try:
            one.connection.execute("SELECT 1")
        except one.connection.OperationalError:  # a test ended every connection, or the server
            one.connection = self._connect(one.name)
        one.connection.execute(_CUT_OFF)
        if one.connection.execute(_SHAPE).fetchone()[0] != one.shape:
            return False
        one.connection.execute(_EMPTY)
        return True

    def _connect(self, name: str) -> Any:
        import psycopg

        return psycopg.connect(self._server.url(name), autocommit=True)
