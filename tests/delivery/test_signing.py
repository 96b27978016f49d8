"""Letters are signed ahead of the connections, by all processors, and each defect costs one."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digest.delivery.dkim_keys import KeyFolder, Signers
from digest.delivery.session import Letter
from digest.delivery.signing import DkimSigning, SigningRoom
from digest.errors import SettingsError
from digest.mail.dkim import LIFETIME
from digest.rules.relay import parse_relays
from digest.settings import DkimSettings, Settings

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
SIGNS_ITSELF = "smtp://relay.example.org?profile=ses"
DOES_NOT = "smtp://other.example.org?profile=postfix"


def sign(signing: DkimSigning, one: Letter) -> Letter:
    return signing.sign(one, first_claimed_at=NOW, now=NOW)


def letter(number: int = 1, domain: str = "news.example.org") -> Letter:
    data = f"From: A <a@{domain}>\r\nTo: anne@example.org\r\nX-Number: {number}\r\n\r\nText.\r\n"
    return Letter("b@bounces.example.org", "anne@example.org", data.encode())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with a key for example.org."""
    found = Settings(state_dir=tmp_path, _env_file=None)
    KeyFolder(found.dkim_folder).create("example.org", now=NOW)
    return found


@pytest.mark.parametrize(
    ("policy", "relays", "signs"),
    [
        ("auto", DOES_NOT, True),
        ("auto", SIGNS_ITSELF, False),
        ("auto", f"{SIGNS_ITSELF} {DOES_NOT}", True),
        ("always", SIGNS_ITSELF, True),
        ("never", DOES_NOT, False),
    ],
)
def test_mail_is_signed_unless_the_relay_does_it(
    settings: Settings, policy: str, relays: str, signs: bool
) -> None:
    settings.dkim = DkimSettings(sign=policy)
    signing = DkimSigning.of(settings, parse_relays(relays))
    assert bool(signing) is signs
    assert sign(signing, letter()).data.startswith(b"DKIM-Signature:") is signs


def test_the_signature_stands_before_the_very_bytes_that_were_signed(settings: Settings) -> None:
    signed = sign(DkimSigning.of(settings, parse_relays(DOES_NOT)), letter())
    assert signed.data.endswith(letter().data)
    assert b" d=example.org;" in signed.data
    assert (signed.sender, signed.recipient) == (letter().sender, letter().recipient)


def test_mail_of_a_domain_without_a_key_goes_out_as_it_is(settings: Settings) -> None:
    other = letter(domain="elsewhere.example")
    assert sign(DkimSigning.of(settings, parse_relays(DOES_NOT)), other) is other
    assert sign(DkimSigning(Signers()), letter()) == letter()


@pytest.mark.parametrize(("hours", "same"), [(0, True), (48, True), (49, False), (300, False)])
def test_a_retry_has_the_same_bytes_until_there_are_no_retries(
    settings: Settings, hours: int, same: bool
) -> None:
    signing = DkimSigning.of(settings, parse_relays(DOES_NOT))
    later = NOW + timedelta(hours=hours)
    again = signing.sign(letter(), first_claimed_at=NOW, now=later)
    assert (again == sign(signing, letter())) is same
    signed_at = NOW if same else later
    assert f" t={int(signed_at.timestamp())};".encode() in again.data
    assert signed_at + LIFETIME - later >= timedelta(days=7)


def test_a_key_others_can_read_stops_the_start(settings: Settings) -> None:
    (key,) = settings.dkim_folder.glob("*/*.pem")
    key.chmod(0o644)
    with pytest.raises(SettingsError, match="may read the key"):
        DkimSigning.of(settings, parse_relays(DOES_NOT))


def test_a_folder_elsewhere_is_named_by_its_setting(settings: Settings, tmp_path: Path) -> None:
    settings.dkim = DkimSettings(folder=tmp_path / "empty")
    assert not DkimSigning.of(settings, parse_relays(DOES_NOT))


async def test_each_row_gets_its_own_letter_and_a_defect_costs_one(settings: Settings) -> None:
    signing = DkimSigning.of(settings, parse_relays(DOES_NOT))

    def write(number: int) -> Letter | None:
        if number == 7:
            raise ValueError("row 7 is broken")
        return None if number == 9 else sign(signing, letter(number))

    room: SigningRoom[int] = SigningRoom(write)
    try:
        places = room.begin(range(50))
        for number, place in enumerate(places):
            if number == 7:
                with pytest.raises(ValueError, match="row 7"):
                    await place.wait()
                continue
            made = await place.wait()
            assert place.ready
            assert (made is None) is (number == 9)
            if made is not None:
                assert b"X-Number: %d\r\n" % number in made.data
    finally:
        room.close()


async def test_few_rows_are_shared_by_all_threads() -> None:
    together = threading.Barrier(2, timeout=10)

    def write(number: int) -> Letter | None:
        together.wait()  # passes only when two threads are here at once
        return letter(number)

    room: SigningRoom[int] = SigningRoom(write, threads=2)
    try:
        first, second = room.begin([1, 2])
        await asyncio.gather(first.wait(), second.wait())
    finally:
        room.close()


async def test_a_letter_is_not_taken_before_it_is_ready() -> None:
    go = threading.Event()

    def write(number: int) -> Letter | None:
        go.wait(10)
        return letter(number)

    room: SigningRoom[int] = SigningRoom(write)
    try:
        (place,) = room.begin([1])
        assert not place.ready
        with pytest.raises(RuntimeError, match="not ready"):
            place.letter()
        go.set()
        assert await place.wait() == letter(1)
    finally:
        go.set()
        room.close()
