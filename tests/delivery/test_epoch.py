"""A restored backup sends nothing, and a copy on another machine asks before it does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.clock import Clock
from digest.delivery.checks import Gate
from digest.delivery.epoch import Began, Memory, Seen, begin_here, follow
from digest.delivery.notices import NoticeLetters
from digest.delivery.publish import approve_issue
from digest.delivery.slots import SlotKeeper
from digest.errors import RefusedError, SettingsError
from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.epoch import SEEN_EVERY
from digest.rules.relay import parse_relays
from digest.rules.slots import SlotReason, SlotState
from digest.store import slots
from digest.store.control import settle_held
from digest.store.installation import get_installation, note_scheduler
from digest.store.issues import issue_by_id
from digest.store.newsletters import set_newsletter
from digest.store.notices import OPERATOR_LANE, Notice, write_notice
from digest.store.resend import HeldAction
from digest.store.schema import notices, send_slots
from digest.store.session import Database
from tests.build import NOW, PUBLIC_URL, an_installation, an_issue
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.fakes.relay import FakeRelay

WEEK = timedelta(weeks=1)


async def epoch_of(db: Database) -> int:
    async with db.read() as session:
        found = await get_installation(session)
    assert found is not None
    return found.epoch


async def memory_of(db: Database, state: Path) -> Memory:
    async with db.read() as session:
        found = await get_installation(session)
    assert found is not None
    return Memory.of(state, found.installation_id)


async def forget_starts(db: Database, state: Path) -> None:
    """Have the database older than what the machine remembers, as a backup is."""
    memory = await memory_of(db, state)
    memory.write(Seen(await epoch_of(db) + 3, "this-machine"))


async def test_every_start_counts_one_more_in_the_database_and_beside_it(
    database: Database, tmp_path: Path
) -> None:
    await an_installation(database)
    machines = set()
    for number in (1, 2, 3):
        began = await begin_here(database, tmp_path / "state", now=NOW, scheduler=number != 2)
        machines.add(began.machine)
        assert began.held is None
        seen = (await memory_of(database, tmp_path / "state")).read()
        assert seen == Seen(number, began.machine)
        assert await epoch_of(database) == number
    assert len(machines) == 1


def test_what_was_seen_is_never_lowered(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path / "state", "one")
    memory.write(Seen(7, "here"))
    memory.write(Seen(3, "here"))
    assert memory.read() == Seen(7, "here")
    assert Memory.of(tmp_path / "state", "another").read() is None


@pytest.mark.parametrize("content", [b"", b"seven here", b"7", b"7 here and there", b"\xff 1"])
def test_a_memory_that_cannot_be_read_is_no_reason_to_send(tmp_path: Path, content: bytes) -> None:
    memory = Memory.of(tmp_path, "one")
    memory.file.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        memory.read()
    assert refused.value.where == "DIGEST_STATE_DIR"


def test_a_state_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(SettingsError) as refused:
        Memory.of(tmp_path / "state", "one").write(Seen(1, "here"))
    assert refused.value.where == "DIGEST_STATE_DIR"


async def a_restored_week(db: Database) -> tuple[Stage, int]:
    """An issue on its way, one that is approved, a slot that has passed, a mail that waits."""
    stage = await set_stage(db)
    await stage.start()
    other = await an_issue(db, stage.newsletter, 183)
    now = stage.clock.now()
    async with db.begin() as session:
        await approve_issue(session, other.issue, other.version.hash, by="Anne", now=now)
        await set_newsletter(session, stage.newsletter.id, schedule="cron 0 * * * *")
        local = (now - timedelta(hours=1)).replace(tzinfo=None)
        await slots.open_slot(
            session, stage.newsletter.id, local, due_at=now - timedelta(hours=1), now=now
        )
        waits = Notice("alert", OPERATOR_LANE, "old@example.org", "en")
        assert await write_notice(session, waits, now)
    return stage, other.issue.id


async def test_a_restored_backup_sends_nothing_but_word_of_it(
    database: Database, tmp_path: Path
) -> None:
    stage, approved = await a_restored_week(database)
    await forget_starts(database, tmp_path)
    began = await begin_here(database, tmp_path, now=stage.clock.now(), scheduler=True)
    assert began.held is not None
    assert (began.held.paused, began.held.unapproved) == (("weekly 182",), ("weekly 183",))
    assert (began.held.deliveries, began.held.notices, began.held.slots) == (3, 1, 1)
    async with FakeRelay() as relay:
        gate = Gate(parse_relays(relay.url()), KEYS, PUBLIC_URL)
        keeper = SlotKeeper(database, gate, began.machine)
        letters = NoticeLetters(database, KEYS, public_url=PUBLIC_URL)
        for _ in range(4):
            await keeper.tick(stage.clock.now())
            await stage.sender(relay, write_notice=letters).send_notices()
            stage.clock.jump(hours=1)
    assert await stage.states() == {"held": 3}
    subjects = [str(one.message["subject"]) for one in relay.ledger]
    assert sum("put back from a backup" in one for one in subjects) == 1
    assert {one.recipient for one in relay.ledger} == {stage.newsletter.from_address}
    async with database.read() as session:
        assert (await issue_by_id(session, approved)).state is IssueState.DRAFT
        assert (await issue_by_id(session, stage.issue_id)).state is IssueState.PAUSED
        first = (await session.execute(select(send_slots).order_by(send_slots.c.due_at))).first()
        assert first is not None
        assert (first.state, first.reason) == (SlotState.HELD, SlotReason.RESTORED)
        old = select(notices.c.state).where(notices.c.address == "old@example.org")
        assert await session.scalar(old) is DeliveryState.CANCELLED
    again = await begin_here(database, tmp_path, now=stage.clock.now())
    assert again.held is None  # once


async def test_what_was_held_goes_out_when_somebody_says_that_it_did_not(
    database: Database, tmp_path: Path
) -> None:
    stage, _ = await a_restored_week(database)
    await forget_starts(database, tmp_path)
    await begin_here(database, tmp_path, now=stage.clock.now())
    async with database.begin() as session:
        await settle_held(
            session, issue_id=None, row_ids=None, action=HeldAction.RESEND, now=stage.clock.now()
        )
    assert await stage.states() == {"queued": 3}


async def test_a_worker_does_not_send_what_nobody_has_held_yet(
    database: Database, tmp_path: Path
) -> None:
    await an_installation(database)
    await follow(database, tmp_path)  # never seen here: it follows
    await begin_here(database, tmp_path, now=NOW)
    await follow(database, tmp_path)
    await forget_starts(database, tmp_path)
    with pytest.raises(RefusedError, match="put back from a backup"):
        await follow(database, tmp_path)


async def begin(db: Database, state: Path, **options: bool) -> Began:
    return await begin_here(db, state, now=Clock().now(), scheduler=True, **options)


async def test_a_copy_on_another_machine_needs_a_word_once(
    database: Database, tmp_path: Path
) -> None:
    await an_installation(database)
    await begin(database, tmp_path / "first")
    async with database.begin() as session:
        await note_scheduler(session, "first", host="first.example.org", now=Clock().now())
    with pytest.raises(RefusedError, match=r"first\.example\.org") as refused:
        await begin(database, tmp_path / "second")
    assert "--take-over" in refused.value.fix
    assert not (tmp_path / "second").exists()
    await begin(database, tmp_path / "second", take_over=True)
    await begin(database, tmp_path / "second")
    await begin(database, tmp_path / "first")  # nobody was stopped


async def test_a_machine_that_takes_over_what_nobody_keeps_sends_nothing_of_it_unasked(
    database: Database, tmp_path: Path
) -> None:
    """It may be a backup, put back by other means than ours: it names no machine that is there."""
    stage, approved = await a_restored_week(database)
    last_night = stage.clock.now() - timedelta(hours=9)
    async with database.begin() as session:
        await note_scheduler(session, "first", host="first.example.org", now=last_night)
    state, now = tmp_path / "new", stage.clock.now()
    with pytest.raises(RefusedError, match="--take-over"):
        await begin_here(database, state, now=now, scheduler=True)
    began = await begin_here(database, state, now=now, scheduler=True, take_over=True)
    assert began.held is not None
    assert (began.held.paused, began.held.unapproved) == (("weekly 182",), ("weekly 183",))
    assert await stage.states() == {"held": 3}
    async with database.read() as session:
        assert (await issue_by_id(session, approved)).state is IssueState.DRAFT
    assert (await begin_here(database, state, now=now, scheduler=True)).held is None  # once


async def test_a_second_machine_beside_one_that_is_there_holds_nothing(
    database: Database, tmp_path: Path
) -> None:
    stage, _ = await a_restored_week(database)
    now = stage.clock.now()
    async with database.begin() as session:
        await note_scheduler(session, "first", host="first.example.org", now=now - 2 * SEEN_EVERY)
    began = await begin_here(database, tmp_path, now=now, scheduler=True, take_over=True)
    assert began.held is None
    assert await stage.states() == {"queued": 3}


async def test_after_a_week_of_silence_nobody_has_to_be_asked_and_nothing_is_sent(
    database: Database, tmp_path: Path
) -> None:
    stage, _ = await a_restored_week(database)
    long_ago = stage.clock.now() - WEEK - timedelta(minutes=1)
    async with database.begin() as session:
        await note_scheduler(session, "first", host="first.example.org", now=long_ago)
    began = await begin_here(database, tmp_path, now=stage.clock.now(), scheduler=True)
    assert began.held is not None
    assert await stage.states() == {"held": 3}


async def test_a_machine_that_lost_its_state_folder_goes_on(
    database: Database, tmp_path: Path
) -> None:
    await an_installation(database)
    await begin(database, tmp_path / "lost")
    await begin(database, tmp_path / "new")
