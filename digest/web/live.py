"""An issue on its way, looked at once a second however many watch, and sent to each as it changes.

One task looks for all viewers of an issue, and no more often than a tenth of the time, so that a
hundred of them cost the sender what one does; what a look says is put into words once for all who
want it in the same form. A stream ends after a minute and whoever watches asks again: who may not
any more sees no more than that. Server-sent events: WHATWG HTML §9.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.requests import Request

from digest.delivery.status import OVER, SPARE, WATCH, Look, look_at_issue
from digest.errors import DatabaseError
from digest.rules.pace import Pace
from digest.web.site import Site, remembered, site_of

Form: TypeAlias = Callable[[Look, Pace], str]  # how a look is put into words

_AGAIN = "retry: 1000\n\n"


@dataclass(slots=True)
class Watched:
    """An issue that somebody watches: the last look, and how many have come before it."""

    viewers: int = 0
    number: int = 0
    look: Look | None = None
    pace: Pace = field(default_factory=Pace)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # by the last viewer
    _said: dict[Form, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be seen."""
        return self.look is not None and self.look.issue.state in OVER

    def said(self, form: Form) -> str:
        """The last look in words."""
        assert self.look is not None
        if form not in self._said:
            self._said[form] = form(self.look, self.pace)
        return self._said[form]

    async def show(self, look: Look, at: float) -> None:
        """Take a look, and tell those who watch."""
        async with self.changed:
            self.look = look
            self.pace.look(at, look.settled)
            self._said.clear()
            self.number += 1
            self.changed.notify_all()


@dataclass(slots=True)
class Live:
    """Every issue that is watched in this process."""

    watched: dict[int, Watched] = field(default_factory=dict)
    looking: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def watching(self, site: Site, issue_id: int) -> AsyncIterator[Watched]:
        """The issue's looks, for as long as the block runs; the last viewer ends them.

        A look that is under way comes to its end: cancelled inside the database's driver it could
        leave a connection open that nobody closes.
        """
        found = self.watched.get(issue_id)
        if found is None or found.over:
            found = self.watched[issue_id] = Watched()
            task = asyncio.create_task(_look_on(site, issue_id, found))
            self.looking.add(task)
            task.add_done_callback(self.looking.discard)
        found.viewers += 1
        try:
            yield found
        finally:
            found.viewers -= 1
            if not found.viewers:
                if self.watched.get(issue_id) is found:
                    del self.watched[issue_id]
                found.left.set()


def live_of(request: Request) -> Live:
    """What is watched in this process."""
    return remembered(request, "live", Live)


async def events(request: Request, issue_id: int, form: Form) -> AsyncGenerator[str, None]:
    """The stream of one viewer: an event ``look`` for each look, then ``over``."""
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
                yield _event("look", watched.said(form))
                if watched.over:
                    yield _event("over", "")
                    return


async def _look_on(site: Site, issue_id: int, watched: Watched) -> None:
    while not (watched.over or watched.left.is_set()):
        began = site.clock.monotonic()
        with suppress(DatabaseError):  # it is away for a moment: the last look stays
            look = await look_at_issue(site.db, issue_id, site.clock.now())
            await watched.show(look, site.clock.monotonic())
        took = site.clock.monotonic() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(max(WATCH, SPARE * took)):
                await watched.left.wait()


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
