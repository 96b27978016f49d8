"""Several messages over one session: the failure rules of pipelining (RFC 2920), each in a scene.

The relay is strict: MAIL inside a transaction is 503, and so is DATA without a recipient.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.delivery.session import Answer, Letter, SmtpSession
from digest.delivery.smtp import open_session
from digest.errors import RelayError
from digest.rules.relay import parse_relay
from digest.rules.verdict import Phase
from tests.delivery.script import Result, Script, Scripted, run
from tests.fakes.relay import FakeRelay

ANNE, BART, CRIS = "anne@example.org", "bart@example.net", "cris@example.com"
PLAIN = ("SIZE 52428800", "8BITMIME")


def letter(recipient: str) -> Letter:
    body = f"To: {recipient}\r\n\r\nHello\r\n".encode()
    return Letter("b-1@bounces.example.org", recipient, body)


LETTERS = (letter(ANNE), letter(BART), letter(CRIS))


async def dial(relay: FakeRelay, **keys: object) -> SmtpSession:
    return await open_session(parse_relay(relay.url(**keys)), helo="news.example.org")


async def send(relay: FakeRelay, *letters: Letter, **keys: object) -> list[Result]:
    session = await dial(relay, **keys)
    results = await run(session, *(letters or LETTERS))
    await session.quit()
    return results


def short(results: Sequence[Result]) -> list[str]:
    """``dot 250`` for an answer, ``dot lost`` for none."""
    return [
        f"{result.phase} lost" if isinstance(result, RelayError)
        else f"{result.phase} {result.reply.code}" if isinstance(result, Answer)
        else repr(result)
        for result in results
    ]  # fmt: skip


async def test_the_next_message_is_opened_before_the_last_is_answered() -> None:
    async with peer() as other:
        session = await open_session(parse_relay(other.url), helo="news.example.org")
        sending = asyncio.create_task(run(session, *LETTERS))
        assert await other.group() == [b"MAIL", b"RCPT", b"DATA"]
        other.say("250 ok", "250 ok", "354 go")
        assert await other.group() == [LETTERS[0].data, b"MAIL", b"RCPT", b"DATA"]
        other.say("250 taken", "250 ok", "250 ok", "354 go")
        assert await other.group() == [LETTERS[1].data, b"MAIL", b"RCPT", b"DATA"]
        other.say("250 taken", "250 ok", "250 ok", "354 go")
        assert await other.group() == [LETTERS[2].data]
        other.say("250 taken")
        assert short(await sending) == ["dot 250"] * 3


async def test_a_finished_message_never_waits_for_the_next() -> None:
    class Idle(Script):
        async def wait(self) -> Scripted | None:
            assert all(job.results for job in self.jobs[: self.given])
            return self._next()

    script = Idle([Scripted(one) for one in LETTERS], hurried=False)
    async with FakeRelay() as relay:
        session = await dial(relay)
        await session.run(script)
        await session.quit()
    assert short([job.result for job in script.jobs]) == ["dot 250"] * 3
    assert [taken.data for taken in relay.ledger] == [one.data for one in LETTERS]


async def test_without_the_extension_every_step_waits_for_its_answer() -> None:
    async with FakeRelay(extensions=PLAIN) as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", to=BART)
        assert short(await send(relay)) == ["dot 250", "rcpt 550", "dot 250"]
    assert relay.verbs()[4:] == ["MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]
    assert not relay.impatient


async def test_a_recipient_refused_inside_a_group_is_followed_by_rset() -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", to=BART)
        assert short(await send(relay)) == ["dot 250", "rcpt 550", "dot 250"]
    assert relay.verbs()[4:8] == ["MAIL", "RCPT", "DATA", "RSET"]
    assert list(relay.recipients) == [ANNE, CRIS]
    assert relay.connections == 1


async def test_a_relay_that_wants_a_body_for_nobody_gets_an_empty_one() -> None:
    async with FakeRelay(takes_data_for_nobody=True) as relay:
        relay.fault("RCPT", "550 5.1.1 no such user", to=BART)
        assert short(await send(relay)) == ["dot 250", "rcpt 550", "dot 250"]
    assert relay.verbs()[4:9] == ["MAIL", "RCPT", "DATA", ".", "MAIL"]
    assert list(relay.recipients) == [ANNE, CRIS]


async def test_nothing_is_left_open_when_the_last_recipient_is_refused() -> None:
    async with FakeRelay(takes_data_for_nobody=True) as relay:
        relay.fault("RCPT", "450 4.2.1 not now", to=CRIS)
        assert short(await send(relay)) == ["dot 250", "dot 250", "rcpt 450"]
    assert relay.verbs()[-2:] == [".", "QUIT"]


@pytest.mark.parametrize("lenient", [False, True])
async def test_a_sender_refused_inside_a_group_concerns_one_message(lenient: bool) -> None:
    async with FakeRelay(takes_data_for_nobody=lenient) as relay:
        refused = relay.fault("MAIL", "450 4.7.1 wait", times=0)

        def second(command: bytes) -> None:
            refused.times = int(command.startswith(b"MAIL") and relay.verbs().count("MAIL") == 2)

        relay.on_command = second
        assert short(await send(relay)) == ["dot 250", "mail 450", "dot 250"]
    assert "RSET" not in relay.verbs()
    assert list(relay.recipients) == [ANNE, CRIS]


async def test_data_refused_inside_a_group_is_followed_by_rset() -> None:
    async with FakeRelay() as relay:
        relay.fault("DATA", "451 4.3.0 later", to=BART)
        assert short(await send(relay)) == ["dot 250", "data 451", "dot 250"]
    assert "RSET" in relay.verbs()
    assert list(relay.recipients) == [ANNE, CRIS]


async def test_a_refused_message_is_not_mixed_up_with_its_neighbours() -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", "552 5.3.4 too big", to=BART)
        assert short(await send(relay)) == ["dot 250", "dot 552", "dot 250"]
    assert list(relay.recipients) == [ANNE, CRIS]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("RCPT", ["dot 250", "rcpt 421"]),
        ("DATA", ["dot 250", "data 421"]),
        ("DOT", ["dot 250", "dot 421", "mail lost"]),
    ],
)
@pytest.mark.parametrize("close", [False, True])
async def test_421_ends_the_connection_and_what_is_behind_it_is_not_sent(
    at: str, told: list[str], close: bool
) -> None:
    async with FakeRelay() as relay:
        relay.fault(at, "421 4.3.2 going down", to=BART, close=close)
        assert short(await send(relay)) == told
    assert list(relay.recipients) == [ANNE]


async def test_421_to_a_second_mail_says_nothing_about_its_message() -> None:
    async with FakeRelay() as relay:
        relay.fault(
            "DOT", "250 2.0.0 ok\r\n421 4.7.0 enough for one connection", to=ANNE, taken=True
        )
        assert short(await send(relay))[:2] == ["dot 250", "mail lost"]
    assert list(relay.recipients) == [ANNE]


async def test_lost_after_the_dot_only_that_message_is_in_doubt() -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", to=BART, taken=True)
        assert short(await send(relay)) == ["dot 250", "dot lost", "mail lost"]
    assert list(relay.recipients) == [ANNE, BART]


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
async def test_lost_before_its_body_a_message_is_certainly_not_sent(at: str) -> None:
    async with FakeRelay() as relay:
        relay.fault(at, to=BART)
        assert short(await send(relay)) == ["dot 250", f"{at.lower()} lost"]
    assert list(relay.recipients) == [ANNE]


@pytest.mark.parametrize("garbage", ["25", "hello", "250-a\r\n251 b", "199 odd", "354 go"])
async def test_nonsense_after_the_dot_is_doubt_and_ends_the_connection(garbage: str) -> None:
    async with FakeRelay() as relay:
        relay.fault("DOT", garbage, to=BART, taken=True)
        assert short(await send(relay)) == ["dot 250", "dot lost", "mail lost"]
    assert relay.connections == 1
    assert CRIS not in relay.recipients


@pytest.mark.parametrize("reply", ["250 2.0.0 what?", "199 odd", "hello"])
async def test_a_relay_out_of_step_gets_no_body(reply: str) -> None:
    async with FakeRelay() as relay:
        relay.fault("DATA", reply, to=BART)
        told = short(await send(relay))
    assert told[0] == "dot 250"
    assert told[1].startswith("data ")
    assert len(told) == 2
    assert list(relay.recipients) == [ANNE]


async def test_a_reply_nobody_asked_for_ends_the_connection() -> None:
    async with FakeRelay() as relay:
        relay.fault("DATA", "354 go\r\n250 2.0.0 FORGED", to=BART)
        told = short(await send(relay))
    assert told[0] == "dot 250"
    assert told[1] in ("data lost", "dot lost")
    assert len(told) == 2


async def test_a_relay_that_says_no_more_but_listens_is_gone() -> None:
    async with FakeRelay() as relay:
        relay.fault("RCPT", "250 2.1.5 ok", to=BART, half_close=True)
        assert short(await send(relay)) == ["dot 250", "data lost"]
    assert list(relay.recipients) == [ANNE]


@pytest.mark.parametrize(
    ("at", "told"), [("RCPT", ["rcpt lost"]), ("DOT", ["dot lost", "mail lost"])]
)
async def test_a_reply_that_drips_without_end_is_none(at: str, told: list[str]) -> None:
    async with FakeRelay() as relay:
        relay.fault(at, "250 2.0.0 wait", to=BART, drip=True)
        assert short(await send(relay, timeout=0.3)) == ["dot 250", *told]


async def test_whoever_may_not_start_is_left_out_right_before_mail() -> None:
    async with FakeRelay() as relay:
        jobs = [Scripted(one, allowed=one.recipient != BART) for one in LETTERS]
        session = await dial(relay)
        await session.run(Script(jobs))
        await session.quit()
    assert short([job.result for job in jobs]) == ["dot 250", "None", "dot 250"]
    assert b"RCPT TO:<bart@example.net>" not in relay.commands
    assert list(relay.recipients) == [ANNE, CRIS]


async def test_a_message_that_is_not_ours_any_more_is_cut_before_its_body() -> None:
    jobs = [Scripted(LETTERS[0]), Scripted(LETTERS[1], ours=False), Scripted(LETTERS[2])]
    async with FakeRelay() as relay:
        session = await dial(relay)
        await session.run(Script(jobs))
        assert not session.usable
        await session.quit()
    assert [taken.data for taken in relay.ledger] == [LETTERS[0].data]
    # Our own doing: nobody's answer, and no fault of the relay.
    assert short([job.result for job in jobs]) == ["dot 250", "None", "None"]


async def test_the_last_message_a_connection_takes_goes_out_whole() -> None:
    async with FakeRelay() as relay:
        assert short(await send(relay, per_connection=2)) == ["dot 250", "dot 250"]
    assert relay.verbs()[-1] == "QUIT"
    assert list(relay.recipients) == [ANNE, BART]


async def test_a_cut_by_us_leaves_one_message_in_doubt() -> None:
    async with FakeRelay() as relay:
        waits = relay.fault("DOT", to=BART, gate=asyncio.Event())
        session = await dial(relay)
        sending = asyncio.create_task(run(session, *LETTERS))
        await waits.reached.wait()
        session.abort()
        assert short(await sending) == ["dot 250", "dot lost", "mail lost"]


REPLIES = [None, "421 4.3.2 x", "450 4.2.1 x", "550 5.1.1 x", "250 2.0.0 x", "354 x", "what"]


@settings(max_examples=150, deadline=None)
@given(
    faults=st.lists(
        st.tuples(
            st.sampled_from(["MAIL", "RCPT", "DATA", "DOT", "RSET"]),
            st.sampled_from(REPLIES),
            st.sampled_from([ANNE, BART, CRIS]),
            st.booleans(),
        ),
        max_size=4,
    ),
    lenient=st.booleans(),
    pipelining=st.booleans(),
)
def test_whatever_the_relay_does_everyone_is_told_once_and_the_truth(
    faults: list[tuple[str, str | None, str, bool]], lenient: bool, pipelining: bool
) -> None:
    async def scene() -> None:
        extensions = ("PIPELINING", *PLAIN) if pipelining else PLAIN
        async with FakeRelay(extensions=extensions, takes_data_for_nobody=lenient) as relay:
            for at, reply, recipient, close in faults:
                to = recipient if at in ("RCPT", "DATA", "DOT") else None
                relay.fault(at, reply, to=to, close=close)
            told = await send(relay)
        for one, result in zip(LETTERS, told, strict=False):
            copies = relay.recipients[one.recipient]
            if isinstance(result, Answer):
                accepted = result.phase is Phase.DOT and result.reply.positive
                assert copies == accepted
            elif isinstance(result, RelayError) and result.phase != Phase.DOT:
                assert copies == 0
        assert all(relay.recipients[one.recipient] == 0 for one in LETTERS[len(told) :])

    asyncio.run(scene())


class Peer:
    """The other end of one connection, spoken by the scene itself."""

    def __init__(self) -> None:
        self.url = ""
        self.connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]

    def say(self, *lines: str) -> None:
        _, writer = self.connected.result()
        writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def group(self) -> list[bytes]:
        """What was sent up to a DATA or a final dot that nothing follows: bodies and verbs."""
        reader, _ = await self.connected
        found: list[bytes] = []
        data = await reader.read(1 << 16)
        body, dot, rest = data.rpartition(b"\r\n.\r\n")
        if dot:
            found.append(body + b"\r\n")
        return found + [line[:4] for line in rest.split(b"\r\n") if line]


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    """A peer that greets, offers PIPELINING, and leaves the rest to the scene."""
    other = Peer()
    other.connected = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 peer.example.org\r\n")
        await reader.readline()
        writer.write(b"250-peer.example.org\r\n250 PIPELINING\r\n")
        other.connected.set_result((reader, writer))

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    other.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}?tls=none&timeout=10"
    async with server:
        yield other
        (await other.connected)[1].close()
