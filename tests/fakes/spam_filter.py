"""A real rspamd on loopback with a DNS of the test's own: its rules, none of its network."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.conftest import missing
from tests.fakes.ports import free_port

_CONFIG = """
.include "$CONFDIR/common.conf"
options {{
  .include "$CONFDIR/options.inc"
  .include(priority=10) "{folder}/options.inc"
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; mime = true; }}
fuzzy_check {{ enabled = false; }}
"""
# Its own list of 9,628 suffixes takes minutes to compile; nothing here asks others than the DNS.
_OPTIONS = """
pidfile = "{folder}/rspamd.pid";
control_socket = "{folder}/control.sock mode=0600";
tempdir = "{folder}";
filters = "chartable,dkim,regexp";
url_tld = "{folder}/tld";
disable_hyperscan = true;
dns {{ nameserver = ["127.0.0.1:{names}"]; timeout = 2s; retransmits = 2; }}
"""


class SpamFilter:
    """Starts rspamd's scanner in ``folder``; ``names`` is the port of its DNS server."""

    def __init__(self, folder: Path, names: int) -> None:
        program = shutil.which("rspamd")
        if program is None:
            missing("no rspamd on the PATH")
        self.folder = folder
        self.port = free_port()
        (folder / "tld").write_text("com\nnet\norg\nio\n")
        (folder / "options.inc").write_text(_OPTIONS.format(folder=folder, names=names))
        config = folder / "rspamd.conf"
        config.write_text(_CONFIG.format(folder=folder, port=self.port))
        folders = [f"--var={name}={folder}" for name in ("DBDIR", "RUNDIR", "LOGDIR")]
        self._command = [program, "--no-fork", "--insecure", f"--config={config}", *folders]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, start_new_session=True
            )
        for _ in range(600):
            if self._process.poll() is not None:
                break
            try:
                if self._ask("GET", "/ping").startswith(b"pong"):
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        self.__exit__(None, None, None)
        said = (self.folder / "output").read_text("utf-8", "replace")
        return missing(f"rspamd did not start: {said[-500:]}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)  # its own session: itself and its workers
                process.wait()

    def judge(self, message: bytes, *, sender: str, recipient: str, address: str) -> dict[str, Any]:
        """What it says of a message that came from ``address`` in an SMTP session."""
        envelope = {"From": sender, "Rcpt": recipient, "IP": address, "Helo": "mx.news.example.org"}
        answer = self._ask("POST", "/checkv2", message, {**envelope, "Hostname": envelope["Helo"]})
        judged: dict[str, Any] = json.loads(answer)
        return judged

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            return connection.getresponse().read()
        finally:
            connection.close()
