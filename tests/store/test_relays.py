"""What was learned about a relay outlives a restart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from digest.store.relays import (
    StoredRelay,
    backed_off,
    ensure_relay,
    get_relay,
    list_relays,
    save_backoff,
)
from digest.store.session import Database
from tests.build import NOW

LATER = NOW + timedelta(minutes=5)


async def test_a_relay_is_created_once(database: Database) -> None:
    async with database.begin() as session:
        first = await ensure_relay(session, "b.example.org:587")
        assert await ensure_relay(session, "b.example.org:587") == first
        await ensure_relay(session, "a.example.org:25")
    async with database.read() as session:
        names = [relay.name for relay in await list_relays(session)]
        assert await get_relay(session, 999) is None
    assert names == ["a.example.org:25", "b.example.org:587"]


async def test_a_back_off_is_kept_with_the_words_it_came_from(database: Database) -> None:
    async with database.begin() as session:
        relay_id = await ensure_relay(session, "smtp.example.org:587")
        await save_backoff(
            session,
            relay_id,
            learned_rate=30,
            until=LATER,
            step=2,
            code=421,
            text="4.7.0 slow\x00er \ud800" + "x" * 2_000,
            now=NOW,
        )
    async with database.read() as session:
        relay = await get_relay(session, relay_id)
    assert relay is not None
    assert relay.reply_text is not None
    assert relay.reply_text.startswith("4.7.0 slower ?x")
    assert len(relay.reply_text) < 1_001
    assert relay == StoredRelay(
        *(relay_id, "smtp.example.org:587", 30, LATER, 2, 421, relay.reply_text, NOW, None)
    )


async def test_a_rate_given_back_leaves_the_last_words(database: Database) -> None:
    async with database.begin() as session:
        relay_id = await ensure_relay(session, "smtp.example.org:587")
        slow: dict[str, Any] = {
            "learned_rate": 30,
            "until": LATER,
            "step": 2,
            "code": 421,
            "text": "slower",
        }
        await save_backoff(session, relay_id, **slow, now=NOW)
        free: dict[str, Any] = {
            "learned_rate": None,
            "until": None,
            "step": 0,
            "code": None,
            "text": None,
        }
        await save_backoff(session, relay_id, **free, now=LATER)
        relay = await get_relay(session, relay_id)
    assert relay is not None
    assert (relay.learned_rate, relay.backoff_until, relay.backoff_step) == (None, None, 0)
    assert (relay.reply_code, relay.reply_text, relay.replied_at) == (421, "slower", NOW)


async def test_relays_that_are_spared_are_shown_until_they_are_not(database: Database) -> None:
    async with database.begin() as session:
        ids = [await ensure_relay(session, f"{name}.example.org:25") for name in "abc"]
        common: dict[str, Any] = {"step": 1, "code": 450, "text": "busy", "now": NOW}
        await save_backoff(session, ids[0], learned_rate=None, until=LATER, **common)
        await save_backoff(session, ids[1], learned_rate=60, until=NOW, **common)
        spared = [relay.relay_id for relay in await backed_off(session, NOW)]
        assert spared == ids[:2]
        assert [relay.relay_id for relay in await backed_off(session, LATER)] == ids[1:2]
