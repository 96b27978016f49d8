"""What a reader gets right after confirming: the welcome, and the latest issue where it is wanted.

Both are notices of one version each, written in the transaction that subscribes, once for a
subscription, for ever. The issue that went out keeps its receipt: who came later is in no row of
it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.store.issues import latest_for
from digest.store.newsletters import Newsletter, newsletter_by_id
from digest.store.notices import OPERATOR_LANE, Notice, write_notice
from digest.store.preferences import person
from digest.store.session import Session
from digest.store.subscribers import Subscription

WITHIN = timedelta(days=2)  # later, nobody is greeted


async def greet(session: Session, mine: Subscription, now: datetime) -> None:
    """Queue what the newsletter has for who has just confirmed."""
    newsletter = await newsletter_by_id(session, mine.newsletter_id)
    welcome = newsletter.settings.get("welcome")
    if welcome is not None:
        await _queue(session, newsletter, mine, version_id=welcome, key="welcome", now=now)
    days = newsletter.settings.get("send_latest")
    if days:
        since = now - timedelta(days=days)
        latest = await latest_for(session, newsletter.id, mine.subscriber_id, since=since)
        if latest is not None:
            await _queue(session, newsletter, mine, version_id=latest, key="latest", now=now)


async def _queue(
    session: Session,
    newsletter: Newsletter,
    mine: Subscription,
    *,
    version_id: int,
    key: str,
    now: datetime,
) -> None:
    reader = await person(session, mine.subscriber_id)
    if reader is None:
        return
    notice = Notice(
        kind="welcome",  # a version with its reader's own links
        lane=OPERATOR_LANE,
        address=reader.address,
        language=reader.language or newsletter.language,
        params={"version_id": version_id, "name": reader.name},
        newsletter_id=newsletter.id,
        subscription_id=mine.id,
        dedupe_key=f"{key} {mine.id}",
        expires_at=now + WITHIN,
    )
    await write_notice(session, notice, now)
