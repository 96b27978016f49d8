"""``digest issue schedule``: a time of its own for a special issue."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from digest.cli import output
from digest.cli.connection import connected
from digest.cli.options import Json, OfNewsletter
from digest.delivery.publish import schedule_at
from digest.errors import InputError
from digest.rules.delivery import IssueState
from digest.store.issues import get_issue
from digest.store.newsletters import get_newsletter


async def schedule(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    at: datetime | None = None,
    as_usual: bool = False,
    as_json: Json = False,
) -> int:
    """Let an issue go out at a time of its own, once it is approved.

    Parameters
    ----------
    issue
        Its number or slug.
    at
        A date and time, in the newsletter's time zone: 2026-12-01T09:00.
    as_usual
        Forget it: the issue goes out at the newsletter's next time, as others do.
    """
    if (at is None) != as_usual:
        raise InputError(
            "Say when it goes out.", where="--at", fix="Write --at 2026-12-01T09:00 or --as-usual."
        )
    async with connected() as found, found.db.begin() as session:
        newsletter = await get_newsletter(session, slug)
        stored = await get_issue(session, newsletter.id, issue)
        moment = await schedule_at(session, newsletter, stored, at, now=found.clock.now())
    data = {"issue": stored.name, "state": stored.state, "scheduled_at": moment}
    text = f"Issue {stored.name} goes out at the newsletter's next time."
    if moment is not None:
        local = moment.astimezone(ZoneInfo(newsletter.timezone))
        text = f"Issue {stored.name} goes out {local:%a %-d %b %Y %H:%M} ({newsletter.timezone})."
    if stored.state is IssueState.DRAFT:
        text += f" It needs an approval before: digest issue approve {stored.name} HASH"
    output.result(data, as_json=as_json, text=text)
    return 0
