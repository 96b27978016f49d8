"""Runs ``digest`` commands as children of a process that has imported everything already.

A command line takes most of a second to import what it needs, and a kill loop starts thousands.
What runs in the child is ``digest.cli.main`` with the arguments given, as from a shell.

As a program it reads requests as lines of JSON from standard input and prints, as lines, which
process it began and how each ended. A child that is to be traced stops itself before its first
step.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

_ROOT = Path(__file__).resolve().parents[2]
_DRIVERS = ("aiosqlite", "psycopg", "psycopg_binary", "uvloop", "encodings.idna")
_DIALECTS = ("sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.dialects.postgresql.psycopg")
PATIENCE = 120.0  # seconds; a slow machine is no failure, a hanging process is


class HangingError(AssertionError):
    """A process did not end."""


@dataclass(slots=True)
class Child:
    """A command that was begun; ``code`` as ``Popen.returncode``, once it has ended."""

    pid: int
    out_path: Path
    err_path: Path
    parent: Prefork
    code: int | None = None
    peak: int = 0  # KiB of memory at most, once it has ended

    @property
    def out(self) -> str:
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    @property
    def ended(self) -> bool:
        """Whether it has ended, without waiting for it."""
        self.parent.look()
        return self.code is not None

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def until(self, fits: Callable[[], bool]) -> None:
        """Return once something fits that its going on brings about."""
        deadline = time.monotonic() + PATIENCE
        while not fits():
            assert not self.ended, f"it has ended:\n{self.err[-3000:]}"
            assert time.monotonic() < deadline, f"it does not come so far:\n{self.err[-3000:]}"
            time.sleep(0.01)

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code, once it has ended by itself."""
        self.parent.look(until=self, deadline=time.monotonic() + patience)
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            raise HangingError(f"process {self.pid} did not end:\n{self.err[-3000:]}")
        return self.code

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()


@dataclass
class Prefork:
    """The parent of commands. For one thread; another thread has its own."""

    folder: Path
    environment: Mapping[str, str]
    code: Path = _ROOT  # where ``digest`` is, with what lies beside it
    _children: dict[int, Child] = field(default_factory=dict)
    _begun: int = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-P", __file__],
            cwd=self.code,
            env={name: value for name, value in os.environ.items() if name[:7] != "DIGEST_"}
            | {"PYTHONPATH": str(self.code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for child in list(self._children.values()):
            child.signal(signal.SIGCONT)
            child.signal(signal.SIGKILL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def start(
        self, *arguments: str, stopped: bool = False, env: Mapping[str, str] | None = None
    ) -> Child:
        """Begin a command, with ``env`` in its environment; ``stopped``: SIGCONT lets it go."""
        self._begun += 1
        out, err = (self.folder / f"{self._begun}.{kind}" for kind in ("out", "err"))
        for path in (out, err):
            path.touch()  # whoever looks early finds nothing, not an error
        request = {
            "arguments": arguments,
            "environment": {**self.environment, **(env or {})},
            "folder": str(self.folder),
            "out": str(out),
            "err": str(err),
            "stopped": stopped,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        while True:
            line = self._read()
            if "began" in line:
                break
            self._note(line)
        child = Child(line["began"], out, err, self)
        self._children[child.pid] = child
        return child

    def run(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """Run a command to its end; its standard output."""
        child = self.start(*arguments, env=env)
        ended = child.wait()
        assert ended == code, (arguments, ended, child.out, child.err[-3000:])
        return child.out

    def json(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> Any:
        """Run a command with --json; the one line it prints."""
        (line,) = self.run(*arguments, "--json", code=code, env=env).splitlines()
        return json.loads(line)

    def look(self, *, until: Child | None = None, deadline: float = 0.0) -> None:
        """Take note of the children that have ended."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while until is None or until.code is None:
                timeout = max(0.0, deadline - time.monotonic()) if until is not None else 0.0
                if not selector.select(timeout):
                    return
                self._note(self._read())

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):  # unbuffered: nothing is kept behind a selector's back
            more = self._process.stdout.read(1)
            if not more:
                raise RuntimeError("the parent of the commands has died")
            line += more
        data: dict[str, Any] = json.loads(line)
        return data

    def _note(self, line: Mapping[str, Any]) -> None:
        child = self._children.pop(line["ended"], None)
        if child is not None:
            child.code, child.peak = line["code"], line["peak"]


# The program.


def _import_everything() -> None:
    import digest

    for name in (*_DRIVERS, *_DIALECTS):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module in pkgutil.walk_packages(digest.__path__, "digest."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _child(request: Mapping[str, Any]) -> NoReturn:
    _die_with_parent()
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    for path, handle in ((request["out"], 1), (request["err"], 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), handle)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    from digest.cli.main import main

    if request["stopped"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        main(request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 (told with its traceback, like any command that breaks)
        import traceback

        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _tell(**line: int) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _reap() -> None:
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(ended=pid, code=os.waitstatus_to_exitcode(status), peak=usage.ru_maxrss)


def _serve(requests: IO[bytes]) -> None:
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(woken, 512)
                    continue
                line = requests.readline()
                if not line:
                    return
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    # A shell has what runs in the background ignore it, and all that it starts.
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    selector.close()
                    _child(json.loads(line))
                _tell(began=pid)
            _reap()


if __name__ == "__main__":
    _die_with_parent()
    _import_everything()
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        _serve(standard_input)
    os._exit(0)
