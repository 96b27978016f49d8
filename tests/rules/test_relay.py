"""What a relay's URL says, and that it never shows its password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import SettingsError
from digest.mail.reply import parse_reply
from digest.rules.relay import PROFILES, Tls, parse_relay, parse_relays

SECRET = "hunter2/%&"


def test_a_bare_url_means_submission_with_tls() -> None:
    relay = parse_relay("smtp://smtp.example.org")
    assert (relay.host, relay.port, relay.tls) == ("smtp.example.org", 587, Tls.REQUIRED)
    assert not relay.implicit_tls
    assert relay.username is None


def test_every_key_is_read() -> None:
    relay = parse_relay(
        "smtp://anne:hunter2%2F%25%26@smtp.example.org:2525?tls=opportunistic&connections=16"
        "&per_connection=50&rate=10.5&per_hour=1000&per_day=5000&ramp=200,500,1k,2k&weight=3"
        "&timeout=20&profile=ses"
    )
    assert (relay.username, relay.password) == ("anne", SECRET)
    assert relay.name == "smtp.example.org:2525"
    assert (relay.tls, relay.connections, relay.per_connection) == (Tls.OPPORTUNISTIC, 16, 50)
    assert (relay.rate, relay.per_hour, relay.per_day) == (10.5, 1000, 5000)
    assert (relay.ramp, relay.weight, relay.timeout) == ((200, 500, 1000, 2000), 3, 20.0)
    assert relay.profile is PROFILES["ses"]


def test_a_relay_only_queues_unless_it_is_said_to_answer_for_the_destination() -> None:
    for query, answers in (("", False), ("?queues=yes", False), ("?queues=no", True)):
        profile = parse_relay(f"smtp://smtp.example.org{query}").profile
        assert profile.answers_for_destination is answers


def test_a_warm_up_may_be_written_with_its_dots() -> None:
    for dots in ("", "…", "..."):
        assert parse_relay(f"smtp://smtp.example.org?ramp=200,500,1k{dots}").ramp[-1] == 1000


def test_smtps_speaks_tls_from_the_first_byte() -> None:
    relay = parse_relay("smtps://smtp.example.org")
    assert relay.implicit_tls
    assert relay.port == 465


def test_several_relays_are_separated_by_blanks() -> None:
    assert [r.host for r in parse_relays("smtp://a.example  smtp://[::1]:25?tls=none")] == [
        "a.example",
        "::1",
    ]
    assert parse_relays("  ") == ()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://smtp.example.org", "smtp://"),
        ("smtp.example.org:25", "smtp://"),
        ("smtp://", "smtp://"),
        ("smtp://smtp.example.org:99999", "URL"),
        ("smtp://smtp.example.org/path", "path"),
        ("smtp://smtp.example.org?conections=4", "conections"),
        ("smtp://smtp.example.org?connections=0", "connections"),
        ("smtp://smtp.example.org?connections=many", "connections"),
        ("smtp://smtp.example.org?connections=4&connections=5", "twice"),
        ("smtp://smtp.example.org?rate=-1", "rate"),
        ("smtp://smtp.example.org?rate=nan", "rate"),
        ("smtp://smtp.example.org?timeout=inf", "timeout"),
        ("smtp://smtp.example.org?tls=maybe", "tls"),
        ("smtp://smtp.example.org?profile=acme", "profile"),
        ("smtp://smtp.example.org?ramp=1,x", "ramp"),
        ("smtp://smtp.example.org?ramp=200,100", "never fall"),
        ("smtp://smtp.example.org?queues=perhaps", "queues"),
        ("smtp://smtp.example.org?tls", "key=value"),
        ("smtps://smtp.example.org?tls=none", "TLS"),
        ("smtp://anne:hunter2@smtp.example.org?tls=none", "clear text"),
        ("smtp://anne%0d%0aRCPT:hunter2@smtp.example.org", "control"),
        ("smtp://exa%6dple.org", "host"),
        ("smtp://a.example smtp://a.example", "twice"),
        ("smtp://smtp.example.org?configuration_set=weekly", "profile=ses"),
        ("smtp://smtp.example.org?profile=postmark&configuration_set=weekly", "profile=ses"),
        ("smtp://smtp.example.org?profile=ses&stream=weekly", "profile=postmark"),
        ("smtp://smtp.example.org?profile=ses&configuration_set=a%0d%0aBcc:b", "configuration_set"),
        ("smtp://smtp.example.org?profile=ses&configuration_set=", "configuration_set"),
        ("smtp://smtp.example.org?profile=postmark&stream={token}", "stream"),
    ],
)
def test_a_wrong_url_is_explained(url: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_relays(url)
    error = caught.value
    assert named in error.message + error.fix
    assert error.where == "DIGEST_RELAY_URL"
    assert error.fix
    assert "hunter2" not in str(error)


def test_a_password_may_go_to_this_machine_in_clear() -> None:
    assert parse_relay("smtp://anne:hunter2@127.0.0.1:2525?tls=none").password == "hunter2"


def test_the_password_is_in_no_repr() -> None:
    relay = parse_relay("smtp://anne:hunter2@smtp.example.org")
    assert "hunter2" not in repr(relay) + str(relay) + relay.name


@given(st.text(max_size=60))
def test_any_text_is_read_or_explained(text: str) -> None:
    try:
        relays = parse_relays(text)
    except SettingsError as error:
        explained = error.fix
    else:
        explained = "".join(relay.host for relay in relays) or "none"
    assert explained


@pytest.mark.parametrize(
    ("profile", "text", "expected"),
    [
        ("generic", "2.0.0 Ok: queued as 4XyZ12abc", "4XyZ12abc"),
        ("postfix", "2.0.0 Ok: queued as 9F0E31", "9F0E31"),
        ("ses", "Ok 0102018c2f3a-1a2b3c4d-5e6f-000000", "0102018c2f3a-1a2b3c4d-5e6f-000000"),
        ("sendgrid", "Ok: queued as r9Kx-_Y.1", "r9Kx-_Y.1"),
        ("mailgun", "Great success", None),
        ("generic", "Message accepted", None),
    ],
)
def test_the_relays_id_is_read_from_the_final_reply(
    profile: str, text: str, expected: str | None
) -> None:
    assert PROFILES[profile].read_message_id(parse_reply(250, text)) == expected


def test_a_configuration_set_is_named_to_amazon_ses_with_every_message() -> None:
    profile = parse_relay("smtp://smtp.example.org?configuration_set=weekly&profile=ses").profile
    assert profile.headers[0] == ("X-SES-CONFIGURATION-SET", "weekly")
    assert profile.headers[1:] == PROFILES["ses"].headers


def test_a_stream_of_postmark_is_for_issues_only() -> None:
    profile = parse_relay("smtp://smtp.example.org?profile=postmark&stream=weekly").profile
    assert profile.issue_headers == (("X-PM-Message-Stream", "weekly"),)
    assert "X-PM-Message-Stream" not in dict(profile.headers)
    assert PROFILES["postmark"].issue_headers == (("X-PM-Message-Stream", "broadcast"),)


def test_every_profile_that_has_tags_puts_our_token_in_one() -> None:
    for profile in PROFILES.values():
        tagged = [name for name, value in profile.headers if "{token}" in value]
        assert len(tagged) == (1 if profile.feedback.startswith("webhook") else 0)
