"""Hosts on one machine: network namespaces on one bridge, whose cables can be pulled.

The machine itself is the first host, and has two addresses in the network, ``Network.address`` and
``Network.other_address``: what the others talk to listens there.
Needs root and ``ip`` (iproute2); nothing is left behind.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_numbers = itertools.count(1)


def can_have_hosts() -> bool:
    """Whether this machine lets us make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    probe = f"dgt{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True)
    if made.returncode == 0:
        _ip("netns", "del", probe)
    return made.returncode == 0


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class Host:
    """One host. ``pull`` its cable, ``plug`` it in; ``lose`` one address, ``find`` it again."""

    namespace: str
    cable: str
    address: str

    def start(self, command: list[str], *, env: Mapping[str, str], log: Path) -> Process:
        """Begin a program there."""
        out, err = log.with_suffix(".out"), log.with_suffix(".err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Process(popen, out, err)

    def pull(self) -> None:
        """From now on no packet comes or goes, and nobody is told."""
        _ip("link", "set", self.cable, "down")

    def plug(self) -> None:
        """Connect it again."""
        _ip("link", "set", self.cable, "up")

    def lose(self, address: str) -> None:
        """From now on no packet goes to ``address``; all others are reached as before."""
        _ip("-n", self.namespace, "route", "add", "blackhole", f"{address}/32")

    def find(self, address: str) -> None:
        """Reach it again."""
        _ip("-n", self.namespace, "route", "del", "blackhole", f"{address}/32")


@dataclass(frozen=True, slots=True)
class Process:
    """A program on a host (``ip netns exec`` becomes it)."""

    popen: subprocess.Popen[bytes]
    out_path: Path
    err_path: Path

    @property
    def out(self) -> str:
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)


@dataclass
class Network:
    """``with Network() as network``; ``network.host()`` adds one."""

    bridge: str = field(default_factory=lambda: f"dgb{os.getpid() % 100_000}x{next(_numbers)}")
    subnet: str = field(default_factory=lambda: f"10.{200 + os.getpid() % 50}.{next(_numbers)}")
    _hosts: list[Host] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the machine itself is reached from all of them."""
        return f"{self.subnet}.1"

    @property
    def other_address(self) -> str:
        """The same by another address."""
        return f"{self.subnet}.254"

    def __enter__(self) -> Self:
        _ip("link", "add", self.bridge, "type", "bridge")
        for address in (self.address, self.other_address):
            _ip("addr", "add", f"{address}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for host in self._hosts:
            _ip("netns", "del", host.namespace)  # its cable goes with it
        _ip("link", "del", self.bridge)

    def host(self) -> Host:
        """One more host."""
        number = len(self._hosts) + 2
        namespace, cable = f"{self.bridge}h{number}", f"{self.bridge[:11]}c{number}"
        address = f"{self.subnet}.{number}"
        _ip("netns", "add", namespace)
        host = Host(namespace, cable, address)
        self._hosts.append(host)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", cable, "master", self.bridge, "up")
        for arguments in (
            ("addr", "add", f"{address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", namespace, *arguments)
        return host
