"""What others would meet holds an issue back, but only where real mail goes to real readers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from digest.clock import Clock
from digest.delivery import checks
from digest.delivery.checks import Gate
from digest.delivery.plan import start_issue
from digest.errors import RefusedError
from digest.rules.doctor.checkup import Check, Light, Record
from digest.rules.relay import parse_relays
from digest.runtime import Runtime
from digest.settings import load_settings
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL
from tests.delivery.stage import KEYS, set_stage
from tests.fakes.names import NameServer

GATE = Gate(parse_relays("smtp://smtp.example.org:587"), KEYS, PUBLIC_URL)
RECORD = Record("_dmarc.news.example.org", "TXT", "v=DMARC1; p=none")


def seeing(*rows: Check) -> Gate:
    async def look(from_address: str, return_path: str) -> list[Check]:
        assert from_address == "hello@news.example.org"
        assert return_path == "b-{token}@bounces.news.example.org"
        return list(rows)

    return replace(GATE, outside=look)


async def test_a_red_row_holds_the_issue_back_and_names_the_record(database: Database) -> None:
    stage = await set_stage(database)
    red = Check("dmarc", "news.example.org", Light.RED, "there is no policy", "Publish:", (RECORD,))
    with pytest.raises(RefusedError) as caught:
        await start_issue(database, stage.issue_id, now=NOW, gate=seeing(red))
    assert "_dmarc.news.example.org TXT v=DMARC1; p=none" in str(caught.value)
    assert not await stage.rows()
    green = replace(red, light=Light.YELLOW)
    full_disk = Check("disk", "/", Light.RED, "5 MB free")
    started = await start_issue(database, stage.issue_id, now=NOW, gate=seeing(green, full_disk))
    assert started.planned == 3


async def test_an_issue_on_its_way_is_not_looked_at_again(database: Database) -> None:
    stage = await set_stage(database)
    await start_issue(database, stage.issue_id, now=NOW, gate=GATE)
    red = Check("spf", "bounces.news.example.org", Light.RED, "no SPF record")
    again = await start_issue(database, stage.issue_id, now=NOW, gate=seeing(red))
    assert (again.fresh, again.planned) == (False, 3)


async def test_who_tells_nothing_in_time_holds_nothing_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await set_stage(database)
    monkeypatch.setattr(checks, "OUTSIDE_PATIENCE", 0.01)

    async def never(_from: str, _path: str) -> list[Check]:
        await asyncio.Event().wait()
        return []

    gate = replace(GATE, outside=never)
    assert (await start_issue(database, stage.issue_id, now=NOW, gate=gate)).planned == 3


@pytest.mark.parametrize(
    ("relay", "public_url", "looks"),
    [
        ("smtp://smtp.example.org:587", "https://news.example.org", True),
        ("smtp://127.0.0.1:25?tls=none", "https://news.example.org", False),
        ("smtp://smtp.example.org:587", "http://127.0.0.1:8000", False),
    ],
)
async def test_only_mail_to_others_with_links_they_can_open_is_looked_at(
    database: Database, relay: str, public_url: str, looks: bool
) -> None:
    settings = load_settings(env_file=None).model_copy(
        update={"relay_url": relay, "public_url": public_url}
    )
    runtime = Runtime(settings, database, KEYS, Clock(), parse_relays(relay))
    assert (runtime.gate.outside is not None) is looks


async def test_a_broken_domain_holds_an_issue_back_by_its_real_records(
    database: Database, tmp_path: Path
) -> None:
    stage = await set_stage(database)
    relay = "smtp://127.0.0.2.invalid:25?tls=none&addresses=192.0.2.25&timeout=1"
    with NameServer({}) as names:
        settings = load_settings(env_file=None)
        dns = settings.dns.model_copy(update={"nameserver": f"127.0.0.1:{names.port}"})
        settings = settings.model_copy(
            update={
                "dns": dns,
                "relay_url": relay,
                "public_url": "https://news.example.org",
                "state_dir": tmp_path,
            }
        )
        runtime = Runtime(settings, database, KEYS, Clock(), parse_relays(relay))
        with pytest.raises(RefusedError) as caught:
            await start_issue(database, stage.issue_id, now=NOW, gate=runtime.gate)
    assert caught.value.where == "spf"
    assert "v=spf1 ip4:192.0.2.25 ~all" in str(caught.value)
