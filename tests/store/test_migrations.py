from __future__ import annotations

import asyncio
import os
import shutil
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from digest import resources
from digest.errors import DatabaseError
from digest.store.engines import migration_engine, parse_place
from digest.store.revisions import known_revisions
from digest.store.schema import metadata
from digest.store.session import Database, revision_state, upgrade
from tests.build import a_newsletter, a_reader


def description(connection: Connection) -> dict[str, Any]:
    """Everything a database says about its tables, in a form that can be compared."""
    inspector = inspect(connection)
    tables = {}
    for table in inspector.get_table_names():
        if table == "alembic_version":
            continue
        columns = {
            column["name"]: (
                repr(column["type"]),
                column["nullable"],
                str(column["default"]).replace("nextval", "").lower(),
            )
            for column in inspector.get_columns(table)
        }
        tables[table] = {
            "columns": columns,
            "primary": inspector.get_pk_constraint(table),
            "indexes": sorted(_in_words(index) for index in inspector.get_indexes(table)),
            "uniques": sorted(map(repr, inspector.get_unique_constraints(table))),
            "checks": sorted(map(repr, inspector.get_check_constraints(table))),
            "foreign": sorted(map(repr, inspector.get_foreign_keys(table))),
        }
    return tables


def _of_the_engine(name: str) -> bool:
    """Whether it is Procrastinate's, which makes its tables itself."""
    return name.startswith(("procrastinate", "idx_procrastinate"))


def _in_words(index: Any) -> str:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return repr({**index, "dialect_options": options})


def test_the_migrations_make_exactly_the_tables_of_the_code(database_url, empty_database_url):
    with migration_engine(parse_place(empty_database_url)).begin() as connection:
        metadata.create_all(connection)
        wanted = description(connection)
    with migration_engine(parse_place(database_url)).connect() as connection:
        found = description(connection)
    found = {table: parts for table, parts in found.items() if not _of_the_engine(table)}
    assert found.keys() == wanted.keys()
    for table, parts in wanted.items():
        assert found[table] == parts, table
    assert len(found["deliveries"]["checks"]) == 2  # so that an empty reflection cannot pass


def test_alembic_finds_nothing_left_to_do(database_url):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    def is_ours(one: Any, name: str | None, _kind: str, _found: bool, _other: Any) -> bool:
        condition = getattr(one, "_ddl_if", None)  # indexes of PostgreSQL alone
        elsewhere = condition is not None and condition.dialect != connection.dialect.name
        return not _of_the_engine(name or "") and not elsewhere

    with migration_engine(parse_place(database_url)).connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        assert compare_metadata(context, metadata) == []


def test_every_constraint_has_a_name_by_the_convention():
    for table in metadata.tables.values():
        for constraint in table.constraints:
            kind = type(constraint).__name__
            assert constraint.name is not None, (table.name, kind)
            prefix = {"PrimaryKeyConstraint": "pk", "UniqueConstraint": "uq"}.get(kind)
            prefix = prefix or {"CheckConstraint": "ck", "ForeignKeyConstraint": "fk"}[kind]
            assert str(constraint.name).startswith(prefix) or prefix == "ck"


def test_the_revisions_known_by_name_are_those_alembic_walks():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(resources.migrations()))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    walked = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(walked)) == known_revisions()
    assert script.get_current_head() == known_revisions()[-1]


def test_the_folder_of_migrations_is_no_package():
    assert not (resources.migrations() / "__init__.py").exists()


async def test_a_database_is_empty_then_current(empty_database_url):
    assert await revision_state(empty_database_url) == "empty"
    await upgrade(empty_database_url)
    assert await revision_state(empty_database_url) == "current"
    await upgrade(empty_database_url)
    assert await revision_state(empty_database_url) == "current"


async def test_asking_for_the_state_creates_no_file(tmp_path):
    assert await revision_state(f"sqlite:///{tmp_path / 'none.db'}") == "empty"
    assert list(tmp_path.iterdir()) == []


async def test_a_new_file_of_readers_is_for_its_owner_alone(tmp_path):
    file = tmp_path / "digest.db"
    mask = os.umask(0o022)
    try:
        await upgrade(f"sqlite:///{file}")
        async with await Database.open(f"sqlite:///{file}") as database:
            await a_newsletter(database)
            modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    finally:
        os.umask(mask)
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}


async def test_the_mode_of_a_file_that_is_there_is_kept(tmp_path):
    file = tmp_path / "digest.db"
    file.touch(0o640)
    await upgrade(f"sqlite:///{file}")
    assert file.stat().st_mode & 0o777 == 0o640


async def test_upgrades_at_the_same_time_make_one_set_of_tables(empty_database_url):
    await asyncio.gather(*(upgrade(empty_database_url) for _ in range(4)))
    assert await revision_state(empty_database_url) == "current"
    async with await Database.open(empty_database_url) as db, db.read() as session:
        rows = await session.execute(text("SELECT version_num FROM alembic_version"))
        assert rows.scalars().all() == [known_revisions()[-1]]


async def test_a_database_that_was_never_upgraded_says_what_to_run(empty_database_url):
    with pytest.raises(DatabaseError, match="digest db upgrade"):
        await Database.open(empty_database_url)


async def test_opening_creates_no_file(tmp_path):
    with pytest.raises(DatabaseError):
        await Database.open(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url):
    set_revision(database_url, "9999")
    assert await revision_state(database_url) == "newer"
    with pytest.raises(DatabaseError, match="newer version"):
        await Database.open(database_url)
    with pytest.raises(DatabaseError, match="newer version"):
        await upgrade(database_url)
    assert await revision_state(database_url) == "newer"


async def test_a_failed_upgrade_leaves_nothing_behind(empty_database_url):
    with migration_engine(parse_place(empty_database_url)).begin() as connection:
        connection.execute(text("CREATE TABLE feedback (id INTEGER)"))  # one of ours, in the way
    with pytest.raises(DatabaseError):
        await upgrade(empty_database_url)
    with migration_engine(parse_place(empty_database_url)).connect() as connection:
        assert inspect(connection).get_table_names() == ["feedback"]
    assert await revision_state(empty_database_url) == "empty"


async def test_what_somebody_agreed_to_cannot_be_changed(database):
    await a_reader(database, await a_newsletter(database))
    for verb in ("UPDATE consent_events SET source = 'x'", "DELETE FROM consent_events"):
        with pytest.raises((DatabaseError, DBAPIError), match="append-only"):
            async with database.begin() as session:
                await session.execute(text(verb))
    async with database.read() as session:
        kinds = await session.execute(text("SELECT kind FROM consent_events"))
        assert kinds.scalars().all() == ["added"]


async def test_a_path_with_a_percent_sign_can_hold_the_migrations(tmp_path, monkeypatch):
    folder = tmp_path / "100% digest" / "alembic"
    shutil.copytree(resources.migrations(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(resources, "migrations", lambda: folder)
    url = f"sqlite:///{tmp_path / 'digest.db'}"
    await upgrade(url)
    assert await revision_state(url) == "current"


def set_revision(url: str, revision: str) -> None:
    with migration_engine(parse_place(url)).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
