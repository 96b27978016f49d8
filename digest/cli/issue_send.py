"""``digest issue send``: an issue goes out, here or by the service."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from digest.cli import output
from digest.cli.connection import read_settings
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.cli.service import until_stopped
from digest.delivery.epoch import begin_here
from digest.delivery.plan import start_issue
from digest.delivery.sender import Sender, SendReport
from digest.errors import RefusedError
from digest.rules.delivery import IssueState
from digest.runtime import Runtime, open_runtime
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.noting import aside
from digest.store.reports import issue_totals

WATCH = 1.0  # seconds between two looks
_OVER = frozenset({IssueState.FINISHED, IssueState.CANCELLED, IssueState.PAUSED})


async def send(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    wait: bool = False,
    no_retries: bool = False,
    accept_partial: bool = False,
    to_readers_of: str | None = None,
    take_over: bool = False,
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
    accept_partial
        Send although the next issue is due before this one can be through: what is left over then
        expires.
    to_readers_of
        A correction: to those who got that issue, and to nobody else.
    take_over
        Send from this machine, although another one kept the schedule within a week.
    """
    async with open_runtime(read_settings()) as runtime:
        await _begin(runtime, take_over=take_over)
        async with runtime.db.read() as session:
            stored = await find_issue(session, slug, issue)
            corrects = None
            if to_readers_of is not None:
                corrects = (await find_issue(session, slug, to_readers_of)).id
        await start_issue(
            runtime.db,
            stored.id,
            now=runtime.clock.now(),
            gate=runtime.gate,
            accept_partial=accept_partial,
            readers_of=corrects,
        )
        if not wait:
            async with runtime.db.read() as session:
                totals = await issue_totals(session, stored.id)
            data = {**totals.as_dict(), "seconds": 0.0, "messages_per_second": 0.0}
            text = f"Issue {stored.name} is on its way: {totals.planned:,} planned."
            output.result(data, as_json=as_json, text=text)
            return 0
        return await _send_here(runtime, stored, no_retries=no_retries, as_json=as_json)


async def _begin(runtime: Runtime, *, take_over: bool) -> None:
    with aside():
        began = await begin_here(
            runtime.db, runtime.settings.state_dir, now=runtime.clock.now(), take_over=take_over
        )
    if began.held is not None:
        raise RefusedError(
            "The database was put back from a backup: what may have been sent since is held.",
            where="DIGEST_DATABASE_URL",
            fix="Look what went out since, then: digest delivery reconcile, digest issue approve.",
        )


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
