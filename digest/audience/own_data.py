"""A reader's own data: a link to it by mail, a copy to take along, and erasure.

Mails are passed on, so the link in one is not enough for this: another, which lasts a day, goes to
the reader's address. Erased means: the address, the name and everything with them is gone from
every table; a keyed hash stays, so that no import brings them back. Rows that say an issue was sent
to *somebody* stay, since receipts must add up. GDPR Art. 15, 17, 20.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from digest.audience.leave import Leavers, leave
from digest.rules.subscription import PassPurpose, SubscriptionState, SuppressionReason
from digest.store.erasure import anonymise, wipe
from digest.store.newsletters import newsletter_by_id
from digest.store.notices import SIGN_UP_LANE, Notice, write_notice
from digest.store.own_data import consent_history, mail_history
from digest.store.passes import NewPass, find_pass, last_pass, write_pass
from digest.store.preferences import Person, languages_of, person, subscriptions_of
from digest.store.subscribers import find_reader, get_subscription
from digest.store.suppressions import suppress
from digest.store.tags import tags_of

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.store.session import Database, Session

DATA_WITHIN = timedelta(days=1)
_GAP = timedelta(minutes=15)
_NOT_ENDED = (SubscriptionState.ACTIVE, SubscriptionState.PAUSED, SubscriptionState.PENDING)


async def ask_data(session: Session, subscription_id: int, public_url: str, now: datetime) -> bool:
    """Mail the reader a link to their data; False when one went out a moment ago."""
    mine = await get_subscription(session, subscription_id)
    reader = await person(session, mine.subscriber_id) if mine is not None else None
    if mine is None or reader is None or reader.suppressed_at is not None:
        return False
    last = await last_pass(session, mine.id, PassPurpose.DATA)
    if last is not None and now - last < _GAP:
        return False
    newsletter = await newsletter_by_id(session, mine.newsletter_id)
    new = NewPass(PassPurpose.DATA, mine.id, now + DATA_WITHIN)
    secret = await write_pass(session, new, now)
    notice = Notice(
        kind="data_link",
        lane=SIGN_UP_LANE,
        address=reader.address,
        language=reader.language or newsletter.language,
        params={"newsletter": newsletter.name, "url": f"{public_url}/d/{secret}"},
        newsletter_id=newsletter.id,
        expires_at=new.expires_at,
    )
    await write_notice(session, notice, now)
    return True


async def whose_data(
    session: Session, secret: str, now: datetime
) -> tuple[Person, tuple[str | None, ...]] | None:
    """The reader whose data this link opens, and the languages to speak to them in."""
    found = await find_pass(session, secret, (PassPurpose.DATA,), now)
    mine = await get_subscription(session, found.subscription_id) if found is not None else None
    reader = await person(session, mine.subscriber_id) if mine is not None else None
    return (
        None if mine is None or reader is None else (reader, await languages_of(session, mine.id))
    )


async def export_reader(session: Session, address: str) -> dict[str, Any] | None:
    """Everything kept about the reader at ``address``, as JSON values; None where there is none."""
    reader = await find_reader(session, address)
    if reader is None:
        return None
    tags = await tags_of(session, [one.id for one in reader.subscriptions])
    return {
        "address": reader.address,
        "name": reader.name,
        "language": reader.language,
        "since": _at(reader.created_at),
        "suppressed_at": _at(reader.suppressed_at),
        "attributes": dict(reader.attributes),
        "subscriptions": [
            {
                "newsletter": one.newsletter,
                "state": one.state.value,
                "muted_sections": one.muted or [],
                "cadence": one.cadence,
                "tags": list(tags.get(one.id, ())),
                "asked_at": _at(one.created_at),
                "confirmed_at": _at(one.confirmed_at),
                "paused_until": _at(one.paused_until),
                "ended_at": _at(one.ended_at),
                "consent": await consent_history(session, one.id),
            }
            for one in reader.subscriptions
        ],
        "mails": await mail_history(session, reader.id),
    }


async def erase_reader(
    db: Database,
    subscriber_id: int,
    *,
    clock: Clock,
    leavers: Leavers | None = None,
) -> bool:
    """Erase a reader, once no message to them can start any more; False where there is none.

    Promise 3 holds as for leaving. Erasing twice is no error.
    """
    async with db.read() as session:
        mine = await subscriptions_of(session, subscriber_id, _NOT_ENDED)
    for one in mine:
        await leave(db, one, source="erased", clock=clock, leavers=leavers)
    now = clock.now()
    async with db.begin() as session:
        reader = await person(session, subscriber_id)
        if reader is None or reader.key.startswith("erased:"):
            return False
        await suppress(session, reader.key, reason=SuppressionReason.ERASED, now=now)
        await anonymise(session, reader, now)
    await wipe(db)
    return True


def _at(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when is not None else None
