"""Asking the pages an issue links to whether they are there.

A page is asked for its head, and whole only where its server does not know HEAD or answers it with
an error (many do, for pages that are there). What may have been a bad moment is asked once more.
Where several pages are asked and none of them can be reached, it is our own way out that is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from digest.errors import FetchError
from digest.net.fetch import Fetcher
from digest.rules.link import LinkState, LinkStatus, Trouble, judge_answer, judge_trouble

__all__ = ["ask_links"]

_PASSING_TROUBLE: Final = frozenset({Trouble.CONNECT, Trouble.TIMEOUT, Trouble.RESOLVER})
_FINAL_TROUBLE: Final = frozenset({Trouble.NAME, Trouble.PRIVATE, Trouble.PORT, Trouble.URL})
_SILENCE: Final = _PASSING_TROUBLE | {Trouble.NAME, Trouble.NETWORK}
_SEVERAL: Final = 3
_AGAIN_AFTER: Final = 2.0  # seconds


async def ask_links(
    fetcher: Fetcher,
    urls: Mapping[str, str],
    *,
    now: datetime,
    told: Callable[[], None] = lambda: None,
    again_after: float = _AGAIN_AFTER,
) -> dict[str, LinkStatus]:
    """What each page answers, under the same key as its URL; ``told`` is called after each."""

    async def ask(url: str) -> tuple[LinkStatus, Trouble | None]:
        answer = await _ask(fetcher, url, now=now, again_after=again_after)
        told()
        return answer

    answers = await asyncio.gather(*map(ask, urls.values()))
    if len(answers) >= _SEVERAL and all(trouble in _SILENCE for _, trouble in answers):
        closed = judge_trouble(Trouble.NETWORK, "no page can be reached from here", now=now)
        return dict.fromkeys(urls, closed)
    return {key: status for key, (status, _) in zip(urls, answers, strict=True)}


async def _ask(
    fetcher: Fetcher, url: str, *, now: datetime, again_after: float
) -> tuple[LinkStatus, Trouble | None]:
    status, trouble = await _answer(fetcher, "HEAD", url, now=now)
    if status.state in (LinkState.OK, LinkState.MOVED, LinkState.SLOW):
        return status, None
    if status.status == 429 or trouble in _FINAL_TROUBLE:  # it asks for less, or nobody is there
        return status, trouble
    for wait in (0.0, again_after):
        await asyncio.sleep(wait)
        status, trouble = await _answer(fetcher, "GET", url, now=now)
        if trouble not in _PASSING_TROUBLE and not 500 <= (status.status or 0) < 600:
            break
    return status, trouble


async def _answer(
    fetcher: Fetcher, method: str, url: str, *, now: datetime
) -> tuple[LinkStatus, Trouble | None]:
    """What is known then, and the trouble where there was no answer."""
    try:
        answer = await fetcher.fetch(url, method=method)
    except FetchError as error:
        trouble = Trouble(error.trouble)
        return judge_trouble(trouble, error.message, now=now), trouble
    return judge_answer(answer.status, answer.hops, seconds=answer.seconds, now=now), None
