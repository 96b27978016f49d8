"""Keys lie where only their owner reads them, and change without one mail that fails."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from digest.delivery.dkim_keys import KeyFolder, KeyState
from digest.errors import ConflictError, InputError, NotFoundError, SettingsError
from digest.mail.dkim import LIFETIME

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
DOMAIN = "news.example.org"


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "dkim")


@pytest.fixture
def pem(keys: KeyFolder, tmp_path: Path) -> Path:
    """The file of the key that signs."""
    key = keys.create(DOMAIN, now=NOW)
    return tmp_path / "dkim" / DOMAIN / f"{key.selector}.pem"


def selector(keys: KeyFolder) -> str:
    found = keys.signers().of(DOMAIN)
    assert found is not None
    return found.selector


def test_the_first_key_signs_at_once_and_only_its_owner_can_read_it(
    keys: KeyFolder, pem: Path
) -> None:
    (key,) = keys.keys(DOMAIN)
    assert (key.selector, key.state, key.bits) == ("d20261126", KeyState.ACTIVE, 2048)
    assert key.name == "d20261126._domainkey.news.example.org"
    assert key.record.startswith("v=DKIM1; k=rsa; p=")
    assert pem.stat().st_mode & 0o777 == 0o600
    assert pem.parent.stat().st_mode & 0o077 == 0
    assert selector(keys) == key.selector


def test_nothing_is_signed_where_there_is_no_key(keys: KeyFolder) -> None:
    assert not keys.signers()
    assert keys.signers().of(DOMAIN) is None
    assert keys.domains() == []
    with pytest.raises(NotFoundError, match="digest dkim new"):
        keys.keys(DOMAIN)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o620, 0o644])
def test_a_key_that_others_may_read_or_write_is_refused_at_start(
    keys: KeyFolder, pem: Path, mode: int
) -> None:
    pem.chmod(mode)
    with pytest.raises(SettingsError) as caught:
        keys.signers()
    assert caught.value.where == str(pem)
    assert caught.value.fix == f"chmod 600 {pem}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_somebody_else_is_refused(keys: KeyFolder, pem: Path) -> None:
    os.chown(pem, 12345, -1)
    with pytest.raises(SettingsError, match="another user"):
        keys.signers()


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_named(keys: KeyFolder, pem: Path, content: bytes) -> None:
    pem.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        keys.signers()
    assert caught.value.where == str(pem)


def test_a_key_that_is_not_rsa_is_refused(keys: KeyFolder, pem: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    pem.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(SettingsError, match="no RSA key"):
        keys.signers()


def test_a_key_that_is_gone_is_an_error_and_not_unsigned_mail(keys: KeyFolder, pem: Path) -> None:
    pem.unlink()
    with pytest.raises(SettingsError):
        keys.signers()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"active":"x"}', '{"active":1,"retired":2}'])
def test_a_broken_list_of_selectors_is_named(keys: KeyFolder, pem: Path, content: str) -> None:
    (pem.parent / "selectors.json").write_text(content)
    with pytest.raises(SettingsError, match="which key signs"):
        keys.signers()


def test_while_the_next_key_waits_for_its_record_the_old_one_signs(
    keys: KeyFolder, pem: Path
) -> None:
    following = keys.prepare_next(DOMAIN, now=NOW)
    assert (following.selector, following.state) == ("d20261126a", KeyState.NEXT)
    assert selector(keys) == "d20261126"
    assert keys.prepare_next(DOMAIN, now=NOW) == following, "asked again, it is the same key"
    assert [key.state for key in keys.keys(DOMAIN)] == [KeyState.ACTIVE, KeyState.NEXT]


def test_activated_the_next_key_signs_and_the_old_record_stays_until_no_mail_needs_it(
    keys: KeyFolder, pem: Path
) -> None:
    keys.prepare_next(DOMAIN, now=NOW)
    active = keys.activate_next(DOMAIN, now=NOW)
    assert active.state is KeyState.ACTIVE
    assert selector(keys) == active.selector == "d20261126a"
    old = keys.keys(DOMAIN)[1]
    assert (old.selector, old.state) == ("d20261126", KeyState.RETIRED)
    assert old.remove_at == NOW + LIFETIME
    assert old.remove_at - NOW >= timedelta(hours=48, days=7)


def test_the_next_rotation_forgets_keys_nobody_needs_any_more(keys: KeyFolder, pem: Path) -> None:
    keys.prepare_next(DOMAIN, now=NOW)
    keys.activate_next(DOMAIN, now=NOW)
    keys.prepare_next(DOMAIN, now=NOW + LIFETIME - timedelta(seconds=1))
    assert pem.exists()
    later = keys.prepare_next(DOMAIN, now=NOW + LIFETIME)
    assert not pem.exists()
    assert [key.selector for key in keys.keys(DOMAIN)] == ["d20261126a", later.selector]


def test_without_a_next_key_nothing_can_be_activated(keys: KeyFolder, pem: Path) -> None:
    with pytest.raises(NotFoundError, match="digest dkim rotate"):
        keys.activate_next(DOMAIN, now=NOW)
    assert selector(keys) == "d20261126"


def test_a_second_first_key_is_refused(keys: KeyFolder, pem: Path) -> None:
    before = pem.read_bytes()
    with pytest.raises(ConflictError):
        keys.create(DOMAIN, now=NOW)
    assert pem.read_bytes() == before


def test_a_key_of_a_domain_above_signs_and_the_nearest_one_first(keys: KeyFolder) -> None:
    keys.create("example.org", now=NOW)
    signers = keys.signers()
    above = signers.of("news.example.org")
    assert above is not None
    assert above.domain == "example.org"
    assert signers.of("EXAMPLE.org") is above
    assert signers.of("badexample.org") is None
    assert signers.of("org") is None
    keys.create(DOMAIN, now=NOW)
    nearest = keys.signers().of("weekly.news.example.org")
    assert nearest is not None
    assert nearest.domain == DOMAIN


@pytest.mark.parametrize("wrong", ["", "..", "../etc", "a/b", "localhost", "a b.example", "x\0.de"])
def test_what_is_no_domain_makes_no_folder(keys: KeyFolder, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InputError):
        keys.create(wrong, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_domain_in_any_script_is_kept_in_its_form_for_dns(keys: KeyFolder) -> None:
    assert keys.create("München.example.org", now=NOW).domain == "xn--mnchen-3ya.example.org"


def test_no_list_of_selectors_holds_a_secret(keys: KeyFolder, pem: Path) -> None:
    listed = json.loads((pem.parent / "selectors.json").read_text())
    assert listed == {"active": "d20261126", "retired": {}}
    assert "PRIVATE" not in repr(keys.keys(DOMAIN)) + repr(keys.signers().of(DOMAIN))
