"""The sink and the delay proxy count what was sent, however it was cut."""

from __future__ import annotations

import shutil
import smtplib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.tools import Counting, delay_proxy, sink
from tests.conftest import missing


@pytest.fixture(autouse=True)
def a_compiler() -> None:
    if shutil.which("cc") is None:
        missing("cc is not installed")


HEAD = b"MAIL FROM:<anne@example.org>\r\nRCPT TO:<bart@example.org>\r\nDATA\r\n"
BODY = b"Subject: one\r\n\r\nA line.\r\n..\r\n.with a dot\r\n\r\n"


@pytest.fixture
def server() -> Iterator[Counting]:
    with sink() as running:
        yield running


def _answers(connection: socket.socket, count: int) -> list[bytes]:
    lines = b""
    while lines.count(b"\n") < count:
        data = connection.recv(4096)
        assert data, lines
        lines += data
    return lines.splitlines()


def _speak(port: int, *parts: bytes, answers: int) -> list[bytes]:
    """Say each part by itself; the greeting is one of the answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        return _answers(connection, answers)


@pytest.mark.parametrize("cut", range(1, len(BODY) + 5))
def test_the_sink_finds_the_end_of_a_message_wherever_it_is_cut(server: Counting, cut: int) -> None:
    data = BODY + b".\r\n"
    said = _speak(server.port, HEAD, data[:cut], data[cut:], answers=5)
    assert said[-1].startswith(b"250")
    assert server.counters()["messages"] == 1


def test_the_sink_takes_a_conversation_byte_by_byte(server: Counting) -> None:
    whole = HEAD + BODY + b".\r\n" + HEAD + b".\r\n"
    parts = [whole[place : place + 1] for place in range(len(whole))]
    assert len(_speak(server.port, *parts, answers=9)) == 9
    counted = server.counters()
    assert (counted["messages"], counted["recipients"], counted["refused"]) == (2, 2, 0)


def test_the_sink_refuses_what_is_out_of_order(server: Counting) -> None:
    twice = b"MAIL FROM:<anne@example.org>\r\n" * 2
    said = _speak(server.port, twice, b"RSET\r\nRCPT TO:<a@b>\r\nDATA\r\n", answers=6)
    assert [line[:3] for line in said[1:]] == [b"250", b"503", b"250", b"503", b"554"]
    assert server.counters()["refused"] == 3


def test_the_sink_keeps_what_it_got(tmp_path: Path) -> None:
    with sink(folder=tmp_path) as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("anne@example.org", ["bart@example.org"], b"Subject: kept\r\n\r\n.dot\r\n")
    assert (tmp_path / "000001.eml").read_bytes() == b"Subject: kept\r\n\r\n..dot\r\n.\r\n"


def test_the_proxy_counts_round_trips_and_delays_each(server: Counting) -> None:
    with delay_proxy(server.port, one_way_ms=5) as proxy:
        began = time.perf_counter()
        with smtplib.SMTP("127.0.0.1", proxy.port, local_hostname="anne.example") as client:
            client.sendmail("anne@example.org", ["bart@example.org"], b"Subject: far\n\n.\n")
        passed = time.perf_counter() - began
        # EHLO, MAIL, RCPT, DATA, the message, QUIT; the greeting came without being asked.
        assert proxy.counters()["turns"] == 6
    assert passed >= 0.065  # it can be late, never early
