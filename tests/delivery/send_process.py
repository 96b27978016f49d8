"""A sending process of its own, to be killed: DATABASE_URL RELAY_URL ISSUE_ID."""

from __future__ import annotations

import asyncio
import sys

from digest.clock import Clock
from digest.delivery.sender import Sender
from digest.mail.tokens import KeyRing
from digest.rules.relay import parse_relays
from digest.store.session import Database
from tests.build import KEY, PUBLIC_URL


async def main(database_url: str, relay_url: str, issue_id: int) -> int:
    async with await Database.open(database_url) as db:
        sender = Sender(db, KeyRing(KEY), Clock(), parse_relays(relay_url), PUBLIC_URL)
        report = await sender.send_issue(issue_id, no_retries=True)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
