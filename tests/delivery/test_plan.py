"""Starting an issue: everything or nothing, and only when it may go out."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import literal, select, update

from digest.delivery.checks import Gate
from digest.delivery.plan import start_issue
from digest.delivery.publish import approve_issue
from digest.errors import RefusedError, SettingsError
from digest.mail.tokens import KeyRing
from digest.rules.delivery import CANARY_WAVE, REST_WAVE, IssueState, StateReason
from digest.rules.delivery import DeliveryState as S
from digest.rules.ramp import Quota
from digest.rules.relay import parse_relays
from digest.rules.slots import next_slot
from digest.store.counts import canary_counts
from digest.store.deliveries import claim_deliveries
from digest.store.issues import issue_by_id, move_issue
from digest.store.progress import due_count, next_due
from digest.store.reader_import import Consent, ImportedReader, import_chunk, open_batch
from digest.store.relays import ensure_relay
from digest.store.schema import (
    deliveries,
    issues,
    newsletters,
    subscribers,
    subscriptions,
    versions,
)
from digest.store.session import Database
from digest.store.usage import reserve
from tests.build import NOW, PUBLIC_URL, a_newsletter, an_issue, issue_text
from tests.delivery.stage import KEYS, Stage, set_stage

RELAYS = parse_relays("smtp://127.0.0.1:9?tls=none")
GATE = Gate(RELAYS, KEYS, PUBLIC_URL)


async def test_an_approved_issue_is_planned_once(database: Database) -> None:
    stage = await set_stage(database, 4)
    first = await stage.start()
    assert (first.planned, first.fresh, first.state) == (4, True, IssueState.SENDING)
    again = await stage.start()
    assert (again.planned, again.fresh) == (4, False)
    assert len(await stage.rows()) == 4


async def test_of_two_who_start_an_issue_one_plans_it(database: Database) -> None:
    stage = await set_stage(database, 4)
    started = await asyncio.gather(*(stage.start() for _ in range(4)))
    assert [s.fresh for s in started].count(True) == 1
    assert len(await stage.rows()) == 4


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (IssueState.DRAFT, "approve"),
        (IssueState.PAUSED, "resume"),
        (IssueState.CANCELLED, "another number"),
    ],
)
async def test_an_issue_that_is_not_approved_is_refused(
    database: Database, state: IssueState, says: str
) -> None:
    stage = await set_stage(database)
    async with database.begin() as session:
        await session.execute(update(issues).values(state=state, paused_reason="too many bounces"))
    with pytest.raises(RefusedError) as caught:
        await stage.start()
    assert says in caught.value.fix
    assert caught.value.exit_code == 1
    assert await stage.rows() == []


async def test_no_relay_is_a_wrong_setting(database: Database) -> None:
    stage = await set_stage(database)
    gate = replace(GATE, relays=())
    with pytest.raises(SettingsError) as caught:
        await start_issue(database, stage.issue_id, now=stage.clock.now(), gate=gate)
    assert caught.value.exit_code == 2
    assert await stage.rows() == []


async def test_another_key_than_the_databases_is_a_wrong_setting(database: Database) -> None:
    stage = await set_stage(database)
    gate = replace(GATE, keys=KeyRing("x" * 32))
    with pytest.raises(SettingsError):
        await start_issue(database, stage.issue_id, now=stage.clock.now(), gate=gate)
    old_key_kept = replace(GATE, keys=KeyRing("x" * 32, ["k" * 32]))
    started = await start_issue(database, stage.issue_id, now=stage.clock.now(), gate=old_key_kept)
    assert started.fresh


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("postal_address", "  ", "--postal-address"),
        ("from_address", "nobody", "--from"),
        ("return_path", "bounces@example.org", "--return-path"),
    ],
)
async def test_the_gate_says_what_is_missing_and_nothing_is_planned(
    database: Database, column: str, value: str, says: str
) -> None:
    stage = await set_stage(database)
    await _freeze(database, **{column: value})
    with pytest.raises(RefusedError) as caught:
        await stage.start()
    assert says in caught.value.fix
    assert "approve that version" in caught.value.fix
    async with database.read() as session:
        assert (await issue_by_id(session, stage.issue_id)).state is IssueState.APPROVED
    assert await stage.rows() == []


async def test_an_address_set_after_approval_is_not_in_what_was_approved(
    database: Database,
) -> None:
    stage = await set_stage(database)
    await _freeze(database, postal_address="")
    async with database.begin() as session:
        await session.execute(update(newsletters).values(postal_address="Sample Street 1"))
    with pytest.raises(RefusedError, match="postal address"):
        await stage.start()
    assert await stage.rows() == []


async def test_links_to_another_address_than_ours_do_not_go_out(database: Database) -> None:
    stage = await set_stage(database)
    gate = replace(GATE, public_url="https://news.example.org")
    with pytest.raises(RefusedError, match="links do not lead to"):
        await start_issue(database, stage.issue_id, now=stage.clock.now(), gate=gate)
    assert await stage.rows() == []


async def _freeze(database: Database, **identity: str) -> None:
    """The approved version as it would be had the newsletter been set so when it was added."""
    async with database.begin() as session:
        frozen = (await session.scalars(select(versions.c.identity))).one()
        await session.execute(update(versions).values(identity=frozen | identity))


async def test_a_finished_issue_is_left_as_it_is(database: Database) -> None:
    stage = await set_stage(database)
    await stage.start()
    async with database.begin() as session:
        await move_issue(session, stage.issue_id, IssueState.FINISHED, now=stage.clock.now())
    assert (await stage.start()).state is IssueState.FINISHED


async def audience(stage: Stage, count: int) -> None:
    """More readers, going round three domains, as an import writes them."""
    consent = Consent("import", None, None)
    async with stage.db.begin() as session:
        batch = await open_batch(session, stage.newsletter.id, consent, now=NOW)
        chunk = []
        for number in range(count):
            domain = ("example.org", "example.net", "example.com")[number % 3]
            address = f"reader.{number}@{domain}"
            chunk.append(ImportedReader(address, address, domain, f"Reader {number}"))
        await import_chunk(session, batch, chunk, now=NOW)


async def test_a_large_audience_has_a_canary_spread_over_all_of_it(database: Database) -> None:
    stage = await set_stage(database, 3)
    await audience(stage, 1_500)
    assert (await stage.start()).planned == 1_503
    rows = await stage.rows()
    canary = [row for row in rows if row["wave"] == CANARY_WAVE]
    assert len(canary) == 200
    assert {row["wave"] for row in rows} == {CANARY_WAVE, REST_WAVE}
    everybody = sorted(row["subscriber_id"] for row in rows)
    first = sorted(row["subscriber_id"] for row in canary)
    assert max(b - a for a, b in pairwise([everybody[0], *first, everybody[-1]])) < 16
    domains = Counter(row["destination_id"] for row in canary)
    assert min(domains.values()) > 40
    async with database.read() as session:
        issue = await issue_by_id(session, stage.issue_id)
        assert (await canary_counts(session, stage.issue_id)).waiting == 200
    assert issue.canary_passed_at is None


async def test_the_rest_waits_until_the_canary_has_passed(database: Database) -> None:
    stage = await set_stage(database, 0)
    await audience(stage, 1_000)
    await stage.start()
    now = stage.clock.now()
    claim: dict[str, Any] = {"worker_id": 1, "issue_id": stage.issue_id, "limit": 500, "now": now}
    async with database.begin() as session:
        first = await claim_deliveries(session, **claim, wave=CANARY_WAVE)
        assert len(first) == 200
        due = [await due_count(session, stage.issue_id, now, most=999, wave=w) for w in (0, None)]
        assert due == [0, 800]
        assert await next_due(session, stage.issue_id, wave=CANARY_WAVE) is None
        assert await next_due(session, stage.issue_id) is not None
        assert await claim_deliveries(session, **claim, wave=CANARY_WAVE) == []
        assert len(await claim_deliveries(session, **claim)) == 500


async def test_a_small_audience_needs_no_canary(database: Database) -> None:
    stage = await set_stage(database, 5)
    await stage.start()
    assert {row["wave"] for row in await stage.rows()} == {CANARY_WAVE}
    async with database.read() as session:
        assert (await issue_by_id(session, stage.issue_id)).canary_passed_at is not None


async def test_issues_planned_at_once_each_have_their_own_canary(database: Database) -> None:
    """Two transactions number their rows by turns; neither takes the other's."""
    stage = await set_stage(database, 0)
    await audience(stage, 1_200)
    other = await a_newsletter(database, "daily")
    async with database.begin() as session:
        ids = select(subscribers.c.id, literal(other.id), literal("active"), literal(NOW))
        columns = ["subscriber_id", "newsletter_id", "state", "created_at"]
        await session.execute(subscriptions.insert().from_select(columns, ids))
    second = await an_issue(database, other, 1, text=issue_text(1))
    async with database.begin() as session:
        hash_ = second.version.hash
        await approve_issue(session, second.issue, hash_, by="Anne", now=NOW)
    both = await asyncio.gather(
        stage.start(),
        start_issue(database, second.issue.id, now=stage.clock.now(), gate=GATE),
    )
    assert [one.planned for one in both] == [1_200, 1_200]
    waves = Counter((row["issue_id"], row["wave"]) for row in await stage.rows())
    assert waves == {
        **{(issue, CANARY_WAVE): 200 for issue in (stage.issue_id, second.issue.id)},
        **{(issue, REST_WAVE): 1_000 for issue in (stage.issue_id, second.issue.id)},
    }


