"""LMTP as an MTA speaks it: refused without a token, taken in before it is answered."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from digest.errors import SettingsError
from digest.inbound.lmtp import lmtp_server
from digest.mail.tokens import TokenKind
from digest.store.session import Database
from tests.audience.came_back import ANNE, BART, Scene, a_scene
from tests.delivery.stage import KEYS
from tests.inbound.returned import dsn


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await a_scene(database)


def verp(number: int) -> str:
    return f"b-{KEYS.sign(TokenKind.DELIVERY, number)}@bounces.news.example.org"


async def in_thread(work):
    return await asyncio.to_thread(work)


async def test_a_bounce_over_lmtp_suppresses_before_it_is_answered(scene):
    sent = await scene.sent()
    async with lmtp_server(scene.desk, "127.0.0.1:0") as at:
        host, _, port = at.rpartition(":")

        def deliver():
            with smtplib.LMTP(host, int(port)) as client:
                return client.sendmail("", [verp(sent[ANNE])], dsn(to=verp(sent[ANNE])))

        assert await in_thread(deliver) == {}
        assert await scene.suppressed() == {ANNE}


async def test_a_wrong_mac_is_refused_at_rcpt(scene):
    sent = await scene.sent()
    good = verp(sent[ANNE])
    async with lmtp_server(scene.desk, "127.0.0.1:0") as at:
        host, _, port = at.rpartition(":")

        def ask():
            codes = []
            with smtplib.LMTP(host, int(port)) as client:
                client.ehlo_or_helo_if_needed()
                client.mail("")
                for n in range(2, 42):
                    letter = "a" if good[n] != "a" else "b"
                    codes.append(client.rcpt(good[:n] + letter + good[n + 1 :])[0])
                codes += [client.rcpt(one)[0] for one in ("postmaster@example.org", ANNE)]
                last = [client.rcpt(good)[0], client.rcpt(verp(sent[BART]))[0]]
            return codes, last

        codes, last = await in_thread(ask)
    assert set(codes) == {550}
    assert last == [250, 452]
    assert await scene.rows() == []


async def test_what_cannot_be_committed_stays_with_the_mta(scene):
    sent = await scene.sent()
    async with lmtp_server(scene.desk, "127.0.0.1:0") as at:
        host, _, port = at.rpartition(":")
        async with scene.db.begin() as session:
            await session.exec_driver_sql("DROP TABLE feedback")

        def deliver():
            with smtplib.LMTP(host, int(port)) as client:
                client.ehlo_or_helo_if_needed()
                client.mail("")
                client.rcpt(verp(sent[ANNE]))
                return client.data(dsn(to=verp(sent[ANNE])))[0]

        assert await in_thread(deliver) == 451


async def test_a_port_that_is_taken_is_said(scene):
    async with lmtp_server(scene.desk, "127.0.0.1:0") as at:
        with pytest.raises(SettingsError, match="cannot be received"):
            async with lmtp_server(scene.desk, at):
                pass
