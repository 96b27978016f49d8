"""Replies: the first digit decides, the rest explains."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.mail.reply import Reply, parse_reply, retry_after


def test_the_lines_of_a_reply_become_one_without_their_codes():
    reply = parse_reply(550, "5.1.1 The account you tried\n5.1.1 to reach does not exist")
    assert reply == Reply(550, "The account you tried to reach does not exist", "5.1.1")


def test_a_reply_as_it_stood_on_the_wire_is_understood_too():
    wire = b"550-5.7.26 This mail is\r\n550-5.7.26 unauthenticated\r\n550 5.7.26 see our page"
    assert parse_reply(550, wire) == Reply(
        550, "This mail is unauthenticated see our page", "5.7.26"
    )


@pytest.mark.parametrize(
    ("text", "status", "rest"),
    [
        ("5.1.1 No such user", "5.1.1", "No such user"),
        ("5.1.1: No such user", "5.1.1", "No such user"),
        ("5.1.1", "5.1.1", ""),
        ("4.7.500 Busy", "4.7.500", "Busy"),
        ("2.0.0 Ok: queued as 4F1", "2.0.0", "Ok: queued as 4F1"),
        ("No such user 5.1.1", None, "No such user 5.1.1"),
        ("5.1.1.1 is no status", None, "5.1.1.1 is no status"),
        ("3.1.1 is no status", None, "3.1.1 is no status"),
        ("5.1 is no status", None, "5.1 is no status"),
        ("55.1.1 is no status", None, "55.1.1 is no status"),
        ("5.1.1234 is no status", None, "5.1.1234 is no status"),
        ("5.1.1abc is no status", None, "5.1.1abc is no status"),
        ("", None, ""),
    ],
)
def test_the_enhanced_status_is_taken_from_the_start_only(text, status, rest):
    reply = parse_reply(550, text)
    assert (reply.status, reply.text) == (status, rest)


def test_a_line_with_another_status_keeps_it():
    assert parse_reply(550, "5.1.1 first\n5.7.1 second").text == "first 5.7.1 second"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (220, "positive"),
        (250, "positive"),
        (354, "transient"),
        (421, "transient"),
        (452, "transient"),
        (499, "transient"),
        (500, "permanent"),
        (554, "permanent"),
        (599, "permanent"),
        (0, "transient"),
        (199, "transient"),
        (999, "transient"),
        (-1, "transient"),
    ],
)
def test_the_first_digit_decides_and_what_is_no_answer_is_tried_again(code, kind):
    reply = parse_reply(code, "text")
    assert [k for k in ("positive", "transient", "permanent") if getattr(reply, k)] == [kind]


def test_a_permanent_status_in_a_temporary_reply_stays_temporary():
    reply = parse_reply(450, "5.1.1 Try later")
    assert reply.transient
    assert not reply.permanent
    assert reply.status == "5.1.1"


def test_controls_and_endless_texts_never_reach_a_log_or_a_database():
    reply = parse_reply(550, b"5.7.1 \x1b[31mred\0 \xff\xfe\r\n" + b"x" * 10_000_000)
    assert "\x1b" not in reply.text
    assert "\0" not in reply.text
    assert len(reply.text) <= 1_000
    endless = parse_reply(550, "5.7.1 no\n" * 100_000)
    assert len(endless.text) <= 1_000


@settings(deadline=None)
@given(st.integers(0, 999), st.one_of(st.text(), st.binary()))
def test_any_reply_becomes_one_line_that_can_be_stored(code, text):
    reply = parse_reply(code, text)
    assert reply.text.isprintable() or len(reply.text.splitlines()) == 1
    assert "\0" not in reply.text
    reply.text.encode()
    wait = retry_after(reply)
    assert wait is None or timedelta(seconds=1) <= wait <= timedelta(hours=24)


def test_a_reply_reads_as_a_line():
    assert str(parse_reply(550, "5.1.1 No such user")) == "550 5.1.1 No such user"
    assert str(parse_reply(250, "Ok")) == "250 Ok"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4.7.1 Greylisted, please try again in 300 seconds", 300),
        ("4.2.0 Greylisting in effect, please come back in 00:04:59", 299),
        ("Try again in 5 minutes", 300),
        ("try again later in 2 hours", 7200),
        ("Please retry after 10 min.", 600),
        ("Retry in 90s", 90),
        ("Greylisted for 5 minutes, see http://postgrey.example/", 300),
        ("Too many messages; wait 1 hour and try again", 3600),
        ("TRY AGAIN IN 1 MINUTE", 60),
        ("try again in 0 seconds", 1),
        ("try again in 3 hrs", 10_800),
        ("try again in 99 hours", 86_400),
        ("try again in 999999999 hours", 86_400),
        ("try again in 9999999999 seconds", None),
        ("try again in 5 apples", None),
        ("try again later", None),
        ("try again in a few minutes", None),
        ("5 minutes of fame", None),
        ("in 300 seconds this connection closes", None),
        ("", None),
    ],
)
def test_how_long_to_wait_is_read_from_the_text(text, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(parse_reply(451, text)) == expected


@pytest.mark.parametrize("code", [250, 550])
def test_nobody_waits_for_an_answer_that_stands(code):
    assert retry_after(parse_reply(code, "try again in 5 minutes")) is None


@settings(deadline=None)
@given(
    st.sampled_from([250, 451, 550]),
    st.from_regex(r"([245]\.\d{1,3}\.\d{1,3} )?[A-Za-z2:-][ !-~]{0,60}", fullmatch=True),
)
def test_a_usual_reply_is_read_as_one_that_needs_care(code, text):
    # A blank at the end is taken away with care, and nothing else differs.
    assert parse_reply(code, text) == parse_reply(code, text + " ")
