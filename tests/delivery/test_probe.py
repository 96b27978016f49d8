"""What is said of a relay that is shut, shows a wrong certificate, or does not let us in."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.delivery.probe import probe
from digest.rules.doctor.checkup import Check, Light
from digest.rules.relay import parse_relay
from tests.fakes.certificates import Authority
from tests.fakes.relay import FakeRelay, Fault


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate)
    return made


async def rows(url: str, *ports: int) -> dict[str, Check]:
    now = datetime.now(UTC)
    return {
        one.code: one
        for one in await probe(parse_relay(url), helo="news.example.org", now=now, ports=ports)
    }


async def test_a_relay_in_order_is_green_and_nothing_is_sent(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trusted))
    tls = context(authority.certificate())
    async with FakeRelay(certificate=tls, login=("anne", "secret")) as relay:
        found = await rows(f"smtp://anne:secret@127.0.0.1:{relay.port}")
        assert {one.light for code, one in found.items() if code != "relay-tls"} == {Light.GREEN}
        # the certificate of tests ends in a day
        assert found["relay-tls"].light is Light.YELLOW
        assert "ends in" in found["relay-tls"].found
        assert "MAIL" not in relay.verbs()


@pytest.mark.parametrize(
    ("host", "expired", "words", "fix"),
    [
        ("127.0.0.1", True, "the certificate ended on", "renewed"),
        ("mx.other.example", False, "for mx.other.example, not for 127.0.0.1", "mx.other.example"),
    ],
)
async def test_a_wrong_certificate_is_named_and_no_login_is_shown_to_it(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    expired: bool,
    words: str,
    fix: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trusted))
    tls = context(authority.certificate(host, expired=expired))
    async with FakeRelay(certificate=tls, login=("anne", "secret")) as relay:
        found = await rows(f"smtp://anne:secret@127.0.0.1:{relay.port}")
        assert found["relay-tls"].light is Light.RED
        assert words in found["relay-tls"].found
        assert fix in found["relay-tls"].fix
        assert found["relay-tls"].blocks
        assert "AUTH" not in relay.verbs()


async def test_a_certificate_nobody_trusts_is_red(authority: Authority) -> None:
    async with FakeRelay(certificate=context(authority.certificate())) as relay:
        found = await rows(f"smtp://127.0.0.1:{relay.port}")
    assert found["relay-tls"].light is Light.RED
    assert "nobody this machine trusts" in found["relay-tls"].found


async def test_a_relay_without_tls_is_red_where_it_is_required() -> None:
    async with FakeRelay() as relay:
        found = await rows(f"smtp://127.0.0.1:{relay.port}")
    assert (found["relay-tls"].light, "STARTTLS" in found["relay-tls"].found) == (Light.RED, True)


async def test_a_wrong_password_is_red_and_not_repeated(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.trusted))
    tls = context(authority.certificate())
    refuses = Fault("AUTH", "535 5.7.8 hunter2 is no password of anne", times=None)
    async with FakeRelay(refuses, certificate=tls, login=("anne", "secret")) as relay:
        found = await rows(f"smtp://anne:hunter2@127.0.0.1:{relay.port}")
    assert found["relay-login"].light is Light.RED
    assert "hunter2" not in str(found)


async def test_a_shut_port_is_named_with_one_that_answers() -> None:
    async with FakeRelay() as relay, FakeRelay() as shut:
        port = shut.port
        await shut.stop()
        found = await rows(f"smtp://127.0.0.1:{port}?tls=none", relay.port)
    row = found["relay-reach"]
    assert row.light is Light.RED
    assert f"port {port} does not answer" in row.found
    assert f"port {relay.port} does" in row.found
    assert f":{relay.port}" in row.fix
