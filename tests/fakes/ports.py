"""Ports on loopback: one that is free, and whether somebody listens."""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def hold_port() -> socket.socket:
    """A socket on a port that refuses connections, and that nobody is given while it is open.

    A server that sets ``SO_REUSEADDR`` before it binds, as all here do, can listen there meanwhile.
    """
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def free_port() -> int:
    """A port nobody listens on, kept from others until the process ends; see ``hold_port``."""
    _held.append(hold_port())
    port: int = _held[-1].getsockname()[1]
    return port


def is_open(port: int) -> bool:
    """Whether a connection to ``port`` is taken."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
