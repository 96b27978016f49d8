"""Turns: what processes do one after another, and none of them for long.

PostgreSQL only, as locks that end with the transaction; SQLite has one writer anyway.
"""

from __future__ import annotations

from sqlalchemy import select, text

from digest.store.schema import newsletters
from digest.store.session import Session

LONGEST = "3s"  # as PostgreSQL writes it

# Whoever is stopped in its turn (SIGSTOP, a cut cable) is thrown out by the server, and what it did
# is undone. By then it is worth nothing: a claim is too old to be begun, a part nearly run out. The
# limit holds for this transaction only, and for the time between two statements of it.
_TURN = text(
    f"SELECT set_config('idle_in_transaction_session_timeout', '{LONGEST}', true), "
    "pg_advisory_xact_lock(:key)"
)


async def take_turn(session: Session, key: int) -> None:
    """Wait until nobody else has the turn ``key`` names; it ends with the transaction.

    What the time is, is asked afterwards: with many workers the wait may be long.
    """
    if session.dialect.name == "postgresql":
        await session.execute(_TURN, {"key": key})


async def take_newsletters_turn(session: Session, newsletter_id: int) -> None:
    """Wait until no other transaction works on the links or the texts of this newsletter."""
    if session.dialect.name == "postgresql":
        mine = select(newsletters.c.id).where(newsletters.c.id == newsletter_id)
        await session.execute(mine.with_for_update(key_share=True))
