"""The samples of deploy/, as real servers in front of a real ``digest run``.

A client is another address of the loopback network than the proxy, so that each can be told from
the other.
"""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from digest.mail.tokens import KeyRing, TokenKind
from digest.store.session import Database
from tests.build import a_newsletter, a_reader
from tests.conftest import missing
from tests.fakes.certificates import Authority
from tests.fakes.ports import free_port
from tests.repo.tree import ROOT
from tests.scenarios.processes import KEY, PATIENCE, Script, environment

DEPLOY = ROOT / "deploy"
CLIENT = "127.9.9.9"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MAIN = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def found(program: str) -> str:
    """Where ``program`` is; Debian keeps servers where a user's PATH does not lead."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    return path or missing(f"no {program} on the PATH")


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy: its two ports, and the authority that signed its certificate."""

    http: int
    https: int
    prefix: str
    trusted: Path
    log: Path

    def ask(
        self, method: str, path: str, body: str = "", *, plain: bool = False, spoofed: str = ""
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an answer; ``path`` is that within our site."""
        source = (CLIENT, 0)
        connection: HTTPConnection
        if plain:
            connection = HTTPConnection("127.0.0.1", self.http, timeout=60, source_address=source)
        else:
            context = ssl.create_default_context(cafile=str(self.trusted))
            connection = HTTPSConnection(
                "127.0.0.1", self.https, timeout=60, source_address=source, context=context
            )
        headers = (FORM if body else {}) | ({"X-Forwarded-For": spoofed} if spoofed else {})
        with closing(connection):
            connection.request(method, self.prefix + path, body or None, headers)
            answer = connection.getresponse()
            given = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, given, answer.read().decode()


@contextmanager
def nginx(folder: Path, sample: str, upstream: int, prefix: str) -> Iterator[Front]:
    """Nginx with a sample of ours, its ports and its certificate changed, and nothing else."""
    folder.mkdir()
    authority = Authority.make(folder / "tls")
    certificate = authority.certificate()
    http, https = free_port(), free_port()
    site = (DEPLOY / sample).read_text(encoding="utf-8")
    for pattern, ours in (
        (r"^ *listen \[::\].*$", ""),
        (r"listen 443 ", f"listen 127.0.0.1:{https} "),
        (r"listen 80;", f"listen 127.0.0.1:{http};"),
        (r"(ssl_certificate(?:_key)? +)\S+;", rf"\1{certificate};"),
        (r"/var/log/nginx/\w+\.log", f"{folder}/access.log"),
        (r"127\.0\.0\.1:8000", f"127.0.0.1:{upstream}"),
    ):
        site, count = re.subn(pattern, ours, site, flags=re.MULTILINE)
        assert count, pattern
    (folder / "site.conf").write_text(site)
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    command = [found("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    command += ["-e", str(folder / "error.log")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            until_listening(process, http)
            yield Front(http, https, prefix, authority.trusted, folder / "access.log")
        finally:
            process.terminate()


def until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until somebody takes connections on ``port``."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nobody listens on {port}")


async def a_reader_of_weekly(url: str) -> int:
    """The subscription of Anne, the only reader there is."""
    async with await Database.open(url) as db:
        return (await a_reader(db, await a_newsletter(db), "Anne")).subscription_id


@pytest.mark.parametrize(
    ("sample", "prefix"), [("nginx.conf", ""), ("nginx-subpath.conf", "/news")]
)
async def test_behind_nginx_readers_leave_by_one_click_and_are_told_apart(
    sqlite_url: str, tmp_path: Path, sample: str, prefix: str
) -> None:
    subscription = await a_reader_of_weekly(sqlite_url)
    port = free_port()
    with nginx(tmp_path / "nginx", sample, port, prefix) as front:
        ours = environment(
            DIGEST_DATABASE_URL=sqlite_url,
            DIGEST_SECRET_KEY=KEY,
            DIGEST_PUBLIC_URL=f"https://127.0.0.1:{front.https}{prefix}",
            DIGEST_TRUSTED_PROXIES="127.0.0.1",
        )
        with Script(tmp_path, ours).start("run", "--port", str(port), "--json") as service:
            assert service.stdout is not None
            assert service.stdout.readline()
            try:
                leaves_and_comes_back(front, subscription)
                assert front.ask("GET", "/healthz")[0] == 200
                works_from_elsewhere(front, Script(tmp_path, ours))
                shown = command_line(service.pid)
            finally:
                service.terminate()
                _, said = service.communicate()
    for secret in (KEY, KeyRing(KEY).sign(TokenKind.LEAVE, subscription), "anne@"):
        assert secret not in said
        assert secret.encode() not in shown
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as database:
        events = database.execute("SELECT kind, origin FROM consent_events ORDER BY id").fetchall()
    assert [kind for kind, _ in events] == ["added", "left", "undone"]
    assert events[-1][1] == "127.9.9.0/24"
    log = front.log.read_text()
    assert "/healthz" in log
    assert "/u/" not in log


def works_from_elsewhere(front: Front, home: Script) -> None:
    """An editor's commands over HTTPS, and only to whom the certificate is known."""
    scopes = ("newsletters:read", "issues:read", "links:read", "links:write")
    key = home.json("api-key", "create", "Edda", *(f"--scope={one}" for one in scopes))["key"]
    there = f"https://127.0.0.1:{front.https}{front.prefix}"
    stranger = environment(DIGEST_SERVER=there, DIGEST_TOKEN=key)
    editor = Script(home.folder, stranger | {"SSL_CERT_FILE": str(front.trusted)})
    kept = editor.json("link", "add", "https://example.org/page", "--note", "for Anne", "--offline")
    assert kept["url"] == "https://example.org/page"
    assert [one["id"] for one in home.rows("link", "list")] == [kept["id"]]
    assert editor.run("link", "list") == home.run("link", "list")
    with Script(home.folder, stranger).start("issue", "list") as refused:
        _, said = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 2
    assert "certificate" in said.lower()


def command_line(pid: int) -> bytes:
    """What everybody on the machine can read of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def leaves_and_comes_back(front: Front, subscription: int) -> None:
    """The leave link as a browser, a scanner and a mailbox provider use it."""
    path = f"/u/{KeyRing(KEY).sign(TokenKind.LEAVE, subscription)}"
    here = f"https://127.0.0.1:{front.https}{front.prefix}"
    status, headers, _ = front.ask("GET", path, plain=True)
    assert (status, headers["location"]) == (308, f"https://127.0.0.1{front.prefix}{path}")
    assert front.ask("GET", path)[0] == 200
    status, headers, page = front.ask("POST", path, "List-Unsubscribe=One-Click", plain=True)
    assert status == 200
    assert not {"location", "set-cookie"} & set(headers)
    assert "noindex" in headers["x-robots-tag"]
    action = re.search(r'action="([^"?]+/undo)[?"]', page)
    stamp = re.search(r'name="stamp" value="([^"]+)"', page)
    assert action is not None
    assert stamp is not None
    assert action[1] == f"{front.prefix}{path}/undo"
    back = front.ask("POST", f"{path}/undo", f"stamp={stamp[1]}", spoofed="203.0.113.7")
    assert back[0] == 200
    stylesheet = re.search(r'href="([^"]+\.css)"', back[2])
    assert stylesheet is not None
    assert front.ask("GET", stylesheet[1].removeprefix(front.prefix))[0] == 200
    feed = front.ask("GET", "/n/weekly/feed.atom")[2]
    assert f'href="{here}/n/weekly' in feed


def test_the_caddyfile_is_one() -> None:
    command = [found("caddy"), "validate", "--config", str(DEPLOY / "Caddyfile")]
    done = subprocess.run(
        [*command, "--adapter", "caddyfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
