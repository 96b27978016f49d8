"""``doctor --bounce`` with a real relay and a real LMTP server: out, back, understood."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from digest.cli.doctor_mail import send_and_wait
from digest.clock import Clock
from digest.delivery.machine import examine_inbound
from digest.inbound.lmtp import lmtp_server
from digest.rules.doctor.checkup import Light
from digest.rules.relay import parse_relays
from digest.runtime import Runtime
from digest.settings import load_settings
from digest.store.newsletters import get_newsletter
from digest.store.session import Database
from tests.build import a_newsletter, an_installation
from tests.delivery.stage import KEYS
from tests.fakes.relay import FakeRelay
from tests.inbound.returned import dsn


def returned(at: str, sender: str, recipient: str) -> None:
    """What an MTA does with a mailbox it does not have: a report, to the envelope's sender."""
    host, _, port = at.rpartition(":")
    with smtplib.LMTP(host, int(port)) as client:
        client.sendmail("", [sender], dsn(to=sender, address=recipient, returned=""))


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_bounce_is_awaited_until_it_was_understood(
    database: Database, comes_back: bool
) -> None:
    await an_installation(database, fingerprint=KEYS.fingerprint)
    await a_newsletter(database)
    async with FakeRelay() as relay:
        settings = load_settings(env_file=None).model_copy(update={"relay_url": relay.url()})
        runtime = Runtime(settings, database, KEYS, Clock(), parse_relays(relay.url()))
        async with database.read() as session:
            newsletter = await get_newsletter(session, None)

        async def bounce(at: str) -> None:
            while not relay.ledger:  # noqa: ASYNC110 - the relay has no event
                await asyncio.sleep(0.01)
            taken = relay.ledger[0]
            await asyncio.to_thread(returned, at, taken.sender, taken.recipient)

        async with lmtp_server(runtime.feedback_desk, "127.0.0.1:0") as at:
            inbound = settings.inbound.model_copy(update={"lmtp": at})
            listening = settings.model_copy(update={"inbound": inbound})
            assert (await examine_inbound(listening, ())).light is Light.GREEN
            back = asyncio.ensure_future(bounce(at)) if comes_back else None
            rows = await send_and_wait(runtime, newsletter, patience=20 if comes_back else 0)
            if back is not None:
                await back
    found = {row.code: row for row in rows}
    assert found["sent"].light is Light.GREEN
    assert found["bounce"].light is (Light.GREEN if comes_back else Light.RED)
    if comes_back:
        assert "by lmtp and was understood" in found["bounce"].found
    else:
        assert "digest run" in found["bounce"].fix
