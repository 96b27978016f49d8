"""``digest issue send|status|receipt|missed``: an issue on its way, and what became of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from digest.cli import output
from digest.cli.connection import Connection, connected, read_settings
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.cli.service import until_stopped
from digest.delivery.plan import start_issue
from digest.delivery.sender import Sender, SendReport
from digest.errors import RefusedError
from digest.rules.delivery import IssueState
from digest.runtime import Runtime, open_runtime
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.reports import (
    Missed,
    Totals,
    issue_totals,
    missed_readers,
    replies_of_issue,
)

PAGE = 1_000
WATCH = 1.0  # seconds between two looks
_OVER = frozenset({IssueState.FINISHED, IssueState.CANCELLED, IssueState.PAUSED})


async def send(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    wait: bool = False,
    no_retries: bool = False,
    as_json: Json = False,
) -> int:
    """Send an approved issue, or go on with one that was interrupted.

    Exit 0: every delivery is settled. Exit 1: the issue is paused, or a delivery is held.

    Parameters
    ----------
    issue
        Its number or slug.
    wait
        Send in this process and stay until it is done. Without it, `digest run` sends.
    no_retries
        Deliveries the relay puts off are left for later; do not wait for them.
    """
    async with open_runtime(read_settings()) as runtime:
        async with runtime.db.read() as session:
            stored = await find_issue(session, slug, issue)
        await start_issue(runtime.db, stored.id, now=runtime.clock.now(), gate=runtime.gate)
        if not wait:
            async with runtime.db.read() as session:
                totals = await issue_totals(session, stored.id)
            data = {**totals.as_dict(), "seconds": 0.0, "messages_per_second": 0.0}
            text = f"Issue {stored.name} is on its way: {totals.planned:,} planned."
            output.result(data, as_json=as_json, text=text)
            return 0
        return await _send_here(runtime, stored, no_retries=no_retries, as_json=as_json)


async def _send_here(
    runtime: Runtime, issue: StoredIssue, *, no_retries: bool, as_json: bool
) -> int:
    async with until_stopped() as stopped:
        with output.progress_bar(f"Issue {issue.name}", total=issue.planned) as bar:
            report = await _sent_or_watched(
                runtime, issue.id, no_retries=no_retries, progress=bar, stopped=stopped
            )
    output.result(report.as_dict(), as_json=as_json)
    return report.exit_code


async def _sent_or_watched(
    runtime: Runtime,
    issue_id: int,
    *,
    no_retries: bool,
    progress: output.Bar,
    stopped: asyncio.Event,
) -> SendReport:
    """Send; on SQLite, where one process sends at a time, watch while that is another one."""
    sender = Sender.of(runtime)
    began, before = runtime.clock.monotonic(), None
    while True:
        try:
            return await sender.send_issue(
                issue_id,
                no_retries=no_retries,
                progress=lambda now: progress(now.settled, now.planned),
                stop=stopped,
            )
        except RefusedError as error:
            async with runtime.db.read() as session:
                issue = await issue_by_id(session, issue_id)
                totals = await issue_totals(session, issue_id)
            if before is None:
                before = totals.accepted
                output.note(f"Watching, not sending: {error.message}")
            report = SendReport(
                totals=totals,
                issue_state=issue.state,
                paused_reason=issue.paused_reason,
                seconds=runtime.clock.monotonic() - began,
                sent=totals.accepted - before,
                no_retries=no_retries,
            )
            progress(totals.planned - totals.waiting, totals.planned)
        if report.complete or issue.state in _OVER or stopped.is_set():
            return report
        with suppress(TimeoutError):  # then look again, and send if nobody else does by now
            await asyncio.wait_for(stopped.wait(), WATCH)


async def status(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    watch: bool = False,
    as_json: Json = False,
) -> int:
    """Show how far an issue is.

    Parameters
    ----------
    issue
        Its number or slug.
    watch
        Look again every second until it is over.
    """
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        async for stored, totals in _looks(found, stored, watch=watch):  # noqa: B020 - newer each time
            _tell_status(stored, totals, as_json=as_json)
    return RefusedError.exit_code if stored.state is IssueState.PAUSED or totals.held else 0


async def _looks(
    found: Connection, issue: StoredIssue, *, watch: bool
) -> AsyncIterator[tuple[StoredIssue, Totals]]:
    while True:
        async with found.db.read() as session:
            issue = await issue_by_id(session, issue.id)
            totals = await issue_totals(session, issue.id)
        yield issue, totals
        if not watch or issue.state in _OVER:
            return
        await asyncio.sleep(WATCH)


def _tell_status(issue: StoredIssue, totals: Totals, *, as_json: bool) -> None:
    data = {
        "issue": issue.name,
        "state": issue.state,
        "paused_reason": issue.paused_reason,
        **totals.as_dict(),
    }
    counted = {key: number for key, number in totals.as_dict().items() if number}
    counts = ", ".join(f"{number:,} {key.replace('_', ' ')}" for key, number in counted.items())
    why = f" ({issue.paused_reason})" if issue.paused_reason else ""
    text = output.printable(f"Issue {issue.name} is {issue.state}{why}: {counts or 'not planned'}")
    output.result(data, as_json=as_json, text=text)
    sys.stdout.flush()  # whoever watches sees it now


async def receipt(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Show what became of every delivery of an issue; the numbers add up to those planned.

    Parameters
    ----------
    issue
        Its number or slug.
    """
    async with connected() as found, found.db.read() as session:
        stored = await find_issue(session, slug, issue)
        totals = await issue_totals(session, stored.id)
        replies = await replies_of_issue(session, stored.id)
    data: dict[str, Any] = {
        "issue": stored.name,
        "title": stored.title,
        "state": stored.state,
        "planned_at": stored.planned_at,
        "finished_at": stored.finished_at,
        **totals.as_dict(),
        "replies": [asdict(reply) for reply in replies],
    }
    if as_json:
        output.result(data, as_json=True)
        return 0
    output.result({key: value for key, value in data.items() if key != "replies"}, as_json=False)
    if replies:
        output.document("\nAnswers other than accepted:\n")
        columns = ("attempts", "phase", "blame", "code", "status", "text")
        output.rows(data["replies"], as_json=False, columns=columns)
    return 0


async def missed(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """List the readers an issue did not reach, and why.

    Parameters
    ----------
    issue
        Its number or slug.
    """
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        after = 0
        while True:
            async with found.db.read() as session:
                page = await missed_readers(session, stored.id, after=after, limit=PAGE)
            if not page:
                if not after and not as_json:
                    output.note("Nobody was missed.")
                return 0
            after = page[-1].delivery_id
            for one in page:
                _tell_missed(one, as_json=as_json)


def _tell_missed(one: Missed, *, as_json: bool) -> None:
    data = {key: value for key, value in asdict(one).items() if key != "delivery_id"}
    reply = f"  {one.reply_code} {one.reply_text or ''}".rstrip() if one.reply_code else ""
    why = f" ({one.reason})" if one.reason else ""
    text = output.printable(f"{one.address}  {one.state}{why}{reply}")
    output.result(data, as_json=as_json, text=text)
