"""Who sends: ours from a database, the others each as documented and, where that differs, at best.

All keep ``CONNECTIONS`` connections open. Slow ones get fewer messages, so that every one of them
sends for a few seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import tools
from bench.contest import Contestant, Program, python
from bench.peers.letter import PeerLetter, return_path, values_of
from bench.sending import Relay, make_readers, ours, plan

CONNECTIONS = 16
_LEAST = 10  # messages for each connection

_LISTMONK = "listmonk"

# What a slow one sends of the messages that ours sends.
_SHARES = {
    "smtp-source": 1 / 2,
    "nodemailer": 1 / 20,
    "nodemailer, ready strings": 1 / 8,
    "aiosmtplib": 1 / 64,
    "aiosmtplib, ready bytes": 1 / 20,
    "smtplib": 1 / 64,
    "smtplib, ready bytes": 1 / 10,
    _LISTMONK: 1 / 8,
}


class Ours:
    """Our sender on one database; every measurement sends an issue of its own."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self._newsletters: dict[int, str] = {}

    def contestant(
        self,
        messages: int,
        remark: str = "",
        *,
        unrecorded: int = 500,
        watch: bool = False,
        tls: tuple[int, Path] | None = None,
        keys: Path | None = None,
    ) -> Contestant:
        """One that sends so many messages; ``tls``: the port that speaks it, its certificate;
        ``keys``: the folder of those it signs with.
        """

        def prepare(port: int, messages: int) -> Program:
            relay = Relay(tls[0] if tls else port, CONNECTIONS, tls=tls is not None)
            return ours(
                self.url,
                plan(self.url, self.newsletter(messages)),
                relay,
                unrecorded=unrecorded,
                watch=watch,
                trust=tls[1] if tls else None,
                keys=keys,
            )

        return Contestant(f"{self.kind}{remark}", messages, prepare)

    def newsletter(self, readers: int) -> str:
        """The newsletter with that many readers."""
        if readers not in self._newsletters:
            slug = f"readers-{readers}"
            make_readers(self.url, slug, readers)
            self._newsletters[readers] = slug
        return self._newsletters[readers]


def others(
    letter: PeerLetter, folder: Path, messages: int, postgresql: str | None
) -> Iterator[Contestant | str]:
    """Everybody else; a text says who is left out, and why. ``postgresql``: a database on the
    server where one of them makes its own.
    """
    path = folder / "letter.json"
    letter.write(path)
    makers: dict[str, Callable[[], Callable[[int, int], Program]]] = {
        "smtp-source": lambda: _smtp_source(letter, folder),
        "nodemailer": lambda: _nodemailer(path, ready=False),
        "nodemailer, ready strings": lambda: _nodemailer(path, ready=True),
        "aiosmtplib": lambda: _library("aiosmtplib", path, ready=False),
        "aiosmtplib, ready bytes": lambda: _library("aiosmtplib", path, ready=True),
        "smtplib": lambda: _library("smtplib", path, ready=False),
        "smtplib, ready bytes": lambda: _library("smtplib", path, ready=True),
        _LISTMONK: lambda: _listmonk(path, postgresql),
    }
    for name, maker in makers.items():
        try:
            prepare = maker()
        except tools.ToolError as error:
            yield f"{name}: {error}"
        else:
            share = max(round(messages * _SHARES[name]), _LEAST * CONNECTIONS)
            yield Contestant(name, share, prepare, same=name != _LISTMONK)


def _library(name: str, letter: Path, *, ready: bool) -> Callable[[int, int], Program]:
    def prepare(port: int, messages: int) -> Program:
        return python(f"bench.peers.{name}_client", _task(port, messages, letter, ready=ready))

    return prepare


def _nodemailer(letter: Path, *, ready: bool) -> Callable[[int, int], Program]:
    folder, node = tools.nodemailer(), tools.find("node")
    script = Path(__file__).with_name("peers") / "nodemailer.mjs"

    def prepare(port: int, messages: int) -> Program:
        task = _task(port, messages, letter, ready=ready) | {"folder": str(folder)}
        return Program([node, str(script), json.dumps(task)])

    return prepare


def _listmonk(letter: Path, postgresql: str | None) -> Callable[[int, int], Program]:
    program = tools.find("listmonk")
    if postgresql is None:
        raise tools.ToolError("it needs PostgreSQL")

    def prepare(port: int, messages: int) -> Program:
        task = _task(port, messages, letter, ready=False)
        task |= {"program": program, "database": postgresql}
        return python("bench.peers.listmonk_client", task)

    return prepare


def _task(port: int, messages: int, letter: Path, *, ready: bool) -> dict[str, object]:
    return {
        "port": port,
        "connections": CONNECTIONS,
        "messages": messages,
        "letter": str(letter),
        "ready": ready,
    }


def _smtp_source(letter: PeerLetter, folder: Path) -> Callable[[int, int], Program]:
    """The same message again and again: it can do nothing else."""
    program = tools.find("smtp-source")
    values = values_of(0)
    message = folder / "constant.eml"
    message.write_text(letter.ready(values).replace("\r\n", "\n"), "ascii")

    def prepare(port: int, messages: int) -> Program:
        options = ["-d", "-s", str(CONNECTIONS), "-m", str(messages), "-F", str(message)]
        envelope = ["-f", return_path(values), "-t", values["address"]]
        return Program([program, *options, *envelope, f"127.0.0.1:{port}"])

    return prepare
