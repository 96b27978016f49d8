"""F4: killed at any statement on the way from an issue's file to its rows, it goes out once.

A process adds an issue, approves it, takes its slot and starts it, and then one that has a time of
its own. It is killed right before each of its statements and commits, and begun again: everybody
who was to get an issue has one row of it, nobody else has any, the slot was taken once, the issue
after it still waits, and a monitor is told of what started last. A large audience gets its rows in
two transactions, a small one in one. The second issue overtakes the first, all of which is given
up.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from digest.delivery.checks import Gate
from digest.delivery.publish import approve_issue
from digest.delivery.slots import SlotKeeper
from digest.mail.tokens import KeyRing
from digest.rules.brakes import canary_size
from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.slots import SlotState
from digest.store import schema
from digest.store.alerted import heartbeat_owed
from digest.store.session import Database
from digest.store.slots import schedule_issue, slots_of
from tests.build import KEY, NOW, PUBLIC_URL, a_newsletter, an_installation, an_issue, crowd
from tests.fakes.postgres import PostgresServer
from tests.scenarios import results
from tests.scenarios.slot_process import SLOT, SPECIAL
from tests.store.killed import NEVER, killed

EVERY = 6  # step that ./run scenarios kills at
FAULT = "F4 SIGKILL at statements from file to rows, no relay"
KEYS = KeyRing(KEY)
READERS = {"anne@example.org", "bart@example.net", "cris@example.com"}
FEW, MANY = 4, 1_004  # the fourth has not confirmed

Copies = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=[FEW, MANY])
def audience(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
async def furnished(database_url: str, audience: int) -> str:
    """A newsletter with a slot, readers, one who has not confirmed, an issue for the slot after
    that and one with a time of its own.
    """
    async with await Database.open(database_url) as db:
        await an_installation(db, fingerprint=KEYS.fingerprint)
        weekly = await a_newsletter(db, schedule="thu 09:00", timezone="UTC")
        await crowd(db, weekly, audience)
        later, special = await an_issue(db, weekly, 183), await an_issue(db, weekly, 190)
        async with db.begin() as session:
            for one in (later, special):
                await approve_issue(session, one.issue, one.version.hash, by="Anne", now=NOW)
            await schedule_issue(session, special.issue.id, SPECIAL)
            table = schema.subscribers
            fourth = select(table.c.id).where(table.c.address.startswith("reader4@"))
            unconfirmed = update(schema.subscriptions).values(state="pending")
            await session.execute(
                unconfirmed.where(schema.subscriptions.c.subscriber_id.in_(fourth))
            )
        await SlotKeeper(db, Gate((), KEYS, PUBLIC_URL)).tick(NOW)
    return database_url


@pytest.fixture
def copies(furnished: str, dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Copies:
    """Gives one place in which a copy of that database is made anew."""
    if dialect == "sqlite":
        path = tmp_path / "copy.db"

        @contextmanager
        def a_file() -> Iterator[str]:
            shutil.copyfile(furnished.removeprefix("sqlite:///"), path)
            yield f"sqlite:///{path}"
            for file in tmp_path.glob("copy.db*"):
                file.unlink()

        return a_file
    server: PostgresServer = request.getfixturevalue("postgres_server")
    made = furnished.partition("?")[0].rpartition("/")[2]

    @contextmanager
    def a_database() -> Iterator[str]:
        server.create_database("a_copy", template=made)
        yield server.url("a_copy")
        server.drop_database("a_copy")

    return a_database


async def addressed(db: Database, number: int) -> list[str]:
    """Whom an issue has rows for."""
    async with db.read() as session:
        query = (
            select(schema.subscribers.c.address)
            .join(schema.deliveries, schema.deliveries.c.subscriber_id == schema.subscribers.c.id)
            .join(schema.issues, schema.issues.c.id == schema.deliveries.c.issue_id)
            .where(schema.issues.c.number == number)
            .order_by(schema.subscribers.c.address)
        )
        return list(await session.scalars(query))


async def look_half_way(url: str, audience: int) -> int:
    """For how many the issue is planned: nobody, the first few of a large one, or everybody."""
    async with await Database.open(url) as db:
        weekly, special = [len(await addressed(db, number)) for number in (182, 190)]
    assert {weekly, special} <= {0, canary_size(audience), audience - 1}
    return weekly


async def look_at_the_end(url: str, audience: int) -> None:
    async with await Database.open(url) as db:
        for number in (182, 190):
            planned = await addressed(db, number)
            assert set(planned) >= READERS
            assert len(planned) == len(set(planned)) == audience - 1
        async with db.read() as session:
            issues, rows = schema.issues, schema.deliveries
            fates = await session.execute(
                select(issues.c.number, rows.c.state, rows.c.reason, func.count())
                .join(issues, issues.c.id == rows.c.issue_id)
                .group_by(issues.c.number, rows.c.state, rows.c.reason)
            )
            assert {tuple(one) for one in fates} == {
                (182, DeliveryState.EXPIRED, StateReason.SUPERSEDED, audience - 1),
                (190, DeliveryState.QUEUED, None, audience - 1),
            }
            assert not await session.scalar(select(func.count()).where(issues.c.overtaken))
            states = await session.execute(select(issues.c.number, issues.c.state))
            assert {one.number: one.state for one in states} == {
                182: IssueState.SENDING,
                183: IssueState.APPROVED,
                190: IssueState.SENDING,
            }
            assert await session.scalar(select(func.count()).select_from(schema.versions)) == 3
            found = await slots_of(session, 1)
            assert [(one.state, one.release_at) for one in found] == [
                (SlotState.OPEN, None),
                (SlotState.FIRED, None),
            ]
            assert found[1].due_at == SLOT
            assert await heartbeat_owed(session) == SPECIAL


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_statement_an_issue_is_planned_once_for_everybody(
    copies: Copies, dialect: str, every: int, audience: int
) -> None:
    half_way = set[int]()
    number, steps, kills = 1, None, 0
    with killed("tests.scenarios.slot_process") as kill:
        with copies() as url:
            assert kill(0, url) == 0
        while steps is None:
            with copies() as url:
                steps = kill(number, url)
                kills += steps is None
                half_way.add(asyncio.run(look_half_way(url, audience)))
                assert kill(NEVER, url)
                asyncio.run(look_at_the_end(url, audience))
            number += every
    # Both sides of each commit that plans.
    assert half_way == {0, canary_size(audience), audience - 1}
    assert steps > 40
    rows = (kills + 1) * 2 * (audience - 1)
    results.record(FAULT, dialect, runs=kills + 1, kills=kills, messages=rows)
