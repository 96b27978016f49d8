"""What is asked often is found by an index, however many rows there are.

A scan is allowed over an index of few rows only (a partial one), or a table that does not grow with
readers. SQLite says how it would look; PostgreSQL has the same indexes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from digest.rules.delivery import DeliveryState
from digest.rules.feedback import Bearing
from digest.store import (
    clicks,
    counts,
    delivery_rows,
    feedback,
    feedback_counts,
    forgetting,
    handover,
    old_notices,
    own_data,
    passes,
    preferences,
    progress,
    receipts,
    reports,
    rollup,
    signups,
    subscribers,
    suppressions,
    watching,
    webhooks,
)
from digest.store.claims import claim_deliveries
from digest.store.deliveries import cancel_departed
from digest.store.mailbox_health import settle_waiting
from digest.store.notices import claim_notices, expire_notices, next_notice_due
from digest.store.reader_list import list_readers
from digest.store.schema import metadata
from digest.store.session import Database, Session
from tests.build import NOW, a_newsletter, an_installation, readers
from tests.store.plans import plans_of

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

Asked = Callable[[Session], Awaitable[object]]
QUESTIONS: dict[str, Asked] = {
    "claim deliveries": lambda s: claim_deliveries(s, worker_id=1, issue_id=1, limit=9, now=NOW),
    "claim notices": lambda s: claim_notices(s, worker_id=1, limit=9, now=NOW),
    "notices that run out": lambda s: expire_notices(s, NOW),
    "the next notice": next_notice_due,
    "who sends": handover.owners,
    "rows of the dead": lambda s: handover.rescue(s, [1], now=NOW),
    "who left before their turn": lambda s: cancel_departed(s, 1, NOW),
    "issues on their way": progress.issues_on_their_way,
    "rows that are due": lambda s: progress.due_count(s, 1, NOW, most=9),
    "the next row": lambda s: progress.next_due(s, 1),
    "rows in hand": lambda s: progress.sending_count(s, 1),
    "an issue that is through": lambda s: progress.finish_sending(s, 1, NOW),
    "rejections": lambda s: counts.rejections(s, 1, NOW),
    "what was answered": lambda s: counts.answered(s, 1, [1], NOW, most=9),
    "what was accepted": lambda s: counts.accepted(s, 1, NOW, most=9),
    "the canary": lambda s: counts.canary_counts(s, 1),
    "the clicks of an issue": lambda s: clicks.clicks_of_issue(s, 1),
    "where links lead": lambda s: clicks.targets_of(s, 1),
    "how things stand": lambda s: watching.standing(s, NOW),
    "issues to watch": watching.on_their_way,
    "the totals of an issue": lambda s: reports.issue_totals(s, 1),
    "whom an issue missed": lambda s: reports.missed_readers(s, 1),
    "the replies to an issue": lambda s: reports.replies_of_issue(s, 1),
    "a receipt": lambda s: receipts.receipt(s, 1),
    "where an issue went": lambda s: receipts.destination_counts(s, 1),
    "a page of rows": lambda s: delivery_rows.delivery_list(s, 1),
    "the rows of a reader": lambda s: delivery_rows.deliveries_of(s, 1),
    "the history of a row": lambda s: delivery_rows.delivery_history(s, 1),
    "rows to roll up": lambda s: rollup.roll_up(s, 1, after=0, limit=9),
    "counts of what was": lambda s: rollup.rolled_up_of(s, 1),
    "whose delivery it is": lambda s: feedback.subject_of_delivery(s, 1),
    "whose message a relay means": lambda s: feedback.subject_of_relay_id(s, "x"),
    "whose notice it is": lambda s: feedback.subject_of_notice(s, 1),
    "whose address it is": lambda s: feedback.subject_of_address(s, "anne@example.org"),
    "what nobody was told of": lambda s: feedback.given_up(s, 1),
    "whom to ask the DNS about": lambda s: feedback.asking(s, NOW),
    "what came back": lambda s: feedback_counts.came_back(s, 1, Bearing.HARD, since=NOW),
    "the last words": lambda s: feedback_counts.last_words(s, 1, Bearing.HARD),
    "rows of who bounces": lambda s: settle_waiting(s, 1, DeliveryState.SKIPPED, NOW),
    "a reader by address": lambda s: subscribers.find_reader(s, "anne@example.org"),
    "what a sender holds of a reader": lambda s: subscribers.sending_claims(s, [1]),
    "leaving": lambda s: subscribers.leave_subscription(s, 1, NOW),
    "a page of readers": lambda s: list_readers(s, 1),
    "whether an address is suppressed": (
        lambda s: suppressions.suppression_of(s, 1, "anne@example.org")
    ),
    "how somebody agreed": lambda s: own_data.consent_history(s, 1),
    "what somebody was sent": lambda s: own_data.mail_history(s, 1),
    "open sign-ups": lambda s: signups.open_signups(s, limit=9),
    "a sign-up": lambda s: signups.take_signup(s, 1),
    "sign-ups of long ago": lambda s: signups.forget_signups(s, NOW),
    "links that have run out": lambda s: passes.forget_passes(s, NOW),
    "pauses that are over": lambda s: preferences.end_pauses(s, NOW),
    "the person behind a link": lambda s: preferences.person(s, 1),
    "webhooks to tell": lambda s: webhooks.due_webhooks(s, NOW),
    "notices of long ago": lambda s: old_notices.forget_notices(s, NOW, 9),
    "whether a notice was forgotten": lambda s: old_notices.was_forgotten(s, "x:a@b", "a@b"),
    "words of long ago": lambda s: forgetting.forget_words(s, NOW, 9),
    "what was about nobody": lambda s: forgetting.forget_quarantined(s, NOW, 9),
    "sign-ins that were refused": lambda s: forgetting.forget_refusals(s, NOW, 9),
    "what was told long ago": lambda s: webhooks.forget_told(s, NOW),
}


@pytest.fixture
async def grown(sqlite_url: str) -> AsyncIterator[Database]:
    """A database with a few readers: SQLite plans by what indexes there are."""
    async with await Database.open(sqlite_url) as db:
        await an_installation(db)
        await readers(db, await a_newsletter(db))
        yield db


async def test_no_question_goes_through_a_table_that_grows(grown: Database) -> None:
    found = {
        f"{name}: {line}"
        for name, asked in QUESTIONS.items()
        for plan in await plans_of(grown, asked)
        for line in plan
        if is_a_walk(line)
    }
    assert sorted(found) == []


def is_a_walk(line: str) -> bool:
    """Whether SQLite would look at every row of a big table."""
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