async def test_a_warm_up_goes_to_those_who_confirmed_last_first(database: Database) -> None:
    stage = await set_stage(database, 4)
    async with database.begin() as session:
        for number in range(1, 5):
            confirmed_at = NOW - timedelta(days=(number * 3) % 4)
            await session.execute(
                update(subscriptions)
                .where(subscriptions.c.id == number)
                .values(confirmed_at=confirmed_at)
            )
    await stage.start(relay_url="smtp://127.0.0.1:9?tls=none&ramp=200,500")
    assert [row["subscription_id"] for row in await stage.rows()] == [4, 3, 2, 1]


async def test_the_canary_of_a_warm_up_are_those_who_confirmed_last(database: Database) -> None:
    stage = await set_stage(database, 0)
    await audience(stage, 1_100)
    await stage.start(relay_url="smtp://127.0.0.1:9?tls=none&ramp=2k")
    first = [row["wave"] for row in await stage.rows()]
    assert first == [CANARY_WAVE] * 200 + [REST_WAVE] * 900


async def test_what_waits_of_the_issue_before_expires(database: Database) -> None:
    stage = await set_stage(database, 3)
    await stage.start()
    later = await an_issue(database, stage.newsletter, 183, text=issue_text(183))
    async with database.begin() as session:
        await approve_issue(session, later.issue, later.version.hash, by="Anne", now=NOW)
    await start_issue(database, later.issue.id, now=stage.clock.now(), gate=GATE)
    states = [(row["issue_id"], row["state"], row["reason"]) for row in await stage.rows()]
    assert states[:3] == [(stage.issue_id, S.EXPIRED, StateReason.SUPERSEDED)] * 3
    assert states[3:] == [(later.issue.id, S.QUEUED, None)] * 3


