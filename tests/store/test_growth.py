"""What is asked often is found by an index, however many rows there are, on both databases.

A scan is allowed over an index of few rows only (a partial one), or a table that does not grow with
readers.
"""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from digest.store.schema import metadata
from digest.store.session import Database
from tests.build import NOW, a_newsletter, an_installation, an_issue, plan_deliveries, readers
from tests.store.plans import plans_of
from tests.store.questions import QUESTIONS

BIG = {
    *("deliveries", "attempts", "feedback", "notices", "subscribers", "subscriptions"),
    *("consent_events", "suppressions", "signups", "webhook_deliveries", "passes", "audit"),
}
ALIASES = {"due", "later", "rest", "other", "mails", "few", "last"}
_FEW_ROWS = {
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}
# Of these each database reads the newest rows, in the order of their ids, and stops at a number.
FROM_THE_END = {
    ("what people did", "audit"),
    ("what came back", "feedback"),
    ("when anything came back", "feedback"),
    ("what servers answered", "attempts"),
}
# These count a table that grows; a page shows what was counted an hour ago, or is kept meanwhile.
COUNTED = {("how many read", "subscriptions"), ("what there ever was", "feedback")}
# SQLite takes suppressions from the end too; PostgreSQL sorts those of the partial index.
OF_SQLITE = {("who was suppressed last", "suppressions")}
# What a database knew of the rows of tests before it: a plan must not hang on them.
_FORGET = """
UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE relnamespace = 'public'::regnamespace;
DELETE FROM pg_statistic WHERE starelid IN
    (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
"""
# Rows of other issues, so many that PostgreSQL sees which index saves going through them.
_OTHERS = text("""
INSERT INTO deliveries (issue_id, subscriber_id, version_id, subscription_id, destination_id, state,
    not_before, settled_at)
SELECT 100 + n % 50, 1000 + n / 50, 1, 1, 1, 'accepted', now(), now()
FROM generate_series(1, 10000) AS n
""")


@pytest.fixture
async def grown(database: Database) -> Database:
    """A database with a few readers of an issue on its way: what counts are the indexes."""
    await an_installation(database)
    newsletter = await a_newsletter(database)
    await readers(database, newsletter)
    issue = await an_issue(database, newsletter)
    async with database.begin() as session:
        await plan_deliveries(session, issue_id=1, version_id=issue.version.id, now=NOW)
        await session.execute(text("UPDATE issues SET state = 'sending'"))
        if database.dialect == "postgresql":
            for statement in _FORGET.split(";"):
                await session.execute(text(statement))
            await session.execute(_OTHERS)
            await session.execute(text("ANALYZE deliveries"))
    return database


async def test_no_question_goes_through_a_table_that_grows(grown: Database) -> None:
    walks = [
        (name, line)
        for name, asked in QUESTIONS.items()
        for plan in await plans_of(grown, asked)
        for line in plan
        if is_a_walk(line)
    ]
    known = FROM_THE_END | COUNTED | (OF_SQLITE if grown.dialect == "sqlite" else set())
    assert [walk for walk in walks if (walk[0], walk[1].split()[1]) not in known] == []
    assert known == {(name, line.split()[1]) for name, line in walks}  # none is excused in vain


def is_a_walk(line: str) -> bool:
    """Whether a database would look at every row of a big table."""
    scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
    return scan is not None and scan[1] in BIG | ALIASES and scan[2] not in _FEW_ROWS


@pytest.mark.parametrize(
    ("line", "walk"),
    [
        ("SCAN deliveries", True),
        ("SCAN deliveries USING COVERING INDEX uq_deliveries_issue_id", True),
        ("SCAN deliveries USING INDEX ix_deliveries_owner", False),
        ("SEARCH deliveries USING INDEX ix_deliveries_to_do (issue_id=?)", False),
        ("SCAN issues", False),
    ],
)
def test_a_walk_is_told_from_a_look(line: str, walk: bool) -> None:
    assert is_a_walk(line) is walk
