"""Starting an issue: the gate, then approved → sending and its rows, in one transaction.

Killed before the commit nothing has happened; after it, everything is planned. Called again, it
plans nothing and says so: the sender goes on where the rows are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from digest.delivery.checks import Gate
from digest.errors import RefusedError
from digest.rules.delivery import IssueState
from digest.store.deliveries import plan_deliveries
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.progress import start_sending
from digest.store.session import Database


@dataclass(frozen=True, slots=True)
class Started:
    """An issue that is on its way; ``fresh`` when this call planned it."""

    issue_id: int
    state: IssueState
    planned: int
    fresh: bool


async def start_issue(db: Database, issue_id: int, *, now: datetime, gate: Gate) -> Started:
    """Plan an approved issue, once; an issue that is on its way or finished is left as it is.

    Raises SettingsError and RefusedError of the gate, and RefusedError where the issue is not
    approved, is paused or was cancelled.
    """
    async with db.begin() as session:
        issue = await issue_by_id(session, issue_id)
        await gate.check(session, issue)
        version_id = await start_sending(session, issue_id)
        if version_id is not None:
            planned = await plan_deliveries(
                session, issue_id=issue_id, version_id=version_id, now=now
            )
            return Started(issue_id, IssueState.SENDING, planned, fresh=True)
        issue = await issue_by_id(session, issue_id)  # as it is by now
        _refuse_unready(issue)
        return Started(issue_id, issue.state, issue.planned or 0, fresh=False)


def _refuse_unready(issue: StoredIssue) -> None:
    if issue.state in (IssueState.DRAFT, IssueState.APPROVED):
        raise RefusedError(
            f"Issue {issue.name} is not approved.",
            where=f"issue {issue.name}",
            fix=f"Look at it, then run: digest issue approve {issue.name} HASH",
        )
    if issue.state is IssueState.PAUSED:
        because = f": {issue.paused_reason}" if issue.paused_reason else ""
        raise RefusedError(
            f"Issue {issue.name} is paused{because}.",
            where=f"issue {issue.name}",
            fix="It goes on where it stopped once that is settled and it is resumed.",
        )
    if issue.state is IssueState.CANCELLED:
        raise RefusedError(
            f"Issue {issue.name} was cancelled.",
            where=f"issue {issue.name}",
            fix="Add its text under another number.",
        )
