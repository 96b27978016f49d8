"""Signed issues: every copy holds, a retry is the same bytes, and nothing else changes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import dkim
import pytest

from digest.delivery.dkim_keys import KeyFolder
from digest.delivery.signing import DkimSigning
from digest.store.session import Database
from tests.build import NOW
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay

BART = "bart@example.net"


@pytest.fixture
async def crowd(database: Database) -> Stage:
    stage = await set_stage(database, 40)
    await stage.start()
    return stage


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    """A key for the domain above that of the newsletter."""
    keys = KeyFolder(tmp_path / "dkim")
    keys.create("example.org", now=NOW)
    return keys


def holds(data: bytes, folder: KeyFolder) -> bool:
    (key,) = folder.keys("example.org")
    return bool(dkim.verify(data, dnsfunc=lambda name, timeout=5: key.record.encode()))


async def test_every_copy_is_signed_over_the_bytes_that_arrived(
    crowd: Stage, folder: KeyFolder
) -> None:
    signing = DkimSigning(folder.signers())
    async with FakeRelay() as relay:
        report = await crowd.send(relay, connections=8, signing=signing)
    assert report.totals.accepted == report.totals.planned == 40
    assert set(relay.recipients.values()) == {1}
    assert all(holds(taken.data, folder) for taken in relay.ledger)
    assert len({taken.data for taken in relay.ledger}) == 40


async def test_without_pipelining_every_copy_is_signed_too(crowd: Stage, folder: KeyFolder) -> None:
    signing = DkimSigning(folder.signers())
    async with FakeRelay(extensions=("SIZE 10000000",)) as relay:
        await crowd.send(relay, connections=1, signing=signing)
    assert len(relay.ledger) == 40
    assert all(holds(taken.data, folder) for taken in relay.ledger)


async def test_a_message_in_doubt_is_sent_again_as_the_same_bytes(
    crowd: Stage, folder: KeyFolder
) -> None:
    signing = DkimSigning(folder.signers())
    async with FakeRelay() as relay:
        relay.fault("DOT", to=BART, taken=True)
        await crowd.send(relay, connections=1, signing=signing)
        crowd.clock.jump(minutes=10)
        await crowd.send(relay, connections=1, signing=signing)
    first, second = (taken.data for taken in relay.ledger if taken.recipient == BART)
    assert first == second
    assert holds(second, folder)


async def test_mail_of_a_domain_without_a_key_goes_out_unsigned(
    crowd: Stage, tmp_path: Path
) -> None:
    keys = KeyFolder(tmp_path / "other")
    keys.create("elsewhere.example", now=NOW)
    async with FakeRelay() as relay:
        await crowd.send(relay, signing=DkimSigning(keys.signers()))
    assert len(relay.ledger) == 40
    assert not any(b"DKIM-Signature" in taken.data for taken in relay.ledger)


@pytest.mark.parametrize("always", [True, False])
async def test_a_relay_that_signs_itself_gets_its_fields_and_no_signature_unless_asked(
    crowd: Stage, folder: KeyFolder, always: bool
) -> None:
    signing = DkimSigning(folder.signers(), always=always)
    async with FakeRelay() as relay:
        url = relay.url(connections=3) + "&profile=postmark"
        report = await crowd.send(relay, url=url, signing=signing)
    assert report.totals.accepted == 40
    assert all(b"X-PM-Message-Stream: " in taken.data for taken in relay.ledger)
    assert {b"DKIM-Signature: " in taken.data for taken in relay.ledger} == {always}
    if always:
        assert all(holds(taken.data, folder) for taken in relay.ledger)


async def test_stopped_while_letters_are_signed_every_row_is_recorded(
    crowd: Stage, folder: KeyFolder
) -> None:
    stop = asyncio.Event()
    signing = DkimSigning(folder.signers())
    async with FakeRelay() as relay:
        relay.on_command = lambda line: stop.set() if line.startswith(b"MAIL") else None
        report = await crowd.sender(relay, signing=signing).send_issue(crowd.issue_id, stop=stop)
        assert report.totals.sending == 0
        assert report.totals.accepted == len(relay.ledger) < 40
        report = await crowd.send(relay, signing=signing)
    assert report.totals.accepted == 40
    assert set(relay.recipients.values()) == {1}


async def test_an_issue_written_a_day_early_is_dated_when_it_goes_out(
    database: Database, folder: KeyFolder
) -> None:
    stage = await set_stage(database, 3)
    stage.clock.jump(hours=24)
    began = stage.clock.now()
    await stage.start()
    async with FakeRelay() as relay:
        await stage.send(relay, signing=DkimSigning(folder.signers()))
    for taken in relay.ledger:
        dated = parsedate_to_datetime(taken.message["Date"])
        assert abs(dated - began) < timedelta(minutes=5)
