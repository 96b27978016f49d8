"""A real pgbouncer in front of a PostgreSQL server of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.conftest import missing

PATIENCE = 10.0  # seconds
_CONFIG = """\
[databases]
* = host={server} user=digest
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = {ignored}
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
max_client_conn = 50
default_pool_size = 5
"""


class Pgbouncer:
    """Started with the block, gone after it. ``ignored`` are parameters it drops in silence."""

    def __init__(self, server_url: str, *, mode: str = "transaction", ignored: str = "") -> None:
        self._program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if self._program is None:
            missing("no pgbouncer on the PATH")
        self._server = urlsplit(server_url)
        self._folder = Path(tempfile.mkdtemp(prefix="digest-pool-", dir="/tmp"))
        self._mode, self._ignored = mode, ignored
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the same database, through the pooler."""
        return f"postgresql://digest@{self._server.path}?host={self._folder}&port=6432"

    def __enter__(self) -> Self:
        config = self._folder / "pgbouncer.ini"
        server = self._server.query.partition("host=")[2]
        config.write_text(
            _CONFIG.format(
                server=server,
                folder=self._folder,
                mode=self._mode,
                ignored=self._ignored or "extra_float_digits",
            )
        )
        assert self._program is not None
        self._process = subprocess.Popen(
            [self._program, "-q", config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_user(),
        )
        deadline = time.monotonic() + PATIENCE
        while not (self._folder / ".s.PGSQL.6432").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError("pgbouncer did not start")
            time.sleep(0.02)
        return self

    def _as_user(self) -> dict[str, Any]:
        """It refuses to be root, as PostgreSQL does; it is who that is, to reach its socket."""
        if os.geteuid() != 0:
            return {}
        server = Path(self._server.query.partition("host=")[2]).stat()
        os.chown(self._folder, server.st_uid, server.st_gid)
        return {"user": server.st_uid, "group": server.st_gid, "extra_groups": []}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=PATIENCE)
        shutil.rmtree(self._folder, ignore_errors=True)
