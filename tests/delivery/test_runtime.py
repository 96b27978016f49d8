"""What a running installation is made of, and what keeps it from starting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from digest.delivery.plan import start_issue
from digest.delivery.sender import Sender
from digest.errors import DatabaseError, SettingsError
from digest.runtime import open_runtime
from digest.settings import Settings
from digest.store.session import Database
from tests.build import KEY
from tests.delivery.stage import set_stage
from tests.fakes.relay import FakeRelay


def settings_for(url: str, **more: object) -> Settings:
    given: dict[str, Any] = {"database_url": url, "secret_key": KEY} | more
    return Settings(_env_file=None, **given)


async def test_an_issue_goes_out_through_the_runtime(database: Database, database_url: str) -> None:
    stage = await set_stage(database)
    async with (
        FakeRelay() as relay,
        open_runtime(settings_for(database_url, relay_url=relay.url())) as runtime,
    ):
        now = runtime.clock.now()
        await start_issue(runtime.db, stage.issue_id, now=now, gate=runtime.gate)
        report = await Sender.of(runtime).send_issue(stage.issue_id)
    assert report.exit_code == 0
    assert list(report.as_dict())[:4] == ["planned", "accepted", "rejected", "deferred"]
    assert list(report.as_dict())[-2:] == ["seconds", "messages_per_second"]
    assert len(relay.ledger) == 3


async def test_another_key_refuses_to_start(database_url: str) -> None:
    async with open_runtime(settings_for(database_url)):
        pass
    wrong = settings_for(database_url, secret_key="z" * 32)
    with pytest.raises(SettingsError):
        async with open_runtime(wrong):
            pass


async def test_a_database_without_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError):
        async with open_runtime(settings_for(f"sqlite:///{tmp_path / 'none.db'}")):
            pass


async def test_no_relay_is_no_error_until_something_is_to_be_sent(sqlite_url: str) -> None:
    async with open_runtime(settings_for(sqlite_url)) as runtime:
        assert runtime.relays == ()


async def test_a_wrong_relay_url_is_an_error_at_once(sqlite_url: str) -> None:
    with pytest.raises(SettingsError):
        async with open_runtime(settings_for(sqlite_url, relay_url="http://x")):
            pass
