"""An installation for scenarios: a database made by the command line, a relay, what became of it.

Making one takes a dozen commands; ``Houses`` makes each kind once and copies its database.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.cli.shell import ISSUE, KEY, NEWSLETTER
from tests.fakes.postgres import PostgresServer
from tests.scenarios.prefork import Child, Prefork
from tests.scenarios.relays import RelayProcess, Taken

DOMAINS = ("example.org", "example.net", "example.com", "slow.example", "dead.example")
OPERATOR = "hello@news.example.org"  # who is told of incidents, where a newsletter names nobody
SEND = ("issue", "send", "182", "--newsletter", "weekly")
PATIENCE = 60.0  # seconds
_ROWS = """
SELECT d.id, s.address, d.state, d.reason, d.attempts, d.maybe_sent, d.owner, d.reply_code,
    d.reply_text, d.first_claimed_at, d.not_before, d.subscription_id, d.ordinal, d.verdict, d.blame
FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id ORDER BY d.id
"""
_names = itertools.count(1)


def address(number: int) -> str:
    """The address of a reader, from 0; the domains take turns."""
    return f"reader{number}@{DOMAINS[number % len(DOMAINS)]}"


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery as the database has it."""

    id: int
    address: str
    state: str
    reason: str | None
    attempts: int
    maybe_sent: bool  # SQLite: 0 or 1
    owner: int | None
    reply_code: int | None
    reply_text: str | None
    first_claimed_at: Any
    not_before: Any
    subscription_id: int
    ordinal: int
    verdict: str | None
    blame: str | None


