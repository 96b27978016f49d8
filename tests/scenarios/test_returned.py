"""The whole circle through real mail servers: an issue goes out, what is refused comes back as a
bounce by LMTP, and the next issue leaves out exactly those who cannot be reached.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from digest.audience.feedback import FeedbackDesk
from digest.delivery.alerts import tell_brake
from digest.delivery.publish import approve_issue
from digest.inbound.lmtp import lmtp_server
from digest.store.schema import feedback, subscribers
from digest.store.session import Database
from tests.build import an_issue, issue_text
from tests.delivery.stage import KEYS, Stage, set_stage
from tests.fakes.exim import Exim
from tests.fakes.postfix import Postfix
from tests.fakes.relay import FakeRelay, Fault

PATIENCE = 40.0  # seconds
ANNE, BART, CRIS = "anne@example.org", "bart@example.net", "cris@example.com"
FORWARDED = "cris.new@forward.example"
READERS = 9  # anne, bart, cris, reader4@example.org …
BLOCKED, FULL, LATE = "reader4@example.org", "reader5@example.net", "reader6@example.com"

# What the world's servers answer.
ANSWERS = (
    Fault("RCPT", "550 5.1.1 <anne@example.org>: user unknown", to=ANNE, times=None),
    Fault("RCPT", "550 5.1.1 no such mailbox", to=FORWARDED, times=None),
    Fault("RCPT", "550 5.7.1 Service unavailable; listed at a block list", to=BLOCKED, times=None),
    Fault("RCPT", "552 5.2.2 Mailbox full", to=FULL, times=None),
    Fault("RCPT", "451 4.3.0 Try again", to=LATE, times=3),
)
BOUNCED = {ANNE: "suppressed", CRIS: "suppressed", BLOCKED: "nothing", FULL: "scored"}


@dataclass
class Circle:
    """A stage, the world, and where bounces come in."""

    stage: Stage
    world: FakeRelay
    lmtp_port: int

    async def rows(self) -> list[Any]:
        query = select(feedback, subscribers.c.address.label("reader")).join_from(
            feedback, subscribers, subscribers.c.id == feedback.c.subscriber_id
        )
        async with self.stage.db.read() as session:
            return list(await session.execute(query.order_by(feedback.c.id)))

    async def until(self, holds: Callable[[list[Any]], bool], server: Any) -> list[Any]:
        end = asyncio.get_running_loop().time() + PATIENCE
        while not holds(rows := await self.rows()):
            if asyncio.get_running_loop().time() > end:
                said = [(row.reader, row.kind, row.effect, row.evidence) for row in rows]
                raise AssertionError(f"{said}\n{server.log()}")
            await asyncio.sleep(0.1)
        return rows

    async def next_issue(self) -> set[str]:
        """Whom the next issue is for."""
        stage = self.stage
        text = issue_text(183)
        published = await an_issue(stage.db, stage.newsletter, 183, text=text)
        now = stage.clock.now()
        async with stage.db.begin() as session:
            await approve_issue(
                session, published.issue, published.version.hash, by="Anne", now=now
            )
        stage.issue_id = published.issue.id
        await stage.start()
        rows = [row for row in await stage.rows() if row["issue_id"] == stage.issue_id]
        async with stage.db.read() as session:
            found = await session.execute(select(subscribers.c.id, subscribers.c.address))
            names = {row.id: row.address for row in found}
        return {names[row["subscriber_id"]] for row in rows}


@asynccontextmanager
async def a_circle(db: Database) -> AsyncIterator[Circle]:
    stage = await set_stage(db, READERS)
    desk = FeedbackDesk(db, KEYS, stage.clock, tell=tell_brake)
    faults = [Fault(one.at, one.reply, to=one.to, times=one.times) for one in ANSWERS]
    async with FakeRelay(*faults) as world, lmtp_server(desk, "127.0.0.1:0") as at:
        yield Circle(stage, world, int(at.rpartition(":")[2]))


async def goes_round(circle: Circle, server: Any) -> None:
    """Send through ``server``, and look at what comes back."""
    stage = circle.stage
    await stage.start(relay_url=server.url())
    report = await stage.send(url=server.url())
    assert report.totals.accepted == READERS
    rows = await circle.until(
        lambda rows: (
            {row.reader for row in rows if row.kind == "bounce"} >= BOUNCED.keys()
            and any(row.kind == "delayed" for row in rows)
        ),
        server,
    )
    bounced = {row.reader: row.effect.value for row in rows if row.kind == "bounce"}
    assert bounced == BOUNCED
    assert {row.reader for row in rows if row.kind == "delayed"} == {LATE}
    assert not any(row.quarantined for row in rows)
    left_out = {ANNE, CRIS}
    everybody = {taken.recipient for taken in circle.world.ledger}
    assert everybody.isdisjoint({ANNE, FORWARDED, CRIS, BLOCKED, FULL})
    audience = await circle.next_issue()
    assert len(audience) == READERS - len(left_out)
    assert audience.isdisjoint(left_out)
    assert Counter(row.reader for row in rows if row.kind == "bounce").most_common(1)[0][1] == 1


async def test_what_postfix_bounces_is_left_out_of_the_next_issue(
    sqlite_url: str, open_folder: Path
) -> None:
    async with await Database.open(sqlite_url) as db, a_circle(db) as circle:
        server = Postfix(
            open_folder / "postfix",
            to=circle.world.port,
            lmtp=circle.lmtp_port,
            aliases={CRIS: FORWARDED},
        )
        with server:
            await goes_round(circle, server)


async def test_what_exim_bounces_is_left_out_of_the_next_issue(
    sqlite_url: str, open_folder: Path
) -> None:
    async with await Database.open(sqlite_url) as db, a_circle(db) as circle:
        server = Exim(
            open_folder / "exim",
            to=circle.world.port,
            lmtp=circle.lmtp_port,
            forward=(CRIS, FORWARDED),
        )
        with server:
            await goes_round(circle, server)
