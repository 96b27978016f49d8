"""An issue on its way, looked at once a second however many watch, and sent to each as it changes.

One task looks for all viewers of an issue, and no more often than a tenth of the time, so that a
hundred of them cost the sender what one does. A stream ends after a minute and the browser asks
again: whoever is signed out meanwhile sees no more than that. Server-sent events: WHATWG HTML §9.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from starlette.requests import Request

from digest.delivery.status import OVER, SPARE, WATCH, Look, look_at_issue
from digest.errors import DatabaseError
from digest.rules.pace import Pace
from digest.web.desk.progress import progress_of
from digest.web.page import template_text
from digest.web.site import Site, remembered, site_of

_AGAIN = "retry: 1000\n\n"


@dataclass(slots=True)
class Watched:
    """An issue that somebody watches: the last fragment, and how many have come before it."""

    viewers: int = 0
    number: int = 0
    text: str = ""
    over: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Live:
    """Every issue that is watched in this process."""

    watched: dict[int, Watched] = field(default_factory=dict)

    @asynccontextmanager
    async def watching(self, site: Site, issue_id: int) -> AsyncIterator[Watched]:
        """The issue's looks, for as long as the block runs; the last viewer ends them."""
        found = self.watched.get(issue_id)
        if found is None or found.over:
            found = self.watched[issue_id] = Watched()
            found.task = asyncio.create_task(_look_on(site, issue_id, found))
        found.viewers += 1
        try:
            yield found
        finally:
            found.viewers -= 1
            if not found.viewers:
                if self.watched.get(issue_id) is found:
                    del self.watched[issue_id]
                if found.task is not None:
                    found.task.cancel()


def live_of(request: Request) -> Live:
    """What is watched in this process."""
    return remembered(request, "desk_live", Live)


async def events(request: Request, issue_id: int) -> AsyncGenerator[str, None]:
    """The stream of one viewer: a fragment of HTML for each look, then ``over``."""
    site = site_of(request)
    yield _AGAIN
    seen = 0
    with suppress(TimeoutError):
        async with (
            live_of(request).watching(site, issue_id) as watched,
            asyncio.timeout(site.stream_seconds),
        ):
            while True:
                async with watched.changed:
                    await watched.changed.wait_for(lambda: watched.number > seen)  # noqa: B023 - awaited here
                    seen = watched.number
                yield _event("look", watched.text)
                if watched.over:
                    yield _event("over", "")
                    return


async def _look_on(site: Site, issue_id: int, watched: Watched) -> None:
    pace = Pace()
    while not watched.over:
        began = site.clock.monotonic()
        with suppress(DatabaseError):  # it is away for a moment: the last look stays
            look = await look_at_issue(site.db, issue_id, site.clock.now())
            pace.look(site.clock.monotonic(), look.settled)
            await _show(watched, look, pace)
        took = site.clock.monotonic() - began
        await asyncio.sleep(max(WATCH, SPARE * took))


async def _show(watched: Watched, look: Look, pace: Pace) -> None:
    text = template_text("desk/_progress.html", progress=progress_of(look, pace))
    async with watched.changed:
        watched.text = text
        watched.number += 1
        watched.over = look.issue.state in OVER
        watched.changed.notify_all()


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
