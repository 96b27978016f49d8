"""A mailbox on a real Dovecot: read as mail arrives, marked only when it is taken in."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.errors import DigestError, SettingsError
from digest.inbound.imap import find_mail, parse_imap, take_imap, watch_imap
from digest.mail.tokens import TokenKind
from digest.store.schema import feedback
from digest.store.session import Database
from tests.audience.came_back import ANNE, BART, Scene, a_scene
from tests.delivery.stage import KEYS
from tests.fakes.dovecot import PASSWORD, Dovecot
from tests.fakes.ports import free_port
from tests.inbound.returned import answer, dsn

BOX = "bounces@example.org"


@pytest.fixture
def dovecot(open_folder: Path) -> Iterator[Dovecot]:
    with Dovecot(open_folder / "dovecot") as server:
        yield server


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await a_scene(database)


def verp(number: int) -> str:
    return f"bounces+{KEYS.sign(TokenKind.DELIVERY, number)}@example.org"


def deliver(server: Dovecot, to: str, data: bytes) -> None:
    """As an MTA does: the envelope's recipient is written down by Dovecot."""
    with smtplib.LMTP("127.0.0.1", server.lmtp_port) as client:
        client.sendmail("", [to], data)


def flags(server: Dovecot) -> list[str]:
    with imaplib.IMAP4("127.0.0.1", server.imap_port) as client:
        client.login(BOX, PASSWORD)
        client.select("INBOX", readonly=True)
        _, found = client.fetch("1:*", "(FLAGS)")
    return [one.decode() for one in found if isinstance(one, bytes)]


async def test_mail_is_marked_as_what_it_was(scene: Scene, dovecot: Dovecot) -> None:
    sent = await scene.sent()
    await asyncio.to_thread(deliver, dovecot, verp(sent[ANNE]), dsn(to=BOX))
    await asyncio.to_thread(deliver, dovecot, BOX, answer(to=BOX))
    taken = await take_imap(scene.desk, parse_imap(dovecot.url()))
    assert [one.known for one in taken] == [True, False]
    assert await scene.suppressed() == {ANNE}
    marked = await asyncio.to_thread(flags, dovecot)
    assert ["Seen" in one for one in marked] == [True, False]
    assert ["Flagged" in one for one in marked] == [False, True]
    assert await take_imap(scene.desk, parse_imap(dovecot.url())) == []


async def test_two_schedulers_that_read_one_mailbox_count_each_mail_once(
    scene: Scene, dovecot: Dovecot
) -> None:
    sent = await scene.sent()
    for address in (ANNE, BART):
        await asyncio.to_thread(deliver, dovecot, verp(sent[address]), dsn(to=BOX))
    place = parse_imap(dovecot.url())
    await asyncio.gather(*(take_imap(scene.desk, place) for _ in range(2)))
    assert await scene.suppressed() == {ANNE, BART}
    async with scene.db.read() as session:
        owners = list(await session.scalars(select(feedback.c.delivery_id)))
    assert sorted(owners) == sorted(sent[address] for address in (ANNE, BART))
    marked = await asyncio.to_thread(flags, dovecot)
    assert ["Seen" in one for one in marked] == [True, True]


async def test_nothing_is_marked_before_it_is_committed(scene: Scene, dovecot: Dovecot) -> None:
    sent = await scene.sent()
    await asyncio.to_thread(deliver, dovecot, verp(sent[ANNE]), dsn(to=BOX))
    async with scene.db.begin() as session:
        await session.exec_driver_sql("ALTER TABLE feedback RENAME TO away")
    with pytest.raises(DigestError):
        await take_imap(scene.desk, parse_imap(dovecot.url()))
    assert "Seen" not in (await asyncio.to_thread(flags, dovecot))[0]
    async with scene.db.begin() as session:
        await session.exec_driver_sql("ALTER TABLE away RENAME TO feedback")
    await take_imap(scene.desk, parse_imap(dovecot.url()))
    assert await scene.suppressed() == {ANNE}


async def test_a_bounce_is_taken_in_as_it_arrives(sqlite_url: str, dovecot: Dovecot) -> None:
    async with await Database.open(sqlite_url) as database:
        scene = await a_scene(database)
        sent = await scene.sent()
        watching = asyncio.create_task(watch_imap(scene.desk, parse_imap(dovecot.url())))
        for address in (ANNE, BART):
            await asyncio.to_thread(deliver, dovecot, verp(sent[address]), dsn(to=BOX))
            async with asyncio.timeout(25):  # far below the time after which it looks by itself
                while address not in await scene.suppressed():  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.05)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def test_an_address_of_a_mailbox_is_checked_and_never_repeated() -> None:
    place = parse_imap("imaps://anne%40example.org:p%3Aw@mail.example.org/Bounces")
    assert (place.user, place.password, place.port, place.folder) == (
        *("anne@example.org", "p:w", 993, "Bounces"),
    )
    assert "p:w" not in repr(place)
    for url in ("imap://a:secret@mail.example.org/", "http://a:secret@x/", "imaps:", "imaps://x:y"):
        with pytest.raises(SettingsError) as error:
            parse_imap(url)
        assert "secret" not in str(error.value)


async def test_one_mail_is_found_when_it_arrives_and_nothing_is_marked(dovecot: Dovecot) -> None:
    place = parse_imap(dovecot.url())
    waiting = asyncio.create_task(find_mail(place, "the-one", patience=30))
    for name in ("another", "the-one"):
        data = f"Message-ID: <{name}@example.org>\r\n\r\nText.\r\n".encode()
        await asyncio.to_thread(deliver, dovecot, BOX, data)
    found = await waiting
    assert found is not None
    assert b"<the-one@example.org>" in found
    assert not any("Seen" in one for one in flags(dovecot))
    assert await find_mail(place, "never-sent", patience=0.1) is None


async def test_a_mailbox_nobody_answers_for_is_an_error_at_once() -> None:
    place = parse_imap(f"imap://anne:secret@127.0.0.1:{free_port()}/INBOX")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(find_mail(place, "any", patience=1), 30)
