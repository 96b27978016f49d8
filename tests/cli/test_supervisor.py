"""A supervisor hears that we are ready, that we live and that we end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.cli.supervisor import notify, supervised


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def first_line(heard: socket.socket) -> str:
    return heard.recv(4096).decode().splitlines()[0]


async def test_it_hears_of_the_start_the_life_and_the_end(
    heard: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    stopped = asyncio.Event()
    async with supervised("Serving", stopped):
        said = [await asyncio.to_thread(first_line, heard) for _ in range(4)]
        stopped.set()
        while said[-1] == "WATCHDOG=1":
            said.append(await asyncio.to_thread(first_line, heard))
    assert said[:4] == ["READY=1", *["WATCHDOG=1"] * 3]
    assert said[-1] == "STOPPING=1"


def test_without_one_or_where_it_does_not_listen_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("", str(tmp_path / "nobody"), "@nobody-listens-here"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")
