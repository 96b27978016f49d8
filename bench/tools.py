"""What sending is measured with: a sink and a delay proxy of our own, and programs of others.

The C sources beside this module are built by ``cc`` when they have changed; nodemailer comes from
npm; smtp-source (of Postfix) and stunnel are used where they are installed. Everything lies under
``.cache/bench`` and nothing listens beyond this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NODEMAILER = "nodemailer@10.6.0"
_FOLDER = Path(__file__).resolve().parent
CACHE = _FOLDER.parent / ".cache" / "bench"
_START_SECONDS = 10.0
_STUNNEL = """\
foreground = yes
pid =
syslog = no
debug = warning
[sink]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{target}
cert = {folder}/cert.pem
key = {folder}/key.pem
sslVersionMin = TLSv1.3
"""


class ToolError(Exception):
    """A tool is not there, or does not do what it should; the message says which."""


class Counting:
    """A running program of ours that prints its counters when asked (SIGUSR1)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line()["port"])

    def counters(self) -> dict[str, float]:
        """What was counted since it was asked last."""
        self._process.send_signal(signal.SIGUSR1)
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ToolError(f"{self._process.args!r} ended")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def sink(*, pipelining: bool = True, folder: Path | None = None) -> Iterator[Counting]:
    """The sink; with ``folder`` it keeps there what it gets."""
    options = [] if pipelining else ["-p"]
    options += ["-d", str(folder)] if folder is not None else []
    with _counting([str(_built("sink")), *options, "0"]) as running:
        yield running


@contextmanager
def delay_proxy(target: int, *, one_way_ms: float) -> Iterator[Counting]:
    """A proxy to port ``target``; a round trip through it takes twice ``one_way_ms``."""
    with _counting([str(_built("delay_proxy")), "0", str(target), str(one_way_ms)]) as running:
        yield running


@contextmanager
def tls_proxy(target: int) -> Iterator[tuple[int, Path]]:
    """TLS 1.3 before port ``target``, by stunnel: its port and the certificate to trust."""
    program = find("stunnel")
    folder = CACHE / "tls"
    _certify(folder)
    port = free_port()
    settings = folder / "stunnel.conf"
    settings.write_text(_STUNNEL.format(port=port, target=target, folder=folder), "utf-8")
    with serving([program, str(settings)], port, folder / "stunnel.log"):
        yield port, folder / "cert.pem"


@contextmanager
def serving(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] = os.environ
) -> Iterator[int]:
    """A server of others, once it listens on that port of this machine: its process id."""
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, env=environment)
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        _stop(process)


def find(program: str) -> str:
    """The path of an installed program; ToolError that says what would bring it."""
    debian = {"smtp-source": "postfix", "stunnel": "stunnel4", "node": "nodejs", "npm": "npm"}
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise ToolError(f"{program} is not installed (Debian: {debian.get(program, program)})")
    return path


def nodemailer() -> Path:
    """The folder that holds nodemailer, installed by npm when it is not there yet."""
    folder = CACHE / NODEMAILER.replace("@", "-")
    if not (folder / "node_modules" / "nodemailer").is_dir():
        find("node")
        command = [find("npm"), "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([*command, NODEMAILER], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"npm cannot install {NODEMAILER}: {done.stderr.strip()[-200:]}")
    return folder


def peak_memory(pid: int | str = "self") -> float:
    """MB that a process had in memory at most; 0 where that cannot be read any more.

    Not ``ru_maxrss``: Linux hands that of the starting process down to what it starts.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _built(name: str) -> Path:
    """The program of ``name``.c, built anew when the source is another."""
    source = _FOLDER / f"{name}.c"
    mark = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    program = CACHE / f"{name}-{mark}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        options = ["-O2", "-Wall", "-Wextra", "-std=gnu11"]
        command = [find("cc"), *options, "-o", str(fresh), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"cc cannot build {name}.c: {done.stderr.strip()[:400]}")
        fresh.rename(program)  # one step: two runs at once both find a whole program
    return program


@contextmanager
def _counting(command: list[str]) -> Iterator[Counting]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield Counting(process)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise ToolError(f"{process.args!r} does not listen")
        time.sleep(0.05)


def _certify(folder: Path) -> None:
    """A certificate for localhost, made anew for every run: it is trusted by these alone."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [find("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names: Mapping[str, str] = {
        "-subj": "/CN=localhost",
        "-addext": "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout": str(folder / "key.pem"),
        "-out": str(folder / "cert.pem"),
    }
    options = [part for option in names.items() for part in option]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"openssl makes no certificate: {done.stderr.strip()[-200:]}")
