"""What a supervisor is told: that we are ready, that we end, that we still answer (sd_notify).

The protocol of systemd(1): datagrams of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET``
names; ``WATCHDOG_USEC`` says within which time it wants to hear from us. Without these two in the
environment, nothing happens.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger(__name__)


def notify(state: str) -> None:
    """Tell the supervisor, where there is one; one that does not listen is no reason to end."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
            told.connect(address)
            told.send(state.encode())
    except OSError as error:
        log.warning("the supervisor cannot be told", state=state, error=str(error))


@asynccontextmanager
async def supervised(status: str, stopped: asyncio.Event) -> AsyncIterator[None]:
    """Ready from now on, every so often alive, and ending once ``stopped`` is set; ``status`` is
    for people.
    """
    notify(f"READY=1\nSTATUS={status}")
    tasks = (asyncio.create_task(_beat()), asyncio.create_task(_end(stopped)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _end(stopped: asyncio.Event) -> None:
    await stopped.wait()
    notify("STOPPING=1\nSTATUS=Waiting for answers to what is under way")


async def _beat() -> None:
    """From the event loop: one that hangs is found out."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or not int(microseconds):
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(int(microseconds) / 2_000_000)
