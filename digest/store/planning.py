"""Who gets an issue first: its canary, a few readers spread over the whole audience.

Rows are planned as the rest, in one statement, and the few are moved by their numbers: a million
rows are not gone through a second time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from digest.rules.brakes import canary_size
from digest.rules.delivery import CANARY_WAVE, REST_WAVE
from digest.store.counts import pass_canary
from digest.store.deliveries import plan_deliveries
from digest.store.rows import WAITING, among, in_state
from digest.store.schema import deliveries
from digest.store.session import Session


async def plan_issue(
    session: Session,
    *,
    issue_id: int,
    version_id: int,
    now: datetime,
    newest_first: bool = False,
    readers_of: int | None = None,
) -> int:
    """Write the rows of an issue and choose its canary; how many rows there are.

    A small issue has none: all its rows are of the first wave, and its canary counts as passed.
    ``readers_of``: only for those who got that issue. With ``newest_first`` the readers confirmed
    last are the canary, as a relay's warm-up wants it.
    """
    before = await _last_number(session)
    planned = await plan_deliveries(
        session,
        issue_id=issue_id,
        version_id=version_id,
        now=now,
        newest_first=newest_first,
        readers_of=readers_of,
    )
    size = canary_size(planned)
    if size == 0:
        await _send_first(session, issue_id, await _next_in_line(session, issue_id, planned))
        await pass_canary(session, issue_id, now)
        return planned
    chosen = 0
    if not newest_first:
        numbers = _spread(range(before + 1, await _last_number(session) + 1), size, seed=issue_id)
        chosen = await _send_first(session, issue_id, numbers)
    if chosen < size:  # others' rows lie between ours, where another issue is planned just now
        following = await _next_in_line(session, issue_id, size - chosen)
        await _send_first(session, issue_id, following)
    return planned


async def _last_number(session: Session) -> int:
    """The highest id of all deliveries: ours come after it, as others' may."""
    return int((await session.execute(select(func.max(deliveries.c.id)))).scalar() or 0)


def _spread(numbers: range, size: int, *, seed: int) -> list[int]:
    """``size`` of ``numbers``, one at random of each stretch of the same length.

    Not every n-th: a list that goes round its domains would give readers of one domain only.
    """
    chance = random.Random(seed)  # a second try after a crash chooses the same
    step = len(numbers) / size
    return [numbers[int((stretch + chance.random()) * step)] for stretch in range(size)]


async def _next_in_line(session: Session, issue_id: int, size: int) -> Sequence[int]:
    found = await session.scalars(
        select(deliveries.c.id)
        .where(in_state(*WAITING), deliveries.c.issue_id == issue_id)
        .where(deliveries.c.wave == REST_WAVE)
        .order_by(deliveries.c.not_before, deliveries.c.id)
        .limit(size)
    )
    return found.all()


async def _send_first(session: Session, issue_id: int, numbers: Sequence[int]) -> int:
    """Move these rows of the issue to the front; how many there were.

    Found by their numbers. By the index of the issue (hence the sum) PostgreSQL, which knows
    nothing about rows that were written a moment ago, may compare each of them with each number.
    """
    moved = await session.execute(
        update(deliveries)
        .where(among(session, deliveries.c.id, numbers), deliveries.c.issue_id + 0 == issue_id)
        .values(wave=CANARY_WAVE)
    )
    return moved.rowcount
