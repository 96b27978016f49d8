"""``/metrics``: for who shows the token; counted from the rows and by the sender; no address."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select, update

from digest.delivery.tally import Tally
from digest.mail.bounce import Reason
from digest.rules.slots import SlotReason, SlotState
from digest.rules.webhooks import TOLD
from digest.store.engines import parse_place
from digest.store.notices import OPERATOR_LANE, SIGN_UP_LANE, Notice, write_notice
from digest.store.relays import ensure_relay, save_backoff
from digest.store.schema import deliveries, feedback, issues, notices, webhook_deliveries
from digest.store.session import Database
from digest.store.slots import move_slot, open_slot, upcoming
from digest.store.webhooks import add_webhook
from digest.web.app import Site, create_app, health_app
from digest.web.kept import for_metrics
from tests.audience.came_back import ANNE, a_scene
from tests.build import PUBLIC_URL
from tests.delivery.stage import KEYS, set_stage
from tests.fakes.relay import FakeRelay, Fault

TOKEN = "a token for Prometheus"
BEARER = {"authorization": f"Bearer {TOKEN}"}
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _site(database: Database, **fields: Any) -> Site:
    site = Site(database, KEYS, PUBLIC_URL, relay_configured=True, metrics_token=TOKEN)
    return replace(site, **fields)


async def _text(site: Site, *, application=create_app, **headers: str) -> str:
    transport = httpx2.ASGITransport(application(site))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        answer = await client.get("/metrics", headers=BEARER | headers)
    assert answer.status_code == 200
    return answer.text


async def _numbers(site: Site) -> Numbers:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(await _text(site))
        for one in family.samples
    }


def _key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"digest_{name}", frozenset(labels.items())


async def test_who_shows_no_token_learns_nothing(database: Database) -> None:
    transport = httpx2.ASGITransport(create_app(_site(database)))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        for given in ({}, {"authorization": "Bearer other"}, {"authorization": TOKEN}):
            answer = await client.get("/metrics", headers=given)
            assert answer.status_code == 401
            assert "digest_" not in answer.text
    transport = httpx2.ASGITransport(create_app(_site(database, metrics_token="")))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        assert (await client.get("/metrics", headers=BEARER)).status_code == 404


async def test_what_came_back_is_counted_and_names_nobody(database: Database) -> None:
    scene = await a_scene(database)
    sent = await scene.sent()
    await scene.bounce(sent[ANNE], Reason.USER_UNKNOWN, address=ANNE)
    text = await _text(_site(database))
    assert 'digest_feedback_total{effect="suppressed",kind="bounce",source="mail"} 1.0' in text
    assert "digest_suppressed_addresses 1.0" in text
    assert "digest_last_feedback_timestamp_seconds" in text
    assert "@" not in text
    assert "example.org" not in text


async def test_an_issue_on_its_way_is_counted_as_its_receipt_counts_it(database: Database) -> None:
    stage = await set_stage(database)
    await stage.start()
    async with FakeRelay(Fault("RCPT", "550 5.1.1 no such user")) as relay:
        sender = stage.sender(relay)
        await sender.send_issue(stage.issue_id, no_retries=True)
    async with database.begin() as session:  # as if it were still under way
        await session.execute(update(issues).values(state="sending"))
        first = update(deliveries).where(deliveries.c.state == "rejected")
        await session.execute(first.values(state="deferred", settled_at=None))
    found = await _numbers(_site(database, tally=sender.tally))
    on_its_way = {"newsletter": "weekly", "issue": "182"}
    assert found[_key("issue_planned", **on_its_way)] == 3
    assert found[_key("issue_accepted", **on_its_way)] == 2
    assert found[_key("issue_settled", **on_its_way)] == 2
    assert found[_key("issue_paused", **on_its_way)] == 0
    queued = {"newsletter": "weekly", "state": "queued"}
    assert found[_key("queue_deliveries", **queued)] == 0
    assert found[_key("queue_deliveries", **(queued | {"state": "deferred"}))] == 1
    answers = {"lane": "issue", "destination": "other"}
    taken = answers | {"outcome": "accepted", "class": ""}
    refused = answers | {"outcome": "rejected", "class": "userunknown"}
    assert found[_key("answers_total", **taken)] == 2
    assert found[_key("answers_total", **refused)] == 1


async def test_a_slot_that_is_due_and_one_that_went_out_are_told(database: Database) -> None:
    stage = await set_stage(database)
    site = _site(database, clock=stage.clock)
    newsletter, now = stage.newsletter.id, stage.clock.now()
    due = now - timedelta(seconds=90)
    local = datetime(2026, 11, 26, 9)
    async with database.begin() as session:
        await open_slot(session, newsletter, local, due_at=due, now=now)
    found = await _numbers(site)
    weekly = {"newsletter": "weekly"}
    assert 90 <= found[_key("slot_lag_seconds", **weekly)] < 120
    assert found[_key("next_slot_ready", **weekly)] == 1
    assert _key("last_slot_timestamp_seconds", **weekly) not in found
    await stage.start()
    async with database.begin() as session:
        slot = await upcoming(session, newsletter)
        assert slot is not None
        await move_slot(session, slot, SlotState.FIRED, issue_id=stage.issue_id)
    found = await _numbers(site)
    assert found[_key("slot_lag_seconds", **weekly)] == 0
    assert found[_key("last_slot_timestamp_seconds", **weekly)] == pytest.approx(due.timestamp())


async def test_whatever_waits_for_somebody_is_counted(database: Database) -> None:
    stage = await set_stage(database)
    await stage.start()
    now = stage.clock.now()
    async with database.begin() as session:
        await open_slot(
            session, stage.newsletter.id, datetime(2026, 11, 26, 9), due_at=now, now=now
        )
        slot = await upcoming(session, stage.newsletter.id)
        assert slot is not None
        await move_slot(session, slot, SlotState.HELD, reason=SlotReason.NO_ISSUE)
        two = select(deliveries.c.id).order_by(deliveries.c.id).limit(2)
        held = update(deliveries).where(deliveries.c.id.in_(list(await session.scalars(two))))
        await session.execute(held.values(state="held", settled_at=now))
        # Of each kind there is one more that is settled, and not counted.
        webhook, _ = await add_webhook(session, "https://example.org/hook", TOLD, now)
        told = {"webhook_id": webhook, "event": "left", "happened_at": now, "not_before": now}
        for number, settled in enumerate((None, None, None, now)):
            row = {**told, "event_id": str(number), "settled_at": settled}
            await session.execute(webhook_deliveries.insert().values(row))
        for number, ask_at in enumerate((now, now, now, now, None)):
            came = {"source": "imap", "kind": "bounce", "received_at": now, "ask_at": ask_at}
            await session.execute(feedback.insert().values(**came, dedupe_key=str(number)))
        for lane in (*[SIGN_UP_LANE] * 6, *[OPERATOR_LANE] * 7):
            await write_notice(session, Notice("test", lane, ANNE, "en"), now)
        for lane, state in ((SIGN_UP_LANE, "accepted"), (OPERATOR_LANE, "deferred")):
            some = select(func.min(notices.c.id)).where(notices.c.lane == lane)
            one = update(notices).where(notices.c.id == await session.scalar(some))
            await session.execute(one.values(state=state))
        hour = timedelta(hours=1)
        for name, rate, until in (("a:25", 77, now + hour), ("b:25", None, now - hour)):
            relay = await ensure_relay(session, name)
            learned = {"learned_rate": rate, "until": until, "code": None, "text": None}
            await save_backoff(session, relay, **learned, step=1, now=now)  # type: ignore[arg-type]  # as named
    found = await _numbers(_site(database, clock=stage.clock))
    assert found[_key("slot_held", newsletter="weekly")] == 1
    assert found[_key("held_deliveries")] == 2
    assert found[_key("webhook_deliveries_waiting")] == 3
    assert found[_key("feedback_waiting")] == 4
    assert found[_key("queue_notices", lane="sign-up")] == 5
    assert found[_key("queue_notices", lane="operator")] == 7
    assert 3_000 < found[_key("relay_backoff_seconds", relay="a:25")] <= 3_600
    assert found[_key("relay_backoff_seconds", relay="b:25")] == 0
    assert found[_key("relay_learned_rate", relay="a:25")] == 77
    assert _key("relay_learned_rate", relay="b:25") not in found


async def test_a_database_that_is_away_is_told_not_hidden() -> None:
    async with Database(parse_place("sqlite:////nowhere/at/all.db")) as db:
        found = await _numbers(_site(db))
    assert found[_key("database_up")] == 0
    assert found[_key("database_writable")] == 0
    assert _key("slot_lag_seconds", newsletter="weekly") not in found


async def test_a_process_without_pages_counts_its_own_answers_alone(database: Database) -> None:
    await set_stage(database)
    text = await _text(_site(database, tally=Tally()), application=health_app)
    assert "digest_answers_total" in text
    assert "digest_queue" not in text


async def test_openmetrics_is_spoken_where_it_is_asked_for(database: Database) -> None:
    await set_stage(database)
    text = await _text(_site(database), accept="application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")


async def test_many_who_ask_at_once_cost_one_answer() -> None:
    asked = 0
    kept = for_metrics()

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    assert set(await asyncio.gather(*(kept.get("it", ask) for _ in range(50)))) == {1}
    assert await kept.get("other", ask) == 2
    assert await kept.get("it", ask) == 1
    assert await kept.get("old", ask, least=-1.0) == 3
