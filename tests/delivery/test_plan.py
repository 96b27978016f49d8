"""Starting an issue: everything or nothing, and only when it may go out."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from digest.delivery.checks import Gate
from digest.delivery.plan import start_issue
from digest.errors import RefusedError, SettingsError
from digest.mail.tokens import KeyRing
from digest.rules.delivery import IssueState
from digest.rules.relay import parse_relays
from digest.store.issues import issue_by_id, move_issue
from digest.store.schema import issues, newsletters, versions
from digest.store.session import Database
from tests.build import PUBLIC_URL
from tests.delivery.stage import KEYS, set_stage

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
