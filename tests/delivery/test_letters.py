"""Letters of an issue: one message for one reader, with the headers its relay wants."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from digest.delivery.letters import Letters
from digest.mail.tokens import KeyRing, Token, TokenKind
from digest.rules.relay import PROFILES, RelayProfile, parse_relay
from digest.store.deliveries import Claimed
from digest.store.session import Database
from tests.build import KEY, a_newsletter, an_issue

KEYS = KeyRing(KEY)
FIRST_CLAIM = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def a_row(version_id: int = 1, **fields: Any) -> Claimed:
    given: dict[str, Any] = {
        "row_id": 7,
        "version_id": version_id,
        "subscription_id": 9,
        "destination_id": 1,
        "maybe_sent": False,
        "address": "anne@example.org",
        "name": "Anne",
        "muted": (),
        "attempts": 1,
        "first_claimed_at": FIRST_CLAIM,
    }
    return Claimed(**given | fields)


async def letters_of_an_issue(database: Database) -> tuple[Letters, int]:
    stored = await an_issue(database, await a_newsletter(database))
    letters = Letters(database, KEYS)
    await letters.load({stored.version.id})
    return letters, stored.version.id


def parsed(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


async def composed(database: Database, profile: RelayProfile) -> EmailMessage:
    letters, version_id = await letters_of_an_issue(database)
    letter = letters.compose(a_row(version_id), profile)
    assert letter is not None
    assert max(map(len, letter.data.split(b"\r\n"))) < 998
    assert letter.data.isascii()
    return parsed(letter.data)


def the_token(text: str) -> Token | None:
    return KEYS.read(text)


async def test_a_letter_carries_its_rows_token_wherever_it_may_come_back(
    database: Database,
) -> None:
    letters, version_id = await letters_of_an_issue(database)
    letter = letters.compose(a_row(version_id))
    assert letter is not None
    token = letter.sender.removeprefix("b-").removesuffix("@bounces.news.example.org")
    assert the_token(token) == Token(TokenKind.DELIVERY, 7)
    assert parsed(letter.data)["Message-ID"] == f"<{token}@news.example.org>"
    assert not [name for name in parsed(letter.data) if name.lower().startswith("x-")]


@pytest.mark.parametrize("name", PROFILES)
async def test_every_profiles_headers_stand_once_in_a_letter_through_it(
    database: Database, name: str
) -> None:
    profile = PROFILES[name]
    mail = await composed(database, profile)
    for header, _ in profile.headers + profile.issue_headers:
        assert len(mail.get_all(header, [])) == 1
        assert "{token}" not in mail[header]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ses", lambda mail: mail["X-SES-MESSAGE-TAGS"].removeprefix("digest=")),
        ("postmark", lambda mail: mail["X-PM-Metadata-digest"]),
        ("mailgun", lambda mail: json.loads(mail["X-Mailgun-Variables"])["digest"]),
        ("sendgrid", lambda mail: json.loads(mail["X-SMTPAPI"])["unique_args"]["digest"]),
    ],
)
async def test_a_provider_that_keeps_no_message_id_gets_the_token_in_its_own_tag(
    database: Database, name: str, read: object
) -> None:
    mail = await composed(database, PROFILES[name])
    assert the_token(read(mail)) == Token(TokenKind.DELIVERY, 7)  # type: ignore[operator]  # there is one: it was just sent


async def test_no_provider_may_track_readers(database: Database) -> None:
    postmark = await composed(database, PROFILES["postmark"])
    assert (postmark["X-PM-TrackOpens"], postmark["X-PM-TrackLinks"]) == ("false", "None")


async def test_sendgrids_filters_are_all_off(database: Database) -> None:
    api = json.loads((await composed(database, PROFILES["sendgrid"]))["X-SMTPAPI"])
    filters = {name: one["settings"]["enable"] for name, one in api["filters"].items()}
    assert filters == {"clicktrack": 0, "opentrack": 0, "subscriptiontrack": 0}


async def test_names_given_at_a_provider_come_from_the_relays_url(database: Database) -> None:
    url = "smtp://email-smtp.eu-west-1.amazonaws.com?profile=ses&configuration_set=weekly"
    mail = await composed(database, parse_relay(url).profile)
    assert mail["X-SES-CONFIGURATION-SET"] == "weekly"
    assert mail["X-SES-MESSAGE-TAGS"].startswith("digest=")


async def test_two_relays_in_turn_get_each_its_own_headers(database: Database) -> None:
    letters, version_id = await letters_of_an_issue(database)
    bodies = set()
    for name in ("ses", "generic", "ses", "mailgun"):
        letter = letters.compose(a_row(version_id), PROFILES[name])
        assert letter is not None
        mail = parsed(letter.data)
        assert ("X-SES-MESSAGE-TAGS" in mail) == (name == "ses")
        assert ("X-Mailgun-Variables" in mail) == (name == "mailgun")
        bodies.add(letter.data.partition(b"\r\n\r\n")[2])
    assert len(bodies) == 1  # what was approved is what goes out, whoever carries it


async def test_who_muted_every_section_gets_none(database: Database) -> None:
    letters, version_id = await letters_of_an_issue(database)
    assert letters.compose(a_row(version_id, muted=("Industry", "Code"))) is None
    some = letters.compose(a_row(version_id, muted=("Industry", "Gone")), PROFILES["ses"])
    assert some is not None
    assert b"Title of the linked page" not in some.data
