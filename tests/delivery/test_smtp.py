"""One session: four steps, an answer or a phase, and nothing on the wire but what belongs there."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import subprocess
from pathlib import Path

import aiosmtplib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.delivery.smtp import Answer, Letter, SmtpSession, is_path, open_session
from digest.errors import RelayError, SettingsError
from digest.rules.relay import parse_relay
from digest.rules.verdict import Phase
from tests.delivery.script import run
from tests.fakes.relay import FakeRelay

BODY = b"Subject: x\r\n\r\nHello\r\n"
LETTER = Letter("b-1@bounces.example.org", "anne@example.org", BODY)


async def dial(relay: FakeRelay, **keys: object) -> SmtpSession:
    return await open_session(parse_relay(relay.url(**keys)), helo="news.example.org")


async def send(session: SmtpSession, letter: Letter = LETTER) -> Answer:
    """Send one letter; what came of it, raised where it is an error."""
    (outcome,) = await run(session, letter)
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None
    return outcome


async def test_a_message_arrives_byte_for_byte() -> None:
    async with FakeRelay() as relay:
        session = await dial(relay)
        answer = await send(session)
        await session.quit()
    assert (answer.phase, answer.reply.code) == (Phase.DOT, 250)
    assert relay.ledger[0].data == BODY
    assert relay.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert relay.commands[1] == b"MAIL FROM:<b-1@bounces.example.org> SIZE=%d" % len(BODY)


async def test_nothing_is_written_when_it_may_not_start() -> None:
    async with FakeRelay() as relay:
        session = await dial(relay)
        assert await run(session, LETTER, may_start=False) == [None]
        await session.quit()
    assert relay.verbs() == ["EHLO", "QUIT"]


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT])
@pytest.mark.parametrize("silent", [False, True])
async def test_no_answer_tells_its_phase(phase: Phase, silent: bool) -> None:
    async with FakeRelay() as relay:
        relay.fault(phase.value.upper(), gate=asyncio.Event() if silent else None)
        session = await dial(relay, timeout=0.2 if silent else 10)
        with pytest.raises(RelayError) as caught:
            await send(session)
        assert not session.usable
        await session.quit()
    assert caught.value.phase == phase
    assert caught.value.blame == "relay"


@pytest.mark.parametrize("at", ["CONNECT", "EHLO"])
@pytest.mark.parametrize("reply", [None, "421 4.3.2 later", "554 5.7.1 not you", "what"])
async def test_a_relay_that_does_not_let_us_in_is_an_error_with_a_phase(
    at: str, reply: str | None
) -> None:
    async with FakeRelay() as relay:
        relay.fault(at, reply, close=True)
        with pytest.raises(RelayError) as caught:
            await dial(relay)
    assert caught.value.phase in (Phase.CONNECT, Phase.EHLO)


@pytest.mark.parametrize(
    "garbage",
    ["25", "hello", "2500 x", "250-a\r\n251 b", "²50 ok", "250-" + "x" * 70_000],
)
async def test_a_reply_that_is_none_ends_the_connection(garbage: str) -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", garbage)
        session = await dial(relay, timeout=1)
        with pytest.raises(RelayError) as caught:
            await send(session)
        await session.quit()
    assert caught.value.phase == Phase.RCPT
    assert not relay.ledger


async def test_a_reply_of_several_lines_is_one_reply() -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550-5.1.1 no such user\r\n550 5.1.1 at all")
        session = await dial(relay)
        answer = await send(session)
        await session.quit()
    assert str(answer.reply) == "550 5.1.1 no such user at all"


async def test_a_stray_reply_is_never_paired_with_a_later_command() -> None:
    async with FakeRelay() as relay:
        relay.fault("DATA", "354 go\r\n250 2.0.0 queued as FORGED")
        session = await dial(relay)
        with pytest.raises(RelayError) as caught:
            await send(session)
        await session.quit()
    assert caught.value.phase in (Phase.DATA, Phase.DOT)


async def test_421_ends_the_connection_and_is_the_answer() -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", "421 4.7.0 enough", close=True)
        session = await dial(relay)
        answer = await send(session)
        assert (answer.phase, answer.reply.code) == (Phase.RCPT, 421)
        assert not session.usable
        await session.quit()


async def test_an_address_beyond_ascii_needs_a_relay_that_takes_it() -> None:
    letter = Letter(LETTER.sender, "änne@example.org", BODY)
    async with FakeRelay(extensions=()) as plain, FakeRelay() as modern:
        session = await dial(plain)
        answer = await send(session, letter)
        await send(session)
        await session.quit()
        assert (answer.reply.status, answer.reply.code) == ("5.6.7", 553)
        assert len(plain.ledger) == 1
        session = await dial(modern)
        await send(session, letter)
        await session.quit()
    assert modern.ledger[0].recipient == "änne@example.org"
    assert modern.commands[1].endswith(b" SMTPUTF8")


async def test_a_message_over_the_announced_size_is_not_begun() -> None:
    async with FakeRelay(extensions=("SIZE 10",)) as relay:
        session = await dial(relay)
        answer = await send(session)
        await session.quit()
    assert (answer.phase, answer.reply.status) == (Phase.MAIL, "5.3.4")
    assert relay.verbs() == ["EHLO", "QUIT"]


BAD = [
    "anne@example.org>\r\nRCPT TO:<q@example.org",
    "anne@example.org\r\nDATA",
    "anne@example.org\nQUIT",
    "anne@example.org> SIZE=1",
    "anne@example.org\x00",
    "anne\x7f@example.org",
    "anne @example.org",
    "<anne@example.org>",
    "an\u2028ne@example.org",
    "an\u0085ne@example.org",
    "an\u202ene@example.org",
    "anne@exam\rple.org",
    "anne@exämple.org",
    "anne",
    "@example.org",
    "anne@",
    "",
    "a" * 65 + "@example.org",
    "anne@" + "e" * 260,
    '"anne x"@example.org',
    "anne@bart@example.org",
]


@pytest.mark.parametrize("address", BAD)
async def test_an_odd_address_reaches_no_wire(address: str) -> None:
    assert not is_path(address)
    async with FakeRelay() as relay:
        session = await dial(relay)
        answer = await send(session, Letter(LETTER.sender, address, BODY))
        with pytest.raises(SettingsError):
            await send(session, Letter(address, LETTER.recipient, BODY))
        await session.quit()
    assert (answer.phase, answer.reply.status) == (Phase.RCPT, "5.1.3")
    assert relay.verbs() == ["EHLO", "QUIT"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    address=st.text(max_size=40)
    | st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20))
    | st.sampled_from(BAD)
)
def test_no_address_ever_yields_another_command(address: str) -> None:
    async def scene() -> None:
        async with FakeRelay() as relay:
            session = await dial(relay)
            answer = await send(session, Letter(LETTER.sender, address, BODY))
            await session.quit()
        if is_path(address):
            assert relay.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
            assert relay.ledger[0].recipient == address
        else:
            assert answer.phase is Phase.RCPT
            assert relay.verbs() == ["EHLO", "QUIT"]

    asyncio.run(scene())


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A self-signed certificate of 127.0.0.1, which nobody trusts."""
    folder: Path = tmp_path_factory.mktemp("tls")
    done = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("openssl makes no certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.ca_file = str(folder / "cert.pem")  # type: ignore[attr-defined]  # for the test only
    return context


def with_login(relay: FakeRelay, **keys: object) -> str:
    return relay.url(**keys).replace("smtp://", "smtp://anne:hunter2@")


async def test_a_required_tls_that_is_not_offered_sends_nothing_in_clear() -> None:
    async with FakeRelay(login=("anne", "hunter2")) as relay:
        for tls in ("required", "opportunistic"):
            with pytest.raises(SettingsError) as caught:
                await open_session(parse_relay(with_login(relay, tls=tls)), helo="x.example")
            assert "STARTTLS" in caught.value.message
    assert set(relay.verbs()) == {"EHLO"}


async def test_an_untrusted_certificate_gets_no_password(certificate: ssl.SSLContext) -> None:
    async with FakeRelay(login=("anne", "hunter2"), certificate=certificate) as relay:
        for tls in ("required", "opportunistic"):
            with pytest.raises(SettingsError) as caught:
                await open_session(parse_relay(with_login(relay, tls=tls)), helo="x.example")
            assert "certificate" in caught.value.message
            assert "hunter2" not in str(caught.value)
    assert "AUTH" not in relay.verbs()


async def test_opportunistic_tls_without_a_password_takes_any_certificate(
    certificate: ssl.SSLContext,
) -> None:
    async with FakeRelay(certificate=certificate) as relay:
        session = await dial(relay, tls="opportunistic")
        await send(session)
        await session.quit()
    assert relay.verbs() == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert relay.ledger[0].data == BODY


async def test_with_a_trusted_certificate_we_log_in_after_tls(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate.ca_file)  # type: ignore[attr-defined]  # see above
    async with FakeRelay(login=("anne", "hunter2"), certificate=certificate) as relay:
        session = await open_session(
            parse_relay(with_login(relay, tls="required")), helo="x.example"
        )
        await send(session)
        await session.quit()
    verbs = relay.verbs()
    assert verbs.index("STARTTLS") < verbs.index("AUTH")
    assert len(relay.ledger) == 1


async def test_a_login_refused_for_now_is_no_wrong_setting() -> None:
    async with FakeRelay(login=("anne", "hunter2")) as relay:
        relay.fault("AUTH", "454 4.7.0 try later", times=None)
        with pytest.raises(RelayError) as caught:
            await open_session(parse_relay(with_login(relay)), helo="x.example")
    assert caught.value.phase == Phase.AUTH
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("code", ["535 5.7.8", "454 4.7.0"])
async def test_a_relay_that_repeats_the_login_puts_no_password_into_our_words(code: str) -> None:
    async with FakeRelay(login=("anne", "hunter2")) as relay:
        relay.fault("AUTH", f"{code} hunter2 is wrong, aHVudGVyMg== too", times=None)
        with pytest.raises((SettingsError, RelayError)) as caught:
            await open_session(parse_relay(with_login(relay)), helo="x.example")
    assert code in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "aHVudGVyMg" not in str(caught.value)


def test_aiosmtplib_has_the_names_we_rely_on() -> None:
    """Its constructor's keywords, its coroutines, its errors, and the transport we take over."""
    given = inspect.signature(aiosmtplib.SMTP).parameters
    wanted = ("hostname", "port", "local_hostname", "timeout", "use_tls", "start_tls")
    assert {*wanted, "tls_context"} <= given.keys()
    for name in ("connect", "ehlo", "starttls", "login"):
        assert inspect.iscoroutinefunction(getattr(aiosmtplib.SMTP, name))
        assert "timeout" in inspect.signature(getattr(aiosmtplib.SMTP, name)).parameters
    refused = aiosmtplib.SMTPAuthenticationError(535, "5.7.8 wrong")
    assert isinstance(refused, aiosmtplib.SMTPResponseException)
    assert (refused.code, refused.message) == (535, "5.7.8 wrong")
    assert issubclass(aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPException)
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=9)
    assert client.transport is None
    assert client.esmtp_extensions == {}
    assert not client.supports_extension("starttls")
    client.close()
