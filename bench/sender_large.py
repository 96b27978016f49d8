"""What many rows cost: memory with a million queued, speed with ten million in the table."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from statistics import median

from sqlalchemy import update

from bench.contest import Contestant, Program, measure
from bench.contestants import CONNECTIONS, Ours
from bench.databases import fresh_databases
from bench.result import Figure
from bench.sending import Relay, ours, plan
from bench.tools import Counting
from digest.clock import Clock
from digest.rules.delivery import DeliveryState, IssueState
from digest.store import schema
from digest.store.session import Database

_FEW, _MANY = 10_000, 1_000_000
_ISSUES = 10  # of a million readers each
_ROUNDS = 3
_MOST_MEMORY = 120  # MB
_MOST_GROWTH = 1.1  # memory with a million queued, to that with ten thousand
_LEAST_SPEED = 0.9  # of that with few rows


def measured(databases: Sequence[Ours], server: Counting) -> list[Figure]:
    """Each of the databases, which are small, beside one that is large; takes minutes and GBs."""
    with fresh_databases() as urls:
        return [
            figure
            for small in databases
            for figure in _of(small, Ours(small.kind, urls[small.kind]), server)
        ]


def _of(small: Ours, large: Ours, server: Counting) -> list[Figure]:
    large.newsletter(_FEW)
    newsletter = large.newsletter(_MANY)
    issue = plan(large.url, newsletter)
    begun = [measure(small.contestant(_FEW), server), measure(_first_of(large, issue), server)]
    asyncio.run(_settle(large.url, issue))
    for _ in range(_ISSUES - 1):
        asyncio.run(_settle(large.url, plan(large.url, newsletter)))
    _tidy(large.url)
    speeds = []
    for _ in range(_ROUNDS):
        few, many = (measure(one.contestant(_FEW), server).rate for one in (small, large))
        speeds.append(many / few)
    few, many = (run.memory for run in begun)
    name = f"{small.kind}, memory"
    return [
        Figure(f"{name}, {_FEW:,} queued", few, "MB", _MOST_MEMORY),
        Figure(f"{name}, {_MANY:,} queued", many, "MB", _MOST_MEMORY),
        Figure(f"{name}, growth", many / few, "×", _MOST_GROWTH),
        Figure(
            f"{small.kind}, speed at {_MANY * _ISSUES:,} rows, of that at {_FEW:,}",
            median(speeds),
            "×",
            _LEAST_SPEED,
            at_least=True,
        ),
    ]


def _tidy(url: str) -> None:
    """What has been done to a table that grew over weeks, not within minutes; then it is quiet."""
    if url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE) deliveries")
            connection.execute("CHECKPOINT")
    else:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _first_of(database: Ours, issue: int) -> Contestant:
    """The first messages of an issue; then the sender is told to stop."""

    def prepare(port: int, messages: int) -> Program:
        return ours(database.url, issue, Relay(port, CONNECTIONS), stop_after=messages)

    return Contestant(f"{database.kind}, of {_MANY:,}", _FEW, prepare)


async def _settle(url: str, issue: int) -> None:
    """What sending an issue leaves behind: all rows accepted."""
    now = Clock().now()
    rows = schema.deliveries
    async with await Database.open(url) as db, db.begin() as session:
        await session.execute(
            update(rows)
            .where(rows.c.issue_id == issue)
            .values(
                state=DeliveryState.ACCEPTED,
                attempts=1,
                first_claimed_at=now,
                claimed_at=now,
                settled_at=now,
                reply_code=250,
                reply_text="2.0.0 Ok: queued as 1E240",
            )
        )
        await session.execute(
            update(schema.issues)
            .where(schema.issues.c.id == issue)
            .values(state=IssueState.FINISHED, finished_at=now)
        )
