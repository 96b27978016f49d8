"""The capture relay: it speaks SMTP as servers do, and its ledger is written before its answers."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.ledger import LEDGER, MESSAGES, Ledger, Shares, SinkVerdict, accepted_lines
from digest.delivery.sinks import RateLimit, Sink, SinkSession

NOBODY_REFUSED = Shares(0, 0)


@asynccontextmanager
async def a_sink(
    folder: Path, *, shares: Shares = NOBODY_REFUSED, keep: int = 1 << 20, pace: float = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A sink in this process and one connection to it, greeted."""
    ledger = Ledger(folder, keep=keep)
    sink = Sink(ledger, shares, RateLimit(pace))
    server = await asyncio.get_running_loop().create_server(
        lambda: SinkSession(sink), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        assert (await reader.readline()).startswith(b"220 ")
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await asyncio.sleep(0)
        ledger.close()


async def answers(reader: asyncio.StreamReader, count: int) -> list[str]:
    """The codes of the next ``count`` answers, continued lines left out."""
    codes: list[str] = []
    while len(codes) < count:
        line = (await asyncio.wait_for(reader.readline(), 10)).decode()
        if line[3:4] != "-":
            codes.append(line[:3])
    return codes


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / LEDGER).read_text().splitlines()]


async def test_a_pipelined_message_is_kept_as_it_was_before_dots_were_doubled(
    tmp_path: Path,
) -> None:
    async with a_sink(tmp_path) as (reader, writer):
        writer.write(b"EHLO client\r\nMAIL FROM:<b@x.example>\r\nRCPT TO:<anne@example.org>\r\n")
        writer.write(b"DATA\r\n")
        assert await answers(reader, 4) == ["250", "250", "250", "354"]
        writer.write(b"..first\r\nMessage-ID: <id@x>\r\n\r\n..\r\n...two\r\n.\r\nQUIT\r\n")
        assert await answers(reader, 2) == ["250", "221"]
    assert (
        tmp_path / MESSAGES
    ).read_bytes() == b".first\r\nMessage-ID: <id@x>\r\n\r\n.\r\n..two\r\n"
    (line,) = lines_of(tmp_path)
    assert (line["rcpt"], line["verdict"], line["code"]) == ("anne@example.org", "accepted", 250)
    assert (line["n"], line["message_id"], line["offset"]) == (1, "id@x", 0)
    assert line["size"] == len((tmp_path / MESSAGES).read_bytes())


async def test_an_accepted_line_is_in_the_ledger_before_the_answer_is_read(tmp_path: Path) -> None:
    async with a_sink(tmp_path) as (reader, writer):
        for number in range(1, 21):
            writer.write(b"MAIL FROM:<b@x>\r\nRCPT TO:<anne@example.org>\r\nDATA\r\n")
            await answers(reader, 3)
            writer.write(b"Subject: x\r\n\r\nbody\r\n.\r\n")
            await answers(reader, 1)
            assert len(lines_of(tmp_path)) == number


async def test_refused_recipients_are_in_the_ledger_and_data_after_them_is_refused(
    tmp_path: Path,
) -> None:
    async with a_sink(tmp_path, shares=Shares(10_000, 0)) as (reader, writer):
        writer.write(b"MAIL FROM:<b@x>\r\nRCPT TO:<anne@example.org>\r\nDATA\r\nRSET\r\n")
        assert await answers(reader, 4) == ["250", "550", "554", "250"]
    (line,) = lines_of(tmp_path)
    assert (line["verdict"], line["code"], line["message_id"]) == ("rejected", 550, None)
    assert list(accepted_lines(tmp_path)) == []


async def test_bare_line_feeds_neither_end_a_message_nor_a_command(tmp_path: Path) -> None:
    async with a_sink(tmp_path) as (reader, writer):
        writer.write(b"NOOP\n")
        assert await answers(reader, 1) == ["500"]
        writer.write(b"MAIL FROM:<b@x>\r\nRCPT TO:<anne@example.org>\r\nDATA\r\n")
        await answers(reader, 3)
        writer.write(b"one\n.\nMAIL FROM:<evil@x>\n.\r\n\n.\r\ntwo\r\n.\r\n")
        assert await answers(reader, 1) == ["250"]
    assert b"evil" in (tmp_path / MESSAGES).read_bytes()
    assert len(lines_of(tmp_path)) == 1


