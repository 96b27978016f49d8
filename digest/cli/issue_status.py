"""``digest issue status``: how far an issue is, how fast it goes, and what holds it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
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
    as_dict,
    duration,
    look_at_issue,
)
from digest.errors import InputError, RefusedError
from digest.rules.delivery import IssueState
from digest.rules.pace import Pace
from digest.store.issues import StoredIssue

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
        found = await issue_remote.status(place, issue, slug=slug)
        _Screen(as_json).tell(found)
        return _exit_code(found)
    pace = Pace()
    async with connected() as connection:
        async with connection.db.read() as session:
            stored = await find_issue(session, slug, issue)
        with _screen(watch=watch, as_json=as_json) as screen:
            async for look in _looks(connection, stored, watch=watch):
                pace.look(connection.clock.monotonic(), look.settled)
                told = as_dict(look, pace)
                screen.tell(told)
    return _exit_code(told)


def _exit_code(found: Mapping[str, Any]) -> int:
    stopped = found["state"] == IssueState.PAUSED or found["held"]
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


@dataclass(slots=True)
class _Screen:
    """Where looks are told: as JSON, as lines, or drawn anew on a terminal."""

    as_json: bool
    live: Live | None = field(default=None)

    def tell(self, found: Mapping[str, Any]) -> None:
        if self.live is not None:
            from rich.text import Text

            self.live.update(Text("\n".join(in_words(found))), refresh=True)
            return
        output.result(found, as_json=self.as_json, text="\n".join(in_words(found)))
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


def in_words(found: Mapping[str, Any]) -> list[str]:
    """The lines for people of what a look says (``delivery.status.as_dict``)."""
    lines = [_headline(found)]
    if found["planned"]:
        lines += [_bar(found), _counts(found)]
    lines += [*_holds(found), *_destinations(found["destinations"])]
    return [output.printable(line) for line in lines]


def _headline(found: Mapping[str, Any]) -> str:
    parts = [f"Issue {found['issue']} is {found['state']}"]
    if found["paused_reason"]:
        parts[0] += f": {found['paused_reason']}"
    if not found["planned"]:
        coming = found["next"]
        return f"{parts[0]}. {coming}" if coming else f"{parts[0]}; nobody is planned for it."
    parts.append(f"{found['percent']:g} %")
    rate, left = found["messages_per_second"], found["seconds_left"]
    if rate and found["percent"] < 100:
        parts.append(f"{rate:,.0f} messages/s" if rate >= 10 else f"{rate:.1f} messages/s")
    if left is not None:
        parts.append(f"{duration(timedelta(seconds=left))} to go")
    return " · ".join(parts)


def _bar(found: Mapping[str, Any]) -> str:
    done = int(_BAR * found["percent"] / 100)
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


def _counts(found: Mapping[str, Any]) -> str:
    told = [f"{found[key]:,} {words}" for key, words in _TOLD.items() if found[key]]
    doubt = f" ({found['in_doubt']:,} perhaps sent)" if found["in_doubt"] else ""
    return f"  {found['planned']:,} planned: {', '.join(told)}{doubt}"


def _holds(found: Mapping[str, Any]) -> list[str]:
    """What keeps it from going on, and what to do."""
    lines = []
    if found["planning"]:
        lines.append("  These are the first few; everybody else is being planned.")
    if found["canary_waiting"] is not None:
        lines.append(
            f"  The first few go ahead: {found['canary_waiting']:,} of them are not answered yet."
        )
    for relay in found["relays"]:
        because = f': "{relay["reply"]}"' if relay["reply"] else ""
        if relay["until"]:
            until = f"is left alone until {relay['until']:%H:%M:%S} UTC"
        else:
            until = f"is given {relay['messages_per_minute']:,} messages a minute"
        lines.append(f"  {relay['relay']} {until}{because}")
    if found["state"] == IssueState.PAUSED:
        lines.append(f"  Go on with: digest issue resume {found['issue']}")
    elif found["held"]:
        issue = found["issue"]
        lines.append(f"  See what is held: digest delivery list --issue {issue} --state held")
    return lines


def _destinations(found: Sequence[Mapping[str, Any]]) -> list[str]:
    if len(found) < 2 and not any(one["held"] for one in found):
        return []
    width = max(len(one["destination"]) for one in found)
    titles = ("waiting", "accepted", "put off", "refused", "held")
    lines = ["", f"  {'destination':<{width}}  " + "  ".join(f"{one:>9}" for one in titles)]
    for one in found:
        numbers = [one[key] for key in ("waiting", "accepted", "deferred", "rejected", "held")]
        cells = "  ".join(f"{f'{number:,}' if number else '–':>9}" for number in numbers)
        lines.append(f"  {one['destination']:<{width}}  {cells}")
    return lines
