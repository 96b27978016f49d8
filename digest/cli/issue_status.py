"""``digest issue status``: how far an issue is, how fast it goes, and what holds it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from digest.cli import issue_remote, output
from digest.cli.connection import Connection, connected
from digest.cli.issue_publish import find_issue
from digest.cli.options import Json, OfNewsletter
from digest.cli.remote import server
from digest.delivery.status import (
    OVER,
    SPARE,
    WATCH,
    Look,
    duration,
    look_at_issue,
    reply_of,
)
from digest.errors import InputError, RefusedError
from digest.rules.delivery import IssueState
from digest.rules.pace import Pace
from digest.store.issues import StoredIssue
from digest.store.reports import Totals

if TYPE_CHECKING:
    from rich.live import Live

_BAR = 40  # characters


async def status(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    watch: bool = False,
    as_json: Json = False,
) -> int:
    """Show how far an issue is, how fast it goes, and what holds it.

    Exit 1: it is paused, or a delivery is held.

    Parameters
    ----------
    issue
        Its number or slug.
    watch
        Look again every second until it is over.
    """
    if place := server():
        if watch:
            raise InputError("Watching is for the server itself.", where="--watch")
        return await issue_remote.status(place, issue, slug=slug, as_json=as_json)
    pace = Pace()
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        with _screen(watch=watch, as_json=as_json) as screen:
            async for look in _looks(found, stored, watch=watch):
                pace.look(found.clock.monotonic(), look.settled)
                screen.tell(look, pace)
    return _exit_code(look)


def _exit_code(look: Look) -> int:
    stopped = look.issue.state is IssueState.PAUSED or look.totals.held
    return RefusedError.exit_code if stopped else 0


async def _looks(found: Connection, issue: StoredIssue, *, watch: bool) -> AsyncIterator[Look]:
    while True:
        began = found.clock.monotonic()
        look = await look_at_issue(found.db, issue.id, found.clock.now())
        took = found.clock.monotonic() - began
        yield look
        if not watch or look.issue.state in OVER:
            return
        await asyncio.sleep(max(WATCH, SPARE * took))


def as_dict(look: Look, pace: Pace) -> dict[str, Any]:
    """What ``issue status --json`` prints."""
    rate, left = pace.per_second, pace.left(look.totals.waiting)
    return {
        "issue": look.issue.name,
        "state": look.issue.state,
        "paused_reason": look.issue.paused_reason,
        "next": look.next,
        **look.totals.as_dict(),
        "percent": look.percent,
        "messages_per_second": None if rate is None else round(rate, 1),
        "seconds_left": None if left is None else round(left.total_seconds()),
        "canary_waiting": look.canary_waiting,
        "planning": look.issue.planning,
        "destinations": [
            {
                "destination": one.destination,
                "waiting": one.waiting,
                "accepted": one.accepted,
                "deferred": one.deferred,
                "rejected": one.rejected,
                "held": one.held,
            }
            for one in look.destinations
        ],
        "relays": [
            {
                "relay": one.name,
                "until": one.backoff_until,
                "messages_per_minute": one.learned_rate,
                "reply": reply_of(one),
            }
            for one in look.relays
        ],
    }


@dataclass(slots=True)
class _Screen:
    """Where looks are told: as JSON, as lines, or drawn anew on a terminal."""

    as_json: bool
    live: Live | None = field(default=None)

    def tell(self, look: Look, pace: Pace) -> None:
        if self.live is not None:
            from rich.text import Text

            self.live.update(Text("\n".join(in_words(look, pace))), refresh=True)
            return
        text = "\n".join(in_words(look, pace))
        output.result(as_dict(look, pace), as_json=self.as_json, text=text)
        sys.stdout.flush()  # whoever watches sees it now


@contextmanager
def _screen(*, watch: bool, as_json: bool) -> Iterator[_Screen]:
    if not watch or as_json or not sys.stdout.isatty():
        yield _Screen(as_json)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield _Screen(as_json, live)


def in_words(look: Look, pace: Pace) -> list[str]:
    """The lines of a look for people."""
    lines = [_headline(look, pace)]
    if look.totals.planned:
        lines += [_bar(look), _counts(look.totals)]
    lines += [*_holds(look), *_destinations(look)]
    return [output.printable(line) for line in lines]


def _headline(look: Look, pace: Pace) -> str:
    issue = look.issue
    parts = [f"Issue {issue.name} is {issue.state}"]
    if issue.paused_reason:
        parts[0] += f": {issue.paused_reason}"
    if not look.totals.planned:
        return f"{parts[0]}. {look.next}" if look.next else f"{parts[0]}; nobody is planned for it."
    parts.append(f"{look.percent:g} %")
    rate, left = pace.per_second, pace.left(look.totals.waiting)
    if rate and look.totals.waiting:
        parts.append(f"{rate:,.0f} messages/s" if rate >= 10 else f"{rate:.1f} messages/s")
    if left is not None:
        parts.append(f"{duration(left)} to go")
    return " · ".join(parts)


def _bar(look: Look) -> str:
    done = int(_BAR * look.settled / max(1, look.totals.planned))
    return f"  {'█' * done}{'░' * (_BAR - done)}"


_TOLD = {
    "accepted": "accepted",
    "rejected": "refused",
    "deferred": "put off",
    "queued": "waiting",
    "sending": "under way",
    "held": "held",
    "expired": "given up",
    "cancelled": "cancelled",
    "suppressed": "suppressed",
    "skipped": "skipped",
}


def _counts(totals: Totals) -> str:
    numbers = totals.as_dict()
    told = [f"{numbers[key]:,} {words}" for key, words in _TOLD.items() if numbers[key]]
    doubt = f" ({totals.in_doubt:,} perhaps sent)" if totals.in_doubt else ""
    return f"  {totals.planned:,} planned: {', '.join(told)}{doubt}"


def _holds(look: Look) -> list[str]:
    """What keeps it from going on, and what to do."""
    lines = []
    if look.issue.planning:
        lines.append("  These are the first few; everybody else is being planned.")
    if look.canary_waiting is not None:
        lines.append(
            f"  The first few go ahead: {look.canary_waiting:,} of them are not answered yet."
        )
    for relay in look.relays:
        reply = reply_of(relay)
        because = f': "{reply}"' if reply else ""
        if relay.backoff_until and relay.backoff_until > look.now:
            until = f"is left alone until {relay.backoff_until:%H:%M:%S} UTC"
        else:
            until = f"is given {relay.learned_rate:,} messages a minute"
        lines.append(f"  {relay.name} {until}{because}")
    if look.issue.state is IssueState.PAUSED:
        lines.append(f"  Go on with: digest issue resume {look.issue.name}")
    elif look.totals.held:
        lines.append(
            f"  See what is held: digest delivery list --issue {look.issue.name} --state held"
        )
    return lines


def _destinations(look: Look) -> list[str]:
    if len(look.destinations) < 2 and not any(one.held for one in look.destinations):
        return []
    width = max(len(one.destination) for one in look.destinations)
    titles = ("waiting", "accepted", "put off", "refused", "held")
    lines = ["", f"  {'destination':<{width}}  " + "  ".join(f"{one:>9}" for one in titles)]
    for one in look.destinations:
        numbers = (one.waiting, one.accepted, one.deferred, one.rejected, one.held)
        cells = "  ".join(f"{f'{number:,}' if number else '–':>9}" for number in numbers)
        lines.append(f"  {one.destination:<{width}}  {cells}")
    return lines
