"""Who is idle hears of what there is to send when it is committed, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import text

from digest.delivery.checks import Gate
from digest.delivery.claims import ClaimQueue
from digest.delivery.plan import begin_issue
from digest.rules.relay import parse_relays
from digest.store.notices import OPERATOR_LANE, Notice, write_notice
from digest.store.session import Database
from digest.store.wakeups import announce, listen
from tests.build import NOW, PUBLIC_URL
from tests.delivery.stage import KEYS, set_stage
from tests.fakes.relay import FakeRelay

GATE = Gate(parse_relays("smtp://127.0.0.1:9?tls=none"), KEYS, PUBLIC_URL)
LISTENING = "FROM pg_stat_activity WHERE query = 'LISTEN digest_rows'"


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with await Database.open(postgres_url) as found:
        yield found


async def listeners(db: Database) -> int:
    async with db.read() as session:
        mine = f"SELECT count(*) {LISTENING} AND datname = current_database()"
        return int((await session.execute(text(mine))).scalar_one())


async def until_listening(db: Database, many: int = 1) -> None:
    async with asyncio.timeout(30):
        while await listeners(db) != many:  # noqa: ASYNC110 - a server has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def heard(db: Database) -> AsyncIterator[Callable[[], asyncio.Future[None]]]:
    """While the block runs, somebody listens; a call gives what comes true at the next word."""
    words: asyncio.Queue[None] = asyncio.Queue()
    listening = asyncio.create_task(listen(db, lambda: words.put_nowait(None), again=0.05))
    await until_listening(db)
    yield lambda: asyncio.ensure_future(asyncio.wait_for(words.get(), 30))
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


async def test_it_is_heard_at_the_commit_and_not_of_what_was_undone(db: Database) -> None:
    async with heard(db) as word:
        with suppress(ZeroDivisionError):
            async with db.begin() as session:
                await announce(session)
                raise ZeroDivisionError
        async with db.begin() as session:
            await announce(session)
            next_one = word()
            async with db.begin() as other:  # a round trip in which it would have come
                await other.execute(text("SELECT pg_sleep(0)"))
            assert not next_one.done()
        await next_one


async def test_a_notice_and_the_start_of_an_issue_are_announced(db: Database) -> None:
    stage = await set_stage(db, 3)
    async with heard(db) as word:
        async with db.begin() as session:
            notice = Notice("confirmation", OPERATOR_LANE, "anne@example.org", "en")
            await write_notice(session, notice, NOW)
        await word()
        await begin_issue(db, stage.issue_id, now=NOW, gate=GATE)
        await word()


async def test_who_was_cut_off_listens_again(db: Database) -> None:
    async with heard(db) as word:
        async with db.begin() as session:
            await session.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {LISTENING}"))
        await until_listening(db)
        async with db.begin() as session:
            await announce(session)
        await word()
    await until_listening(db, 0)


async def test_a_worker_listens_for_as_long_as_it_serves(db: Database) -> None:
    stage, stop = await set_stage(db, 3), asyncio.Event()
    async with FakeRelay() as relay:
        serving = asyncio.create_task(stage.sender(relay).serve(stop))
        await until_listening(db)
        await begin_issue(db, stage.issue_id, now=NOW, gate=GATE)
        await stage.until("accepted", 3)
        stop.set()
        assert await serving == 3
    await until_listening(db, 0)


async def test_on_sqlite_nobody_listens_and_nothing_fails(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as db:
        await listen(db, lambda: None)
        async with db.begin() as session:
            await announce(session)


async def test_a_word_that_came_before_the_nap_ends_it_and_so_does_the_end() -> None:
    queue = ClaimQueue()
    queue.wake()
    async with asyncio.timeout(30):
        await queue.idle(3_600)
        napping = asyncio.create_task(queue.idle(3_600))
        await asyncio.sleep(0)
        queue.wake()
        await napping
        napping = asyncio.create_task(queue.idle(3_600))
        await asyncio.sleep(0)
        queue.close()
        await napping
    await queue.idle(0)
