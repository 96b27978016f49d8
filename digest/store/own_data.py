"""What is kept about one reader, in the words of a record they can take along."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from digest.store import schema
from digest.store.session import Session

_e = schema.consent_events
_b = schema.consent_batches
_w = schema.wordings
_s = schema.subscriptions
_d = schema.deliveries


async def consent_history(session: Session, subscription_id: int) -> list[dict[str, Any]]:
    """How a subscription came to be, and every change since, oldest first."""
    return (await consent_histories(session, [subscription_id]))[subscription_id]


async def consent_histories(
    session: Session, subscription_ids: Collection[int]
) -> dict[int, list[dict[str, Any]]]:
    """The same of many subscriptions at once, by their ids."""
    batch = (
        select(_s.c.id, _b.c.source, _b.c.file_name, _b.c.created_at)
        .join_from(_s, _b, _b.c.id == _s.c.consent_batch_id)
        .where(_s.c.id.in_(subscription_ids))
    )
    found: dict[int, list[dict[str, Any]]] = {one: [] for one in subscription_ids}
    for subscription_id, source, file, at in await session.execute(batch):
        said = {"kind": "imported", "source": source, "file": file}
        found[subscription_id].append({"at": _text(at), **said})
    columns = (_e.c.at, _e.c.kind, _e.c.source, _e.c.text_version, _e.c.origin, _e.c.detail)
    query = (
        select(_e.c.subscription_id, *columns, _w.c.text)
        .join_from(_e, _w, _w.c.version == _e.c.text_version, isouter=True)
        .where(_e.c.subscription_id.in_(subscription_ids))
    )
    for row in await session.execute(query.order_by(_e.c.id)):
        known = {"wording": row.text_version, "words": row.text}
        known |= {"from": row.origin, "detail": row.detail}
        said = {name: value for name, value in known.items() if value}
        told = {"at": _text(row.at), "kind": row.kind, "source": row.source, **said}
        found[row.subscription_id].append(told)
    return found


async def mail_history(session: Session, subscriber_id: int) -> list[dict[str, Any]]:
    """Every issue that was meant for a reader, and what became of it."""
    issues, newsletters = schema.issues, schema.newsletters
    mine = select(_s.c.newsletter_id).where(_s.c.subscriber_id == subscriber_id)
    query = (
        select(newsletters.c.slug, issues.c.number, issues.c.slug, _d.c.state, _d.c.settled_at)
        .join_from(_d, issues, issues.c.id == _d.c.issue_id)
        .join(newsletters, newsletters.c.id == issues.c.newsletter_id)
        # Through the issues: (issue, subscriber, ordinal) is the index there is.
        .where(issues.c.newsletter_id.in_(mine), _d.c.subscriber_id == subscriber_id)
        .order_by(_d.c.id)
    )
    return [
        {
            "newsletter": newsletter,
            "issue": slug if number is None else number,
            "state": state.value,
            "at": _text(at),
        }
        for newsletter, number, slug, state, at in await session.execute(query)
    ]


def _text(when: Any) -> str | None:
    return when.isoformat(timespec="seconds") if when is not None else None
