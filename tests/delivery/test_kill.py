"""SIGKILL in the middle of sending: nobody is lost, and second copies are few and the same."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from digest.store.session import Database
from tests.delivery.stage import set_stage
from tests.fakes.relay import FakeRelay

ROOT = Path(__file__).resolve().parents[2]
READERS, CONNECTIONS, UNRECORDED = 300, 4, 500


async def run_and_kill(relay: FakeRelay, url: str, issue_id: int, *, after: int) -> None:
    """Run a sending process and kill it at the dot after that many more messages were taken."""
    goal = len(relay.ledger) + after
    killed = asyncio.Event()

    def look(_command: bytes) -> None:
        if len(relay.ledger) >= goal and process.returncode is None:
            process.kill()
            killed.set()

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.delivery.send_process", url),
        *(relay.url(connections=CONNECTIONS), str(issue_id)),
        cwd=ROOT,
    )
    relay.on_command = look
    assert await process.wait() == -9
    assert killed.is_set()
    relay.on_command = None


async def test_killed_twice_an_issue_still_reaches_everybody(
    database: Database, database_url: str
) -> None:
    stage = await set_stage(database, READERS)
    await stage.start()
    async with FakeRelay() as relay:
        await run_and_kill(relay, database_url, stage.issue_id, after=70)
        await run_and_kill(relay, database_url, stage.issue_id, after=70)
        in_doubt = len([row for row in await stage.rows() if row["state"] == "sending"])
        while await stage.states() != {"accepted": READERS}:  # PostgreSQL frees a lock by and by
            report = await stage.send(relay)
    assert report.totals.planned == report.totals.accepted == READERS
    assert len(relay.recipients) == READERS
    repeated = len(relay.ledger) - READERS
    assert repeated <= 2 * (CONNECTIONS + UNRECORDED)
    assert in_doubt > 0
    doubtful = len([row for row in await stage.rows() if row["maybe_sent"]])
    several = [recipient for recipient, copies in relay.recipients.items() if copies > 1]
    assert len(several) <= doubtful  # a second copy only of what was marked
    assert repeated <= 2 * len(several)  # and one for each kill at most
    for recipient, copies in relay.recipients.items():
        if copies > 1:
            same = {t.data for t in relay.ledger if t.recipient == recipient}
            assert len(same) == 1
