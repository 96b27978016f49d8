"""The welcome: who has just confirmed gets it once, can leave by it, and nobody else gets it."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select, update

from digest.audience.leave import leave
from digest.delivery.notices import NoticeLetters
from digest.delivery.publish import prepare_issue
from digest.delivery.welcome import stop_welcome, store_welcome
from digest.errors import InputError, RefusedError
from digest.mail.tokens import KeyRing, Token, TokenKind
from digest.rules.delivery import IssueState
from digest.store.archive import show_issue
from digest.store.newsletters import Newsletter, newsletter_by_id, set_newsletter
from digest.store.notices import claim_notices
from digest.store.schema import issues, notices
from digest.store.session import Database
from tests.audience.test_signup import Place, place
from tests.build import KEY, NOW, PUBLIC_URL, a_newsletter, an_issue, issue_text, plan_deliveries

__all__ = ["place"]  # a fixture

WELCOME = issue_text().replace("number: 182", "slug: welcome").replace("#182", "greets you")


async def greets(db: Database, newsletter: Newsletter, text: str = WELCOME) -> None:
    prepared = prepare_issue(
        newsletter, text, path="welcome.md", media={}, public_url=PUBLIC_URL, page=False
    )
    async with db.begin() as session:
        await store_welcome(session, newsletter, prepared, now=NOW)


async def confirmed(place: Place, address: str = "anne@example.org") -> int:
    await place.sign_up(address)
    done = await place.confirm(await place.secret())
    assert done is not None
    return done.subscription.id


async def welcomes(db: Database) -> list[tuple[str, str]]:
    async with db.read() as session:
        query = select(notices.c.address, notices.c.state).where(notices.c.kind == "welcome")
        return [(row.address, str(row.state)) for row in await session.execute(query)]


async def test_who_confirms_is_greeted_once(place: Place) -> None:
    await greets(place.db, place.newsletter)
    await place.sign_up("anne@example.org")
    secret = await place.secret()
    assert await welcomes(place.db) == []
    await place.confirm(secret)
    await place.confirm(secret)
    assert await welcomes(place.db) == [("anne@example.org", "queued")]


async def test_without_a_welcome_nobody_is_greeted(place: Place) -> None:
    await confirmed(place)
    assert await welcomes(place.db) == []
    await greets(place.db, place.newsletter)
    async with place.db.begin() as session:
        await stop_welcome(session, await newsletter_by_id(session, place.newsletter.id))
    await confirmed(place, "bart@example.org")
    assert await welcomes(place.db) == []


async def test_the_mail_has_the_readers_own_way_out_and_no_page(place: Place) -> None:
    await greets(place.db, place.newsletter)
    subscription_id = await confirmed(place)
    keys = KeyRing(KEY)
    async with place.db.begin() as session:
        claimed = await claim_notices(session, worker_id=1, limit=10, now=NOW)
    [notice] = [one for one in claimed if one.kind == "welcome"]
    letter = await NoticeLetters(place.db, keys, public_url=PUBLIC_URL)(notice)
    message = message_from_bytes(letter.data, policy=policy.default)
    assert message["To"] == "anne@example.org"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    leave_by = str(message["List-Unsubscribe"]).rpartition("/u/")[2][:40]
    assert keys.read(leave_by) == Token(TokenKind.LEAVE, subscription_id)
    plain = message.get_body(("plain",))
    assert plain is not None
    words = plain.get_content()
    assert "/i/weekly/welcome" not in words
    assert f"{PUBLIC_URL}/p/" in words
    async with place.db.read() as session:
        assert await show_issue(session, place.newsletter.id, "welcome") is None


async def test_who_leaves_before_it_went_out_gets_none(place: Place) -> None:
    await greets(place.db, place.newsletter)
    subscription_id = await confirmed(place)
    await confirmed(place, "bart@example.org")
    await leave(place.db, subscription_id, source="one-click", clock=place.clock)
    assert sorted(await welcomes(place.db)) == [
        ("anne@example.org", "cancelled"),
        ("bart@example.org", "queued"),
    ]


async def test_a_later_text_greets_whoever_confirms_after_it(place: Place) -> None:
    await greets(place.db, place.newsletter)
    await confirmed(place)
    await greets(place.db, place.newsletter, WELCOME.replace("two items", "a new text"))
    await confirmed(place, "bart@example.org")
    async with place.db.read() as session:
        query = select(notices.c.params).where(notices.c.kind == "welcome")
        versions = [one["version_id"] for one in (await session.execute(query)).scalars()]
    assert len(set(versions)) == 2


async def test_what_is_unfinished_greets_nobody(database: Database) -> None:
    newsletter = await a_newsletter(database)
    with pytest.raises(RefusedError, match="not ready"):
        await greets(database, newsletter, WELCOME.replace("two items", "TODO"))
    with pytest.raises(InputError, match="no number"):
        await greets(database, newsletter, issue_text())
    without = await a_newsletter(database, "other", postal_address="")
    with pytest.raises(RefusedError, match="postal address"):
        await greets(database, without)
    async with database.read() as session:
        kept = await newsletter_by_id(session, newsletter.id)
    assert "welcome" not in kept.settings


async def an_issue_is_out(place: Place, number: int, *, ago: timedelta) -> int:
    """An issue that went out to those who were there; its version."""
    stored = await an_issue(place.db, place.newsletter, number)
    async with place.db.begin() as session:
        issue, version = stored.issue.id, stored.version.id
        await plan_deliveries(session, issue_id=issue, version_id=version, now=NOW - ago)
        sent = update(issues).where(issues.c.id == issue)
        await session.execute(
            sent.values(
                state=IssueState.FINISHED,
                approved_version_id=version,
                planned=1,
                planned_at=NOW - ago,
            )
        )
    return version


async def latest_sent(place: Place) -> list[tuple[str, int]]:
    async with place.db.read() as session:
        query = select(notices).where(notices.c.dedupe_key.like("latest %"))
        return [(row.address, row.params["version_id"]) for row in await session.execute(query)]


async def test_who_confirms_after_an_issue_went_out_is_sent_it_once(place: Place) -> None:
    async with place.db.begin() as session:
        await set_newsletter(session, place.newsletter.id, settings={"send_latest": 7})
    await an_issue_is_out(place, 181, ago=timedelta(days=9))
    version = await an_issue_is_out(place, 182, ago=timedelta(days=2))
    subscription = await confirmed(place)
    assert await latest_sent(place) == [("anne@example.org", version)]
    async with place.db.begin() as session:
        [mail] = [
            one
            for one in await claim_notices(session, worker_id=1, limit=9, now=NOW)
            if one.kind == "welcome"
        ]
    keys = KeyRing(KEY)
    letter = await NoticeLetters(place.db, keys, public_url=PUBLIC_URL)(mail)
    message = message_from_bytes(letter.data, policy=policy.default)
    assert "#182" in message["Subject"]
    token = str(message["List-Unsubscribe"]).rpartition("/u/")[2][:40]
    assert keys.read(token) == Token(TokenKind.LEAVE, subscription)
    # Left, and came back: never a second time.
    await leave(place.db, subscription, source="one-click", clock=place.clock)
    place.clock.time += timedelta(days=1)
    assert await confirmed(place) == subscription
    assert len(await latest_sent(place)) == 1


@pytest.mark.parametrize(("days", "ago"), [(0, 2), (7, 8)])
async def test_without_the_setting_or_long_after_nobody_is_sent_the_latest_issue(
    place: Place, days: int, ago: int
) -> None:
    async with place.db.begin() as session:
        await set_newsletter(session, place.newsletter.id, settings={"send_latest": days or None})
    await an_issue_is_out(place, 182, ago=timedelta(days=ago))
    await confirmed(place)
    assert await latest_sent(place) == []


async def test_who_had_the_issue_before_leaving_is_not_sent_it_again(place: Place) -> None:
    async with place.db.begin() as session:
        await set_newsletter(session, place.newsletter.id, settings={"send_latest": 7})
    subscription = await confirmed(place)
    await an_issue_is_out(place, 182, ago=timedelta(days=2))
    await leave(place.db, subscription, source="one-click", clock=place.clock)
    place.clock.time += timedelta(days=1)
    assert await confirmed(place) == subscription
    assert await latest_sent(place) == []
