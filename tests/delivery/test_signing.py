"""Letters are signed ahead of the connections, by all processors, and each defect costs one."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.delivery.dkim_keys import KeyFolder
from digest.delivery.session import Letter
from digest.delivery.signing import DkimSigning, SigningRoom
from digest.errors import SettingsError
from digest.mail.dkim import LIFETIME, OVERSIGNED, SIGNED
from digest.rules.relay import PROFILES, parse_relays
from digest.settings import Settings
from digest.settings.groups import DkimSettings

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
SIGNS_ITSELF = "smtp://relay.example.org?profile=ses"
DOES_NOT = "smtp://other.example.org?profile=postfix"


def letter(number: int = 1, domain: str = "news.example.org") -> Letter:
    data = f"From: A <a@{domain}>\r\nTo: anne@example.org\r\nSubject: {number}\r\n\r\nText.\r\n"
    return Letter("b@bounces.example.org", "anne@example.org", data.encode())


def sign(signing: DkimSigning, one: Letter) -> bytes:
    return signing.signature(one, first_claimed_at=NOW, now=NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with a key for example.org."""
    found = Settings(state_dir=tmp_path, _env_file=None)
    KeyFolder(found.dkim_folder).create("example.org", now=NOW)
    return found


@pytest.mark.parametrize(
    ("policy", "relays", "through_ses", "through_postfix"),
    [
        ("auto", DOES_NOT, False, True),
        ("auto", SIGNS_ITSELF, False, False),
        ("auto", f"{SIGNS_ITSELF} {DOES_NOT}", False, True),
        ("always", SIGNS_ITSELF, True, True),
        ("never", DOES_NOT, False, False),
    ],
)
def test_mail_is_signed_unless_its_relay_does_it(
    settings: Settings, policy: str, relays: str, through_ses: bool, through_postfix: bool
) -> None:
    settings.dkim = DkimSettings(sign=policy)
    signing = DkimSigning.of(settings, parse_relays(relays))
    assert signing.wanted(PROFILES["ses"]) is through_ses
    assert signing.wanted(PROFILES["postfix"]) is through_postfix
    assert bool(signing) is (through_ses or through_postfix)


def test_the_key_of_a_domain_above_signs(settings: Settings) -> None:
    signature = sign(DkimSigning.of(settings, parse_relays(DOES_NOT)), letter())
    assert signature.startswith(b"DKIM-Signature: ")
    assert b" d=example.org;" in signature


def test_mail_of_a_domain_without_a_key_has_no_signature(settings: Settings) -> None:
    other = letter(domain="elsewhere.example")
    assert sign(DkimSigning.of(settings, parse_relays(DOES_NOT)), other) == b""
    assert sign(DkimSigning(), letter()) == b""
    assert not DkimSigning()


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_signature_holds_whatever_fields_a_relay_gets(profile: str) -> None:
    covered = {name.lower() for name in (*OVERSIGNED, *SIGNED)}
    found = PROFILES[profile]
    assert not covered & {name.lower() for name, _ in found.headers + found.issue_headers}


@pytest.mark.parametrize(("hours", "same"), [(0, True), (48, True), (49, False), (300, False)])
def test_a_retry_has_the_same_signature_until_there_are_no_retries(
    settings: Settings, hours: int, same: bool
) -> None:
    signing = DkimSigning.of(settings, parse_relays(DOES_NOT))
    later = NOW + timedelta(hours=hours)
    again = signing.signature(letter(), first_claimed_at=NOW, now=later)
    assert (again == sign(signing, letter())) is same
    signed_at = NOW if same else later
    assert f" t={int(signed_at.timestamp())};".encode() in again
    assert signed_at + LIFETIME - later >= timedelta(days=7)


def test_a_key_others_can_read_stops_the_start(settings: Settings) -> None:
    (key,) = settings.dkim_folder.glob("*/*.pem")
    key.chmod(0o644)
    with pytest.raises(SettingsError, match="may read the key"):
        DkimSigning.of(settings, parse_relays(DOES_NOT))


def test_a_folder_elsewhere_is_named_by_its_setting(settings: Settings, tmp_path: Path) -> None:
    settings.dkim = DkimSettings(folder=tmp_path / "empty")
    assert not DkimSigning.of(settings, parse_relays(DOES_NOT))


async def test_each_row_gets_its_own_signature_and_a_defect_costs_one(settings: Settings) -> None:
    signing = DkimSigning.of(settings, parse_relays(DOES_NOT))

    def work(number: int) -> bytes:
        if number == 7:
            raise ValueError("row 7 is broken")
        return b"" if number == 9 else sign(signing, letter(number))

    room: SigningRoom[int] = SigningRoom(work)
    try:
        places = room.begin(range(50))
        for number, place in enumerate(places):
            await place.wait()
            assert place.ready
            if number == 7:
                with pytest.raises(ValueError, match="row 7"):
                    place.signature()
            else:
                expected = b"" if number == 9 else sign(signing, letter(number))
                assert place.signature() == expected
    finally:
        room.close()


async def test_few_rows_are_shared_by_all_threads() -> None:
    together = threading.Barrier(2, timeout=10)

    def work(number: int) -> bytes:
        together.wait()  # passes only when two threads are here at once
        return b"%d" % number

    room: SigningRoom[int] = SigningRoom(work, threads=2)
    try:
        first, second = room.begin([1, 2])
        await asyncio.gather(first.wait(), second.wait())
        assert (first.signature(), second.signature()) == (b"1", b"2")
    finally:
        room.close()


async def test_a_signature_is_not_taken_before_it_is_ready() -> None:
    go = threading.Event()

    def work(number: int) -> bytes:
        go.wait(10)
        return b"%d" % number

    room: SigningRoom[int] = SigningRoom(work)
    try:
        (place,) = room.begin([1])
        assert not place.ready
        with pytest.raises(RuntimeError, match="not ready"):
            place.signature()
        go.set()
        await place.wait()
        assert place.signature() == b"1"
    finally:
        go.set()
        room.close()
