"""How often a network has tried to sign in of late: one count for all processes of a database."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete

from digest.store.schema import sign_in_tries
from digest.store.session import Session
from digest.store.types import insert

_t = sign_in_tries


async def count_try(session: Session, net: str, *, window: timedelta, now: datetime) -> int:
    """Count one more, and say how many it is since the first of ``window``; older ones are gone."""
    await session.execute(delete(_t).where(_t.c.since <= now - window))
    one = insert(_t).values(net=net[:64], tries=1, since=now)
    counted = one.on_conflict_do_update(index_elements=["net"], set_={"tries": _t.c.tries + 1})
    return int((await session.execute(counted.returning(_t.c.tries))).scalar_one())