async def test_an_address_beyond_ascii_needs_smtputf8(tmp_path: Path) -> None:
    async with a_sink(tmp_path) as (reader, writer):
        writer.write("MAIL FROM:<b@x>\r\nRCPT TO:<zoë@example.org>\r\nRSET\r\n".encode())
        writer.write("MAIL FROM:<b@x> SMTPUTF8\r\nRCPT TO:<zoë@example.org>\r\n".encode())
        assert await answers(reader, 5) == ["250", "553", "250", "250", "250"]


async def test_beyond_its_bound_only_hashes_are_kept(tmp_path: Path) -> None:
    async with a_sink(tmp_path, keep=20) as (reader, writer):
        for _ in range(2):
            writer.write(b"MAIL FROM:<b@x>\r\nRCPT TO:<anne@example.org>\r\nDATA\r\n")
            await answers(reader, 3)
            writer.write(b"Subject: x\r\n\r\n\r\n.\r\n")
            await answers(reader, 1)
    first, second = lines_of(tmp_path)
    assert (first["offset"], second["offset"]) == (0, None)
    assert first["sha256"] == second["sha256"]


async def test_a_paced_sink_answers_in_order(tmp_path: Path) -> None:
    async with a_sink(tmp_path, pace=500) as (reader, writer):
        writer.write(b"MAIL FROM:<b@x>\r\nRCPT TO:<anne@example.org>\r\nDATA\r\n")
        assert await answers(reader, 3) == ["250", "250", "354"]
        writer.write(
            b"Subject: x\r\n\r\n.\r\nMAIL FROM:<c@x>\r\nRCPT TO:<bart@example.org>\r\nFOO\r\n"
        )
        assert await answers(reader, 4) == ["250", "250", "250", "502"]
    assert len(lines_of(tmp_path)) == 1


@given(chunks=st.lists(st.integers(1, 40), min_size=1), body=st.text("a.\r\n", max_size=60))
async def test_where_the_network_cuts_the_stream_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, chunks: Sequence[int], body: str
) -> None:
    folder = tmp_path_factory.mktemp("sink")
    text = body.replace("\r", "").replace("\n", "\r\n").encode() + b"\r\n"
    stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]
    stream = b"MAIL FROM:<b@x>\r\nRCPT TO:<a@x>\r\nDATA\r\n" + stuffed + b".\r\nQUIT\r\n"
    with closing(Ledger(folder)) as ledger:
        session = SinkSession(Sink(ledger, NOBODY_REFUSED))
        session.connection_made(Sent())
        position = 0
        while position < len(stream):
            size = chunks[position % len(chunks)]
            session.data_received(stream[position : position + size])
            position += size
    assert (folder / MESSAGES).read_bytes() == text


class Sent(asyncio.Transport):
    """A transport that swallows what is written."""

    def write(self, data: object) -> None:
        pass

    def close(self) -> None:
        pass


def test_the_shares_of_refused_addresses_are_as_asked_and_the_same_each_time() -> None:
    shares = Shares()
    verdicts = [shares.verdict(f"reader{number}@example.org") for number in range(20_000)]
    assert verdicts == [shares.verdict(f"Reader{number}@example.org") for number in range(20_000)]
    assert 300 < verdicts.count(SinkVerdict.REJECTED) < 500
    assert 480 < verdicts.count(SinkVerdict.DEFERRED) < 720


async def test_its_process_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "digest.delivery.sinks", "--folder", str(tmp_path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    port = int(await asyncio.wait_for(process.stdout.readline(), 30))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"NOOP\r\n")
    assert await answers(reader, 2) == ["220", "250"]
    writer.close()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 0


def a_sink_process(folder: Path, stdin: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "digest.delivery.sinks", "--folder", str(folder)]
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    return process


def test_without_an_input_it_stays_until_it_is_told_to_end(tmp_path: Path) -> None:
    with a_sink_process(tmp_path, subprocess.DEVNULL) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_on_a_terminal_ctrl_c_ends_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        with a_sink_process(tmp_path, theirs) as process:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
    finally:
        os.close(ours)
        os.close(theirs)
