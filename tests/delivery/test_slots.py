"""Every week by itself: an approved issue goes out at its slot, once, whatever the clocks do."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from digest.delivery.checks import Gate
from digest.delivery.control import cancel
from digest.delivery.publish import approve_issue
from digest.delivery.readiness import what_is_next
from digest.delivery.slots import SlotKeeper
from digest.mail.tokens import KeyRing
from digest.rules.delivery import IssueState
from digest.rules.relay import parse_relays
from digest.rules.slots import SlotReason, SlotState
from digest.store import schema, slots
from digest.store.control import cancel_issue
from digest.store.issues import issue_by_id, move_issue
from digest.store.newsletters import Newsletter, add_person, newsletter_by_id, set_newsletter
from digest.store.session import Database
from tests.build import (
    KEY,
    PUBLIC_URL,
    a_newsletter,
    an_installation,
    an_issue,
    crowd,
    issue_text,
)
from tests.delivery.stage import Watch

KEYS = KeyRing(KEY)
ZONE = "Europe/Berlin"
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
THURSDAY = datetime(2026, 11, 26, 8, tzinfo=UTC)  # 09:00 in Berlin
UNDO = timedelta(seconds=300)
MINUTE, HOUR, DAY, WEEK = (timedelta(**{f"{one}s": 1}) for one in ("minute", "hour", "day", "week"))


class Scene:
    """A newsletter that goes out on Thursdays, and whoever keeps its slots."""

    def __init__(self, db: Database, newsletter: Newsletter, relay: str) -> None:
        self.db = db
        self.newsletter = newsletter
        self.keeper = SlotKeeper(db, Gate(parse_relays(relay), KEYS, PUBLIC_URL))

    async def tick(self, now: datetime) -> list[str]:
        done = [one.what for one in await self.keeper.tick(now)]
        await self.keeper.finish(now)
        return done

    async def approved(self, number: int, *, now: datetime = MONDAY) -> int:
        stored = await an_issue(self.db, self.newsletter, number)
        await self.approve(stored.issue.id, now=now)
        return stored.issue.id

    async def approve(self, issue_id: int, *, now: datetime) -> None:
        async with self.db.begin() as session:
            issue = await issue_by_id(session, issue_id)
            version = (
                await session.execute(
                    select(schema.versions).where(schema.versions.c.issue_id == issue_id)
                )
            ).first()
            assert version is not None
            await approve_issue(session, issue, version.hash, by="Anne", now=now)

    async def state(self, issue_id: int) -> IssueState:
        async with self.db.read() as session:
            return (await issue_by_id(session, issue_id)).state

    async def taken(self) -> list[tuple[str, SlotState, SlotReason | None]]:
        async with self.db.read() as session:
            found = await slots.slots_of(session, self.newsletter.id, limit=1000)
        return [
            (f"{one.local:%d %b %H:%M}", one.state, one.reason)
            for one in reversed(found)
            if one.state is not SlotState.OPEN
        ]

    async def mails(self) -> list[tuple[str, str]]:
        async with self.db.read() as session:
            table = schema.notices
            rows = await session.execute(select(table.c.address, table.c.params))
            return sorted((row.address, row.params["incident"]) for row in rows)


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await set_scene(database)


async def set_scene(db: Database, *, relay: str = "smtp://127.0.0.1:9?tls=none") -> Scene:
    await an_installation(db, fingerprint=KEYS.fingerprint)
    newsletter = await a_newsletter(db, schedule="thu 09:00", timezone=ZONE)
    async with db.begin() as session:
        await add_person(session, newsletter.id, role="editor", address="edda@example.org")
        await add_person(session, newsletter.id, role="operator", address="olga@example.org")
    await crowd(db, newsletter, 3)
    scene = Scene(db, newsletter, relay)
    assert await scene.tick(MONDAY) == []
    return scene


async def test_an_approved_issue_starts_when_the_undo_window_of_its_slot_is_over(
    scene: Scene,
) -> None:
    later, first = await scene.approved(184), await scene.approved(183)
    assert await scene.tick(THURSDAY - timedelta(seconds=1)) == []
    assert await scene.tick(THURSDAY) == ["fired"]
    assert await scene.state(first) is IssueState.APPROVED
    assert await scene.tick(THURSDAY + UNDO - timedelta(seconds=1)) == []
    assert await scene.tick(THURSDAY + UNDO) == ["started"]
    assert await scene.state(first) is IssueState.SENDING
    assert await scene.state(later) is IssueState.APPROVED
    assert await scene.tick(THURSDAY + HOUR) == []
    assert await scene.tick(THURSDAY + WEEK) == ["fired"]
    assert await scene.tick(THURSDAY + WEEK + UNDO) == ["started"]
    assert await scene.state(later) is IssueState.SENDING
    assert [one[1] for one in await scene.taken()] == [SlotState.FIRED] * 2


async def test_what_becomes_due_next_is_known_of_slots_windows_and_times_of_an_issue_s_own(
    scene: Scene,
) -> None:
    await scene.approved(183)
    assert await scene.keeper.next_moment(MONDAY) == THURSDAY
    own = await scene.approved(184)
    async with scene.db.begin() as session:
        await slots.schedule_issue(session, own, MONDAY + HOUR)
    assert await scene.keeper.next_moment(MONDAY) == MONDAY + HOUR
    assert await scene.keeper.next_moment(MONDAY + HOUR) == THURSDAY
    await scene.tick(THURSDAY)
    assert await scene.keeper.next_moment(THURSDAY) == THURSDAY + UNDO
    await scene.tick(THURSDAY + UNDO)
    assert await scene.keeper.next_moment(THURSDAY + UNDO) == THURSDAY + WEEK


async def test_cancelled_within_the_window_nothing_goes_out_and_the_next_one_waits(
    scene: Scene,
) -> None:
    issue, other = await scene.approved(183), await scene.approved(184)
    await scene.tick(THURSDAY)
    halted = await cancel(scene.db, issue, clock=Watch())
    assert halted.issue.state is IssueState.DRAFT
    assert await scene.tick(THURSDAY + UNDO) == ["held: withdrawn"]
    assert await scene.tick(THURSDAY + HOUR) == []
    assert await scene.state(other) is IssueState.APPROVED
    await scene.approve(issue, now=THURSDAY + HOUR)  # mended
    assert await scene.tick(THURSDAY + HOUR) == ["fired, later"]
    assert await scene.tick(THURSDAY + HOUR + UNDO) == ["started"]
    assert await scene.state(issue) is IssueState.SENDING


async def test_an_approval_after_the_slot_goes_out_within_the_grace_and_not_later(
    scene: Scene,
) -> None:
    assert await scene.tick(THURSDAY) == ["held: no_issue"]
    issue = await scene.approved(183, now=THURSDAY + 2 * HOUR)
    assert await scene.tick(THURSDAY + 2 * HOUR) == ["fired, later"]
    assert await scene.tick(THURSDAY + 2 * HOUR + UNDO) == ["started"]
    assert await scene.state(issue) is IssueState.SENDING
    next_week = THURSDAY + WEEK
    assert await scene.tick(next_week) == ["held: no_issue"]
    late = await scene.approved(184, now=next_week + 7 * HOUR)
    assert await scene.tick(next_week + 7 * HOUR) == []
    assert await scene.state(late) is IssueState.APPROVED
    assert await scene.tick(next_week + WEEK) == ["fired"]


async def test_what_nobody_approved_never_goes_out(scene: Scene) -> None:
    draft = (await an_issue(scene.db, scene.newsletter, 183)).issue.id
    assert await scene.tick(THURSDAY) == ["held: no_issue"]
    assert await scene.tick(THURSDAY + HOUR) == []
    other = await scene.approved(184, now=THURSDAY + HOUR)  # though its number is higher
    assert await scene.tick(THURSDAY + HOUR) == ["fired, later"]
    assert await scene.tick(THURSDAY + HOUR + UNDO) == ["started"]
    assert await scene.tick(THURSDAY + WEEK) == ["held: no_issue"]
    assert await scene.state(draft) is IssueState.DRAFT
    assert await scene.state(other) is IssueState.SENDING


async def test_who_sends_by_hand_after_the_slot_has_used_it(scene: Scene) -> None:
    await scene.tick(THURSDAY)
    issue = await scene.approved(183, now=THURSDAY + HOUR)
    async with scene.db.begin() as session:
        moved = update(schema.issues).where(schema.issues.c.id == issue)
        await session.execute(
            moved.values(state=IssueState.SENDING, planned_at=THURSDAY + HOUR, planned=0)
        )
    other = await scene.approved(184, now=THURSDAY + HOUR)
    assert await scene.tick(THURSDAY + 2 * HOUR) == []
    assert await scene.state(other) is IssueState.APPROVED


async def test_a_slot_noticed_too_late_is_held_and_the_operator_told(scene: Scene) -> None:
    issue = await scene.approved(183)
    assert await scene.tick(THURSDAY + 6 * HOUR + MINUTE) == ["held: late"]
    assert await scene.tick(THURSDAY + 6 * HOUR + 2 * MINUTE) == []
    assert await scene.state(issue) is IssueState.APPROVED
    assert await scene.mails() == [("olga@example.org", "slot_missed")]


async def test_after_a_month_away_every_slot_is_accounted_for_and_one_goes_out(
    scene: Scene,
) -> None:
    issue, other = await scene.approved(183), await scene.approved(184)
    done = await scene.tick(THURSDAY + 4 * WEEK + HOUR)
    assert done == ["held: late"] * 4 + ["fired"]
    assert await scene.tick(THURSDAY + 4 * WEEK + HOUR + UNDO) == ["started"]
    assert await scene.state(issue) is IssueState.SENDING
    assert await scene.state(other) is IssueState.APPROVED


async def test_of_slots_missed_within_the_grace_only_the_last_goes_out_unless_all_may(
    database: Database,
) -> None:
    scene = await set_scene(database)
    async with database.begin() as session:
        await set_newsletter(session, scene.newsletter.id, schedule="cron 0 * * * *")
    await scene.tick(THURSDAY - MINUTE)
    for number in (183, 184, 185):
        await scene.approved(number)
    done = await scene.tick(THURSDAY + 2 * HOUR + MINUTE)
    assert done == ["skipped: overtaken"] * 2 + ["fired"]
    async with database.begin() as session:
        await set_newsletter(session, scene.newsletter.id, settings={"catch_up": "all"})
    done = await scene.tick(THURSDAY + 4 * HOUR + MINUTE)
    assert done == ["fired", "fired", "started"]  # the one of before, too


async def test_in_a_break_nothing_goes_out_and_nobody_is_reminded(scene: Scene) -> None:
    await scene.approved(183)
    async with scene.db.begin() as session:
        await slots.add_break(
            session, scene.newsletter.id, THURSDAY.date() - DAY, THURSDAY.date() + DAY
        )
    assert await scene.tick(THURSDAY - HOUR) == []
    assert await scene.tick(THURSDAY) == ["skipped: break"]
    assert await scene.mails() == []
    assert await scene.tick(THURSDAY + WEEK) == ["fired"]


async def test_editors_are_reminded_three_times_and_told_at_the_slot(scene: Scene) -> None:
    now = MONDAY
    while now < THURSDAY + HOUR:
        await scene.tick(now)
        now += 10 * MINUTE
    counted = Counter(await scene.mails())
    assert counted == {
        ("edda@example.org", "slot_unready"): 3,
        ("edda@example.org", "slot_held"): 1,
        ("olga@example.org", "slot_held"): 1,
    }


async def test_with_an_approved_issue_nobody_is_reminded(scene: Scene) -> None:
    await scene.approved(183)
    for hours in (48, 24, 2, 0):
        await scene.tick(THURSDAY - hours * HOUR)
    assert await scene.mails() == []


async def test_a_newer_text_than_the_approved_one_is_told_at_the_same_times(scene: Scene) -> None:
    issue = await scene.approved(183)
    text = issue_text(183).replace("The blurb", "A later thought")
    newer = await an_issue(scene.db, scene.newsletter, 183, text=text)
    now = MONDAY
    while now < THURSDAY - HOUR:
        await scene.tick(now)
        now += HOUR
    assert await scene.mails() == [("edda@example.org", "slot_newer")] * 3
    async with scene.db.begin() as session:
        await set_newsletter(session, scene.newsletter.id, settings={"automatic": {"at_least": 3}})
    await an_issue(scene.db, scene.newsletter, 183, text=text.replace("thought", "word"))
    await scene.tick(now)  # also where issues make themselves, and of each text
    assert len(await scene.mails()) == 4
    assert await scene.tick(THURSDAY) == ["fired"]
    assert await scene.tick(THURSDAY + UNDO) == ["started"]
    async with scene.db.read() as session:
        sent = (await issue_by_id(session, issue)).approved_version_id
    assert sent != newer.version.id


async def test_what_the_gate_refuses_is_held_told_once_and_tried_again(
    database: Database,
) -> None:
    scene = await set_scene(database, relay="smtp://127.0.0.1:9?tls=none&per_day=1")
    issue, other = await scene.approved(183), await scene.approved(184)
    await crowd(database, scene.newsletter, 60)
    await scene.tick(THURSDAY)
    assert await scene.tick(THURSDAY + UNDO) == ["held: refused"]
    assert await scene.tick(THURSDAY + UNDO + timedelta(seconds=30)) == []
    again = THURSDAY + UNDO + MINUTE
    assert await scene.tick(again) == ["fired, later", "held: refused"]
    assert await scene.mails() == [("olga@example.org", "slot_refused")]
    scene.keeper.gate = Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)
    assert await scene.tick(again + MINUTE) == ["fired, later", "started"]
    assert await scene.state(issue) is IssueState.SENDING
    assert await scene.state(other) is IssueState.APPROVED


async def test_an_issue_with_a_time_of_its_own_goes_out_then(scene: Scene) -> None:
    special, usual = await scene.approved(183), await scene.approved(184)
    async with scene.db.begin() as session:
        assert await slots.schedule_issue(session, special, THURSDAY + DAY)
    assert await scene.tick(THURSDAY) == ["fired"]
    assert await scene.tick(THURSDAY + UNDO) == ["started"]
    assert await scene.state(usual) is IssueState.SENDING
    assert await scene.tick(THURSDAY + DAY - MINUTE) == []
    assert await scene.tick(THURSDAY + DAY) == ["started"]
    assert await scene.state(special) is IssueState.SENDING


async def test_an_issue_with_a_time_of_its_own_before_the_slot_leaves_the_slot_unready(
    scene: Scene,
) -> None:
    special = await scene.approved(183)
    async with scene.db.begin() as session:
        assert await slots.schedule_issue(session, special, THURSDAY - 3 * HOUR)
        found = await what_is_next(session, scene.newsletter, MONDAY)
    assert found.ready is None
    assert str(found) == (
        "Issue 183, version 1, goes out Thu 26 Nov 06:00 (Europe/Berlin), a time of its own. "
        "Nothing is approved for Thu 26 Nov 09:00 (Europe/Berlin)."
    )
    await scene.tick(THURSDAY - 24 * HOUR)
    assert await scene.mails() == [("edda@example.org", "slot_unready")]
    assert await scene.tick(THURSDAY - 3 * HOUR) == ["started"]
    assert await scene.tick(THURSDAY) == ["held: no_issue"]


async def test_an_issue_with_a_time_of_its_own_that_nobody_approved_is_told(scene: Scene) -> None:
    await scene.approved(182)  # for the slot
    stored = await an_issue(scene.db, scene.newsletter, 190)
    at = THURSDAY + 3 * DAY
    async with scene.db.begin() as session:
        assert await slots.schedule_issue(session, stored.issue.id, at)
    for hours in range(24 * 7 + 1):
        await scene.tick(MONDAY + hours * HOUR)
        if MONDAY + hours * HOUR < at:
            assert ("olga@example.org", "time_held") not in await scene.mails()
    assert Counter(await scene.mails()) == {
        ("edda@example.org", "time_unready"): 3,
        ("edda@example.org", "time_held"): 1,
        ("olga@example.org", "time_held"): 1,
    }
    await scene.approve(stored.issue.id, now=at + HOUR)
    assert await scene.tick(at + HOUR) == ["started"]


async def test_an_issue_whose_own_time_was_missed_waits_for_a_human(scene: Scene) -> None:
    special = await scene.approved(183)
    async with scene.db.begin() as session:
        await slots.schedule_issue(session, special, MONDAY + HOUR)
    assert await scene.tick(MONDAY + 8 * HOUR) == []
    assert await scene.tick(MONDAY + 9 * HOUR) == []
    assert await scene.state(special) is IssueState.APPROVED
    assert await scene.mails() == [("olga@example.org", "issue_missed")]


async def test_two_schedulers_whose_clocks_differ_take_a_slot_once(scene: Scene) -> None:
    issue, other = await scene.approved(183), await scene.approved(184)
    ahead = Scene(scene.db, scene.newsletter, "smtp://127.0.0.1:9?tls=none")
    done: Counter[str] = Counter()
    now = THURSDAY - 5 * MINUTE
    while now < THURSDAY + HOUR:
        for found in await asyncio.gather(scene.tick(now), ahead.tick(now + 2 * MINUTE)):
            done.update(found)
        now += 30 * timedelta(seconds=1)
    assert done["fired"] == 1
    assert await scene.state(issue) is IssueState.SENDING
    assert await scene.state(other) is IssueState.APPROVED


async def test_another_schedule_is_another_next_slot(scene: Scene) -> None:
    await scene.approved(183)
    async with scene.db.begin() as session:
        await set_newsletter(session, scene.newsletter.id, schedule="fri 09:00")
    assert await scene.tick(THURSDAY) == []
    assert await scene.tick(THURSDAY + DAY) == ["fired"]
    async with scene.db.begin() as session:
        await set_newsletter(session, scene.newsletter.id, schedule=None)
    assert await scene.tick(THURSDAY + 2 * WEEK) == ["started"]
    assert await scene.tick(THURSDAY + 3 * WEEK) == []


async def test_when_the_rules_of_a_zone_change_the_slot_keeps_its_local_time(scene: Scene) -> None:
    await scene.approved(183)
    async with scene.db.begin() as session:  # as it was reckoned by other rules
        table = schema.send_slots
        await session.execute(update(table).values(due_at=THURSDAY - HOUR))
    assert await scene.tick(THURSDAY - HOUR) == []
    assert await scene.tick(THURSDAY) == ["fired"]


async def test_a_cancelled_issue_is_never_taken_by_a_slot(scene: Scene) -> None:
    issue = await scene.approved(183)
    async with scene.db.begin() as session:
        await move_issue(session, issue, IssueState.SENDING, now=MONDAY)
        await cancel_issue(session, issue, now=MONDAY)
    assert await scene.tick(THURSDAY) == ["held: no_issue"]


async def test_what_comes_next_is_told_at_every_step(scene: Scene) -> None:
    async def told(now: datetime) -> str:
        async with scene.db.read() as session:
            newsletter = await newsletter_by_id(session, scene.newsletter.id)
            return str(await what_is_next(session, newsletter, now))

    issue = await scene.approved(183)
    assert "Issue 183, version 1, goes out Thu 26 Nov 09:00" in await told(MONDAY)
    await scene.tick(THURSDAY)
    starting = await told(THURSDAY + MINUTE)
    assert "starts Thu 26 Nov 09:05" in starting
    assert "digest issue cancel 183" in starting
    await cancel(scene.db, issue, clock=Watch())  # nobody has looked since
    at_once = "What is approved until Thu 26 Nov 15:00 (Europe/Berlin) goes out at once."
    assert f"its issue was taken back. {at_once}" in await told(THURSDAY + 2 * MINUTE)
    await scene.tick(THURSDAY + UNDO)
    assert at_once in await told(THURSDAY + HOUR)
    await scene.approve(issue, now=THURSDAY + HOUR)
    said = await told(THURSDAY + HOUR)
    assert "Issue 183, version 1, goes out at once, for the slot of Thu 26 Nov 09:00" in said
    assert "3 Dec 09:00 (Europe/Berlin); issue" not in said
    assert "Nothing is approved for Thu 3 Dec 09:00" in said
