"""What replies mean: real ones, and the promise that our fault never counts against a reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.reply import Reply, parse_reply
from digest.rules.delivery import DeliveryState
from digest.rules.verdict import TABLE, Blame, Counts, Phase, Reason, judge
from tests.mail.test_bounce_replies import ALIVE, lines

ACCEPTED, DEFERRED, REJECTED = (
    DeliveryState.ACCEPTED,
    DeliveryState.DEFERRED,
    DeliveryState.REJECTED,
)

AT_RCPT = [
    ("550 5.1.1 The email account that you tried to reach does not exist", Reason.USER_UNKNOWN),
    ("550 5.1.1 <anne@example.org>: Recipient address rejected", Reason.USER_UNKNOWN),
    ("550 5.1.3 bad address", Reason.USER_UNKNOWN),
    ("551 5.1.6 mailbox has moved", Reason.HAS_MOVED),
    ("550 5.7.17 mailbox owner has changed", Reason.USER_UNKNOWN),
    ("550 No such user here", Reason.USER_UNKNOWN),
    ("550 user unknown", Reason.USER_UNKNOWN),
    ("553 sorry, no mailbox here by that name", Reason.USER_UNKNOWN),
    ("550 5.1.2 host unknown", Reason.HOST_UNKNOWN),
    ("556 5.1.10 null MX", Reason.HOST_UNKNOWN),
    ("556 domain does not accept mail", Reason.HOST_UNKNOWN),
    ("550 5.4.4 no route", Reason.HOST_UNKNOWN),
    ("550 5.2.1 The email account that you tried to reach is disabled", Reason.SUSPENDED),
    ("525 5.7.13 user account disabled", Reason.SUSPENDED),
    ("521 5.3.2 host does not accept mail", Reason.NOT_ACCEPTING),
    ("521 no mail here", Reason.NOT_ACCEPTING),
    ("550 5.2.0 content", Reason.FILTERED),
    ("550 5.0.0 something", Reason.UNDEFINED),
    ("550 something", Reason.UNDEFINED),
    ("452 4.2.2 over quota", Reason.MAILBOX_FULL),
    ("552 5.2.2 mailbox full", Reason.MAILBOX_FULL),
    ("552 5.2.3 too long", Reason.EXCEEDS_LIMIT),
    ("452 4.3.1 insufficient system storage", Reason.SYSTEM_FULL),
    ("451 4.3.0 try again", Reason.SYSTEM),
    ("451 4.4.1 no answer from host", Reason.NETWORK),
    ("550 5.4.7 delivery time expired", Reason.EXPIRED),
    ("421 4.7.0 unusual rate", Reason.SPEEDING),
    ("450 4.2.1 receiving mail at a rate", Reason.SPEEDING),
    ("451 4.3.2 system not accepting messages", Reason.SPEEDING),
    ("451 4.4.5 busy", Reason.SPEEDING),
    ("452 4.5.3 too many recipients", Reason.SPEEDING),
    ("421 service not available", Reason.SPEEDING),
    ("421 4.7.0 [TSS04] Messages temporarily deferred", Reason.SPEEDING),
    ("451 4.7.1 Greylisting in action, please come back later", Reason.GREYLISTED),
    ("450 greylisted, try again in 300 seconds", Reason.GREYLISTED),
    ("550 5.7.25 no PTR record", Reason.NO_PTR),
    ("550 5.7.26 unauthenticated email", Reason.NO_AUTHENTICATION),
    ("550 5.7.515 Access denied", Reason.NO_AUTHENTICATION),
    ("550 does not meet the required authentication level", Reason.NO_AUTHENTICATION),
    ("553 5.7.1 [BL21] Connections will not be accepted", Reason.BLOCKED),
    ("554 Service unavailable; Client host blocked using zen.spamhaus.org", Reason.BLOCKED),
    ("550 5.0.0 listed on spamhaus", Reason.BLOCKED),
    ("550 5.1.1 Client host 192.0.2.1 is blocked, see https://www.spamhaus.org", Reason.BLOCKED),
    ("550 5.1.1 <anne@example.org> is over quota", Reason.MAILBOX_FULL),
    # Exim asks our server about the sender, and repeats what that said.
    ("550 No Such User Here; Sender verify failed", Reason.SENDER),
    ("550 could not verify sender: user unknown", Reason.SENDER),
    ("550 callback to your server failed: no such user", Reason.SENDER),
    ("550 5.1.1 sender address does not exist", Reason.SENDER),
    ("550 Bad HELO - host unknown", Reason.SENDER),
    ("550 your domain does not exist", Reason.SENDER),
    ("550 Too many invalid recipients", Reason.SENDER),
    ("554 5.7.1 <anne@example.org>: Relay access denied", Reason.NO_RELAYING),
    ("550 5.7.29 TLS needed", Reason.NO_TLS),
    ("550 5.7.1 message looks like spam", Reason.SPAM),
    ("550 5.7.1 no thanks", Reason.POLICY),
    ("552 5.3.4 message too big", Reason.TOO_BIG),
    ("553 5.6.7 non-ASCII", Reason.NOT_ASCII),
    ("550 5.6.0 bad content", Reason.CONTENT),
    ("550 5.5.0 requested action not taken: mailbox unavailable", Reason.SYNTAX),
    ("530 5.7.0 authentication required", Reason.LOGIN),
    ("454 TLS not available", Reason.LOGIN),
]
HARD = {Reason.USER_UNKNOWN: Counts.HARD, Reason.HAS_MOVED: Counts.HARD}
OURS = {
    *(Reason.NO_PTR, Reason.NO_AUTHENTICATION, Reason.BLOCKED, Reason.NO_RELAYING, Reason.NO_TLS),
    *(Reason.SPAM, Reason.POLICY, Reason.TOO_BIG, Reason.CONTENT, Reason.SYNTAX, Reason.LOGIN),
    *(Reason.NOT_ASCII, Reason.SPEEDING, Reason.GREYLISTED, Reason.VIRUS, Reason.SENDER),
}


def read(line: str) -> Reply:
    return parse_reply(int(line[:3]), line[4:])


@pytest.mark.parametrize(("line", "reason"), AT_RCPT)
def test_a_real_reply_has_its_class(line: str, reason: Reason) -> None:
    assert judge(read(line), Phase.RCPT).reason is reason


@pytest.mark.parametrize(("line", "reason"), AT_RCPT)
def test_our_fault_counts_nothing_and_a_dead_address_is_hard(line: str, reason: Reason) -> None:
    verdict = judge(read(line), Phase.RCPT)
    if reason in OURS:
        assert verdict.counts is Counts.NOTHING
    if reason in HARD:
        assert verdict.counts is Counts.HARD
    assert (verdict.counts is Counts.HARD) == (reason in HARD)


@pytest.mark.parametrize("said", [one for one in lines(ALIVE) if one[:3].isdecimal()])
def test_what_is_full_refused_or_late_is_no_dead_address_in_our_own_session(said: str) -> None:
    counts = judge(read(said), Phase.RCPT).counts
    assert counts not in (Counts.HARD, Counts.HOST) or said.startswith("4")


@pytest.mark.parametrize("line", [line for line, _ in AT_RCPT if line.startswith("4")])
def test_a_4xx_reply_is_tried_again(line: str) -> None:
    assert judge(read(line), Phase.RCPT).state is DEFERRED


def test_a_5xx_status_in_a_4xx_reply_stays_temporary() -> None:
    assert judge(read("450 5.1.1 user unknown"), Phase.RCPT).state is DEFERRED


def test_a_4xx_status_in_a_5xx_reply_makes_it_temporary() -> None:
    assert judge(read("550 4.2.2 mailbox full"), Phase.RCPT).state is DEFERRED


def test_552_without_a_status_counts_as_temporary() -> None:
    assert judge(read("552 too many"), Phase.RCPT).state is DEFERRED


def test_a_demand_for_a_login_is_never_the_readers_rejection() -> None:
    verdict = judge(read("530 authentication required"), Phase.MAIL)
    assert (verdict.state, verdict.blame) == (DEFERRED, Blame.RELAY)


def test_a_refused_sender_blames_nobody_who_reads() -> None:
    verdict = judge(read("550 5.1.1 sender unknown"), Phase.MAIL)
    assert (verdict.state, verdict.blame, verdict.counts) == (
        REJECTED,
        Blame.RELAY,
        Counts.NOTHING,
    )


def test_an_answer_without_sense_is_tried_again_at_the_relays_expense() -> None:
    for code, phase in ((354, Phase.MAIL), (250, Phase.DATA), (199, Phase.DOT), (600, Phase.RCPT)):
        verdict = judge(Reply(code, "what"), phase)
        assert (verdict.state, verdict.blame) == (DEFERRED, Blame.RELAY)


def test_accepted_is_a_positive_reply_to_the_dot_only() -> None:
    assert judge(read("250 2.0.0 Ok"), Phase.DOT).state is ACCEPTED
    assert judge(read("250 2.0.0 Ok"), Phase.RCPT).state is DEFERRED


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])
def test_after_the_dot_five_codes_name_the_address(status: str) -> None:
    assert judge(Reply(550, "", status), Phase.DOT).blame is Blame.RECIPIENT


@given(
    code=st.integers(500, 599),
    status=st.none() | st.builds("5.{}.{}".format, st.integers(0, 7), st.integers(0, 600)),
    text=st.text(max_size=80) | st.sampled_from([line for line, _ in AT_RCPT]),
)
def test_after_the_dot_everything_else_blames_the_message(
    code: int, status: str | None, text: str
) -> None:
    verdict = judge(Reply(code, text, status), Phase.DOT)
    if status not in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"):
        assert verdict.blame is Blame.MESSAGE or verdict.state is DEFERRED
        assert verdict.blame is not Blame.RECIPIENT
        assert verdict.counts in (Counts.NOTHING, Counts.SOFT)


@given(
    code=st.integers(0, 999),
    status=st.none() | st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
    text=st.text(max_size=200),
    phase=st.sampled_from(list(Phase)),
)
def test_every_reply_has_a_verdict(code: int, status: str | None, text: str, phase: Phase) -> None:
    verdict = judge(Reply(code, text, status), phase)
    assert verdict.state in (ACCEPTED, DEFERRED, REJECTED)
    assert (verdict.state is ACCEPTED) == (verdict.blame is None)
    if verdict.state is REJECTED:
        assert 500 <= code <= 599


def test_every_row_of_the_table_can_be_reached_or_is_a_wider_net() -> None:
    reached = {judge(read(line), Phase.RCPT).reason for line, _ in AT_RCPT}
    assert {row.reason for row in TABLE} - reached <= {Reason.SENDER, Reason.VIRUS}


def test_a_long_hostile_text_is_judged_at_once() -> None:
    for text in ("user " * 200, "mailbox " + "x" * 900, "full " * 200, "relay " * 160):
        assert judge(Reply(550, text), Phase.RCPT).state is REJECTED
