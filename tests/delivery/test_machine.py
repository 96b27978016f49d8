"""What this machine itself could keep a send from working by."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.delivery.machine import (
    examine_backups,
    examine_inbound,
    examine_issuer,
    examine_room,
)
from digest.errors import SettingsError
from digest.rules.doctor.checkup import CODES, Check, Light, forgiven
from digest.rules.relay import parse_relays
from digest.settings import load_settings
from digest.settings.groups import OidcSettings
from tests.fakes.issuer import an_issuer


def test_the_age_of_the_newest_copy_is_told(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert examine_backups(tmp_path, now=now).light is Light.YELLOW
    (tmp_path / "backups").mkdir()
    copy = tmp_path / "backups" / "digest.db"
    copy.write_bytes(b"a copy")
    assert examine_backups(tmp_path, now=now).light is Light.GREEN
    old = (now - timedelta(days=3)).timestamp()
    os.utime(copy, (old, old))
    assert examine_backups(tmp_path, now=now).light is Light.YELLOW


def test_disks_are_looked_at_once_each_also_for_folders_to_come(tmp_path: Path) -> None:
    (row,) = examine_room([tmp_path, tmp_path / "not" / "yet"])
    assert (row.code, "MB free" in row.found) == ("disk", True)


@pytest.mark.parametrize(
    ("inbound", "hooks", "relay", "light", "words"),
    [
        ({}, {}, "smtp://smtp.example.org", Light.YELLOW, "nothing takes bounces"),
        ({"maildir": Path("/no/such")}, {}, "smtp://x.example", Light.RED, "no such folder"),
        ({"maildir": Path("/")}, {}, "smtp://x.example", Light.GREEN, "Maildir"),
        ({"lmtp": "127.0.0.1:9"}, {}, "smtp://x.example", Light.YELLOW, "nothing listens"),
        ({"lmtp": "unix:/no/such"}, {}, "smtp://x.example", Light.YELLOW, "nothing listens"),
        ({}, {}, "smtp://x.example?profile=ses", Light.YELLOW, "DIGEST_HOOKS__SES_TOPIC"),
        ({}, {"ses_topic": "arn:x"}, "smtp://x.example?profile=ses", Light.GREEN, "webhook of ses"),
    ],
)
async def test_whatever_takes_bounces_is_named(
    inbound: dict, hooks: dict, relay: str, light: Light, words: str
) -> None:
    settings = load_settings(env_file=None)
    settings = settings.model_copy(
        update={
            "inbound": settings.inbound.model_copy(update=inbound),
            "hooks": settings.hooks.model_copy(update=hooks),
        }
    )
    row = await examine_inbound(settings, parse_relays(relay))
    assert (row.light, words in row.found) == (light, True), row


async def test_another_server_at_our_place_is_red() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = load_settings(env_file=None)
        inbound = settings.inbound.model_copy(update={"lmtp": at})
        row = await examine_inbound(settings.model_copy(update={"inbound": inbound}), ())
    assert (row.light, row.found) == (Light.RED, "what listens there is not LMTP")


def test_only_codes_there_are_may_be_ignored() -> None:
    red = [Check(code, "", Light.RED, "broken") for code in CODES]
    assert {one.light for one in forgiven(red, CODES)} == {Light.YELLOW}
    assert not any(one.blocks for one in forgiven(red, CODES))
    with pytest.raises(SettingsError, match="sfp"):
        forgiven(red, ["sfp"])


async def test_the_provider_of_sign_ins_is_asked_whether_it_is_the_one_we_know(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    settings = load_settings(env_file=None)
    assert await examine_issuer(settings, now=now) == []
    (tmp_path / "secret").write_text("the secret\n")
    async with an_issuer() as issuer:
        given = OidcSettings(
            issuer=issuer.url,
            client_id="digest",
            client_secret_file=tmp_path / "secret",
            allow="127.0.0.0/8",
        )

        async def look(**other: object) -> Check:
            oidc = given.model_copy(update=other)
            [row] = await examine_issuer(settings.model_copy(update={"oidc": oidc}), now=now)
            return row

        fine = await look()
        assert (fine.code, fine.light) == ("oidc", Light.GREEN)
        assert "/desk/sign-in/oidc/back" in fine.found
        inside = await look(allow="")
        assert (inside.light, "this machine" in inside.found) == (Light.RED, True)
        assert (await look(client_id="")).about == "DIGEST_OIDC__CLIENT_ID"
        assert (await look(client_secret_file=tmp_path / "none")).light is Light.RED
        assert (await look(issuer=issuer.url + "/")).light is Light.RED  # letter by letter
        assert (await look(role_claim="groups")).about == "DIGEST_OIDC__ROLES"