@dataclass
class House:
    """One database, one relay, and commands between them."""

    folder: Path
    database_url: str
    readers: int
    relay: RelayProcess
    prefork: Prefork
    relay_keys: Mapping[str, object] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def dialect(self) -> str:
        return self.database_url.partition(":")[0]

    @property
    def environment(self) -> dict[str, str]:
        """What its commands find in their environment."""
        return {
            "DIGEST_DATABASE_URL": self.database_url,
            "DIGEST_RELAY_URL": self.relay.url(**self.relay_keys),
            "DIGEST_STATE_DIR": str(self.folder / "state"),
            **_COMMON,
            **self.settings,
        }

    def start(self, *arguments: str, stopped: bool = False) -> Child:
        """Begin a command."""
        return self.prefork.start(*arguments, stopped=stopped, env=self.environment)

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; its standard output."""
        return self.prefork.run(*arguments, code=code, env=self.environment)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json; the one line it prints."""
        return self.prefork.json(*arguments, code=code, env=self.environment)

    def send(self, *options: str, code: int = 0) -> Any:
        """``issue send --wait`` to its end; the totals it prints."""
        return self.json(*SEND, "--wait", *options, code=code)

    def begin_send(self, *options: str, stopped: bool = False) -> Child:
        """``issue send --wait``, to be disturbed."""
        return self.start(*SEND, "--wait", "--json", *options, stopped=stopped)

    # What the relay took.

    @property
    def ledger(self) -> list[Taken]:
        """The messages for readers, or for anybody else but the operator."""
        return [one for one in self.relay.ledger if one.recipient != OPERATOR]

    @property
    def alerts(self) -> list[Taken]:
        """What the operator was told."""
        return [one for one in self.relay.ledger if one.recipient == OPERATOR]

    # The database, past all of our own code.

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """What a statement finds, or nothing where it only changes."""
        if self.dialect == "sqlite":
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=PATIENCE)) as file, file:
                return file.execute(sql).fetchall()
        with psycopg.connect(self.database_url) as session, session.cursor() as cursor:
            cursor.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> list[Row]:
        """Every delivery."""
        return [Row(*row) for row in self.query(_ROWS)]

    def states(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        found = self.query("SELECT state, count(*) FROM deliveries GROUP BY state")
        return {str(state): int(count) for state, count in found}

    def until_states(self, fits: Callable[[dict[str, int]], bool]) -> None:
        """Return once the states of all deliveries fit."""
        self._until(lambda: fits(self.states()), lambda: f"deliveries stay {self.states()}")

    def until_over(self) -> None:
        """Return once the issue is over: a moment after its last row, when a sender has seen it."""
        over = "SELECT count(*) FROM issues WHERE state = 'finished'"
        self._until(lambda: self.query(over)[0][0] == 1, lambda: f"not over: {self.states()}")

    def until_alone(self) -> None:
        """Return once PostgreSQL has ended the sessions of processes that were killed."""
        if self.dialect == "sqlite":
            return
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        self._until(lambda: self.query(others)[0][0] == 0, lambda: "sessions stay")

    def _until(self, fits: Callable[[], bool], else_say: Callable[[], str]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not fits():
            assert time.monotonic() < deadline, else_say()
            time.sleep(0.01)

    def let_pass(self, seconds: float, *, since_first: bool = False) -> None:
        """Let so much time pass: not the clock moves, what rows say of times does.

        A relay's pause passes too. ``since_first``: the first attempt moves too, from which rows
        expire; not of what may have been sent, as its Date is that of a copy that may be out there.
        """
        self._earlier("deliveries", "not_before", seconds)
        self._earlier("deliveries", "claimed_at", seconds)
        self._earlier("relays", "backoff_until", seconds)
        if since_first:
            self._earlier("deliveries", "first_claimed_at", seconds, where="NOT maybe_sent")

    def _earlier(self, table: str, column: str, seconds: float, *, where: str = "true") -> None:
        if self.dialect == "sqlite":
            moved = f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '-{seconds} seconds')"
        else:
            moved = f"{column} - interval '{seconds} seconds'"
        self.query(f"UPDATE {table} SET {column} = {moved} WHERE {where}")


_COMMON = {
    "DIGEST_PUBLIC_URL": "http://127.0.0.1:8000",
    "DIGEST_SECRET_KEY": KEY,
    "DIGEST_LOG_FORMAT": "json",
}


@dataclass
class Houses:
    """Makes installations with an approved issue; the same kind is made once, then copied."""

    folder: Path
    prefork: Prefork
    postgres: PostgresServer | None = None
    _made: dict[tuple[str, int, str], str] = field(default_factory=dict)

    @contextmanager
    def house(
        self,
        dialect: str,
        readers: int,
        relay: RelayProcess,
        *,
        text: str = ISSUE,
        prefork: Prefork | None = None,
        **relay_keys: object,
    ) -> Iterator[House]:
        """A fresh copy; ``relay_keys`` go into the relay's URL."""
        kind = (dialect, readers, text)
        if kind not in self._made:
            self._made[kind] = self._make(*kind)
        name = f"house{next(_names)}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        url = self._copy(self._made[kind], folder, name)
        try:
            yield House(folder, url, readers, relay, prefork or self.prefork, relay_keys)
        finally:
            if self.postgres is not None and dialect == "postgresql":
                self.postgres.drop_database(name)
            shutil.rmtree(folder, ignore_errors=True)

    def _make(self, dialect: str, readers: int, text: str) -> str:
        name = f"kind{next(_names)}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        if dialect == "sqlite":
            url = f"sqlite:///{folder / 'kind.db'}"
        else:
            assert self.postgres is not None
            self.postgres.create_database(name)
            url = self.postgres.url(name)
        furnish(self.prefork, url, folder=folder, readers=readers, text=text)
        return url

    def _copy(self, url: str, folder: Path, name: str) -> str:
        if url.startswith("sqlite"):
            path = folder / "digest.db"
            shutil.copyfile(url.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        assert self.postgres is not None
        made = url.partition("?")[0].rpartition("/")[2]
        self.postgres.create_database(name, template=made)
        return self.postgres.url(name)


def furnish(
    prefork: Prefork, database_url: str, *, folder: Path, readers: int, text: str = ISSUE
) -> None:
    """A newsletter with so many readers and an approved issue, by the command line."""
    env = {
        "DIGEST_DATABASE_URL": database_url,
        "DIGEST_RELAY_URL": "smtp://127.0.0.1:9?tls=none",
        "DIGEST_STATE_DIR": str(folder / "state"),
        **_COMMON,
    }
    (folder / "issue.md").write_text(text)
    rows = [f"{address(number)},Reader {number}" for number in range(readers)]
    (folder / "readers.csv").write_text("\n".join(["email,name", *rows]))
    prefork.run("db", "upgrade", env=env)
    prefork.run(*NEWSLETTER, env=env)
    prefork.run(
        *("reader", "import", str(folder / "readers.csv"), "--newsletter", "weekly"),
        *("--consent", "imported from a list"),
        env=env,
    )
    added = json.loads(
        prefork.run(
            *("issue", "add", str(folder / "issue.md"), "--newsletter", "weekly", "--json"), env=env
        )
    )
    prefork.run("issue", "approve", "182", added["hash"], "--newsletter", "weekly", env=env)