# NOW is Thursday 09:00 UTC.
@pytest.mark.parametrize(
    ("schedule", "relay", "says"),
    [
        (None, "per_day=1", None),
        ("fri 09:00", "connections=4", None),
        ("fri 09:00", "per_day=100", None),
        ("fri 09:00", "rate=1", None),
        ("thu 08:00", "per_day=2", None),  # a week for four readers
        ("fri 09:00", "per_day=3", "Only 2 of 4"),  # 5 % is kept for the upper lanes
        ("thu 10:00", "per_hour=3", "Only 2 of 4"),
        ("thu 23:00", "ramp=2,1k", "Only 2 of 4"),
        ("thu 09:01", "rate=0.01", "Only 0 of 4"),
    ],
)
async def test_an_issue_that_would_run_into_the_next_is_refused(
    database: Database, schedule: str | None, relay: str, says: str | None
) -> None:
    stage = await set_stage(database, 4)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds())
    async with database.begin() as session:
        await session.execute(update(newsletters).values(schedule=schedule))
    url = f"smtp://127.0.0.1:9?tls=none&{relay}"
    if says is None:
        assert (await stage.start(relay_url=url)).fresh
        return
    with pytest.raises(RefusedError, match=says) as caught:
        await stage.start(relay_url=url)
    assert "--accept-partial" in caught.value.fix
    assert await stage.rows() == []
    async with database.read() as session:
        assert (await issue_by_id(session, stage.issue_id)).state is IssueState.APPROVED
    gate = replace(GATE, relays=parse_relays(url))
    started = await start_issue(
        database, stage.issue_id, now=stage.clock.now(), gate=gate, accept_partial=True
    )
    assert started.planned == 4


