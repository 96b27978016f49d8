"""Why a server refused: codes, words and the command, and which of them is believed."""

from __future__ import annotations

import re

import pytest

from digest.mail.bounce import Reason
from digest.mail.bounce.classify import Command, classify, command_of, diagnosis, is_hard
from digest.mail.bounce.matching import Words
from digest.mail.bounce.provider_codes import PROVIDER_CODES
from digest.mail.bounce.reason import Rows
from digest.mail.bounce.reason_texts import DECISIVE, TEXTS


def _reason(text: str, command: Command = Command.RCPT) -> Reason:
    status = re.search(r"\d\.\d+\.\d+", text)
    return classify(text, status=status[0] if status else "", reply=text[:3], command=command)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 5.1.1 No such user", Reason.USER_UNKNOWN),
        ("550 5.1.2 Host is not known", Reason.HOST_UNKNOWN),
        ("550 5.1.6 Mailbox has moved", Reason.HAS_MOVED),
        ("550 5.1.10 Null MX", Reason.NOT_ACCEPT),
        ("552 5.2.2 Over quota", Reason.MAILBOX_FULL),
        ("552 5.1.1 mailbox is full", Reason.MAILBOX_FULL),
        ("550 5.2.1 This account is disabled", Reason.SUSPEND),
        ("550 5.2.1 User unknown", Reason.USER_UNKNOWN),
        ("552 5.3.4 Message too large", Reason.MESSAGE_TOO_BIG),
        ("550 5.4.4 Unable to route", Reason.HOST_UNKNOWN),
        ("554 5.4.6 Routing loop", Reason.NETWORK_ERROR),
        ("554 5.4.7 Delivery time expired", Reason.EXPIRED),
        ("550 5.6.0 Wrong content", Reason.CONTENT_ERROR),
        ("550 5.7.1 Client host rejected: blocked using zen.spamhaus.org", Reason.BLOCKED),
        ("550 5.1.1 blocked, see https://www.spamhaus.org/query/", Reason.BLOCKED),
        ("550 5.7.25 No PTR", Reason.REQUIRE_PTR),
        ("550 5.7.26 Unauthenticated email is not accepted", Reason.AUTH_FAILURE),
        ("550 5.7.515 Access denied, sending domain does not pass", Reason.AUTH_FAILURE),
        ("421 4.7.0 [TSS04] Messages temporarily deferred", Reason.SPEEDING),
        ("421 4.7.28 unusual rate of unsolicited mail", Reason.SPEEDING),
        ("554 5.7.1 Relay access denied", Reason.NO_RELAYING),
        ("554 Message contains a virus", Reason.VIRUS_DETECTED),
        ("554 5.7.1 This message looks like spam", Reason.SPAM_DETECTED),
        ("530 5.7.0 Must issue a STARTTLS command first", Reason.FAILED_STARTTLS),
        ("550 Unknown recipient", Reason.USER_UNKNOWN),
        ("550 Sender address rejected: Domain not found", Reason.REJECTED),
        ("550 Helo command rejected: Host not found", Reason.REJECTED),
        ("550 Message rejected: no such user", Reason.USER_UNKNOWN),
        ("554 Mailbox unavailable, host blocked", Reason.FILTERED),
        ("554 A message of no sense", Reason.ON_HOLD),
    ],
)
def test_a_refusal_has_the_reason_its_server_means(text: str, reason: Reason) -> None:
    assert _reason(text) is reason


def test_unknown_user_after_the_final_dot_is_no_dead_address_but_with_its_code() -> None:
    assert _reason("550 user unknown", Command.DATA) is Reason.FILTERED
    assert _reason("550 user unknown", Command.UNKNOWN) is Reason.FILTERED
    assert _reason("550 5.1.1 user unknown", Command.DATA) is Reason.USER_UNKNOWN


def test_a_refused_sender_blames_no_recipient() -> None:
    assert _reason("550 unknown user", Command.MAIL) is Reason.REJECTED
    assert _reason("550 unknown user", Command.CONNECT) is Reason.BLOCKED


def test_a_server_that_takes_a_message_means_the_senders_domain() -> None:
    assert _reason("550 5.2.0 From: Domain is invalid", Command.DATA) is Reason.REJECTED
    assert _reason("550 Host not found", Command.DATA) is Reason.REJECTED


def test_dns_that_has_no_answer_this_time_is_no_dead_domain() -> None:
    assert _reason("450 4.1.2 host not found") is Reason.NETWORK_ERROR
    assert _reason("550 5.1.2 host not found") is Reason.HOST_UNKNOWN


@pytest.mark.parametrize("name", ["spam", "virus-detected", "mailbox.full", "over", "dmarc"])
def test_the_name_of_an_address_decides_nothing(name: str) -> None:
    text = f"550 5.1.1 <{name}@example.org>: No such user"
    assert _reason(text) is Reason.USER_UNKNOWN
    assert name not in diagnosis(text)


def test_only_what_is_dead_is_hard() -> None:
    hard = {one for one in Reason if is_hard(one, status="5.0.0", reply="550")}
    assert hard == {
        *(Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.HAS_MOVED),
        Reason.NOT_ACCEPT,
    }
    assert not is_hard(Reason.NOT_ACCEPT, status="4.3.2", reply="421")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("(in reply to rcpt\n    to command)", Command.RCPT),
        ("(in reply to end of data command)", Command.DATA),
        (">>> data\n<<< 550 no", Command.DATA),
        ("... while talking to mx:\n<<< 554 no", Command.CONNECT),
        ("... while talking to mx:\n<<< 551 no", Command.UNKNOWN),
        ("192.0.2.7 failed after i sent the message.", Command.DATA),
        ("connected to 192.0.2.7 but greeting failed.", Command.CONNECT),
        ("after pipelined mail from:<x> size=1", Command.MAIL),
        (">>> rcpt to:<x>\n<<< 550 no\n>>> data\n<<< 503 need rcpt", Command.RCPT),
        ("after mail from:<x> size=1", Command.MAIL),
        ("host x said: 550 no", Command.UNKNOWN),
    ],
)
def test_the_refused_command_is_found(text: str, command: Command) -> None:
    assert command_of(text) is command


@pytest.mark.parametrize("rows", [PROVIDER_CODES, DECISIVE, TEXTS])
def test_every_phrase_of_the_tables_could_be_found(rows: Rows) -> None:
    phrases = [phrase for _, text in rows for phrase in " ".join(text.split()).split("|")]
    assert len(phrases) > 50
    for phrase in phrases:
        assert phrase.strip(), "a bar too many"
        assert phrase == phrase.lower()
        assert "@" not in phrase
        found = Words(f"550 {phrase.replace('*', 'with a gap')}").first_match(rows)
        assert found is not None, phrase


def test_there_are_36_reasons() -> None:
    assert len(Reason) == 36
