"""``digest status``: what happens next of every newsletter, and what needs somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json
from digest.delivery.readiness import what_is_next
from digest.rules.delivery import IssueState
from digest.store.issues import list_issues
from digest.store.newsletters import Newsletter, list_newsletters
from digest.store.reports import issue_totals
from digest.store.session import Session

_ON_ITS_WAY = (IssueState.SENDING, IssueState.PAUSED)


async def status(*, as_json: Json = False) -> int:
    """Say of every newsletter what goes out next, and what is on its way.

    Exit 1: an issue is paused, or a send slot is held.
    """
    needed = False
    async with connected() as found, found.db.read() as session:
        for newsletter in await list_newsletters(session):
            row, text = await _status(session, newsletter, found.clock.now())
            output.result(row, as_json=as_json, text=text)
            needed |= row["needs_you"]
    return 1 if needed else 0


async def _status(
    session: Session, newsletter: Newsletter, now: datetime
) -> tuple[dict[str, Any], str]:
    coming = await what_is_next(session, newsletter, now)
    issues: list[dict[str, Any]] = []
    lines = [f"{newsletter.slug}: {coming}"]
    for state in _ON_ITS_WAY:
        for issue in await list_issues(session, newsletter.id, state=state):
            totals = await issue_totals(session, issue.id)
            row = {"issue": issue.name, "state": issue.state, "reason": issue.paused_reason}
            issues.append(row | totals.as_dict())
            why = f" ({issue.paused_reason})" if issue.paused_reason else ""
            lines.append(
                f"  Issue {issue.name} is {issue.state}{why}: {totals.accepted:,} of "
                f"{totals.planned:,} accepted."
            )
    paused = any(one["state"] is IssueState.PAUSED for one in issues)
    data = {
        "newsletter": newsletter.slug,
        "needs_you": paused or coming.held is not None,
        "next": coming.as_dict(),
        "issues": issues,
    }
    return data, "\n".join(output.printable(line) for line in lines)