async def test_what_a_relay_was_given_today_counts(database: Database) -> None:
    stage = await set_stage(database, 4)
    stage.clock.jump(seconds=(NOW - stage.clock.now()).total_seconds())
    async with database.begin() as session:
        await session.execute(update(newsletters).values(schedule="fri 09:00"))
        relay_id = await ensure_relay(session, "127.0.0.1:9")
        await reserve(session, relay_id, Quota(per_day=10), want=8, now=NOW)
    with pytest.raises(RefusedError, match="Only 1 of 4"):  # 5 % of ten is kept for upper lanes
        await stage.start(relay_url="smtp://127.0.0.1:9?tls=none&per_day=10")


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "due"),
    [
        (None, "Europe/Berlin", NOW, None),
        ("thu 09:00", "Europe/Berlin", NOW, datetime(2026, 12, 3, 8, tzinfo=UTC)),
        ("thu 10:00", "UTC", NOW, datetime(2026, 11, 26, 10, tzinfo=UTC)),
        # In the night of 29 March 2026 there is no 02:30 in Berlin.
        (
            "sun 02:30",
            "Europe/Berlin",
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        ),
    ],
)
def test_the_next_issue_is_due_at_the_newsletters_local_time(
    schedule: str | None, zone: str, now: datetime, due: datetime | None
) -> None:
    assert next_slot(schedule, zone, now) == due


async def test_a_correction_goes_to_those_who_got_the_first_and_overtakes_nobody(
    database: Database,
) -> None:
    stage = await set_stage(database)
    await stage.start()
    async with database.begin() as session:
        rows = (await session.scalars(select(deliveries.c.id).order_by(deliveries.c.id))).all()
        got = update(deliveries).where(deliveries.c.id == rows[0])
        await session.execute(got.values(state=S.ACCEPTED))
        doubt = update(deliveries).where(deliveries.c.id == rows[1])
        await session.execute(doubt.values(maybe_sent=True))
    text = issue_text(183).replace("number: 183", "slug: correction\nlisted: false")
    correction = await an_issue(database, stage.newsletter, 183, text=text)
    async with database.begin() as session:
        await approve_issue(session, correction.issue, correction.version.hash, by="Anne", now=NOW)
    started = await start_issue(
        database,
        correction.issue.id,
        now=stage.clock.now(),
        gate=GATE,
        readers_of=stage.issue_id,
    )
    assert started.planned == 2
    states = Counter(
        row["state"] for row in await stage.rows() if row["issue_id"] == stage.issue_id
    )
    assert states[S.EXPIRED] == 0
