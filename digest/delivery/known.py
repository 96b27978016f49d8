"""What the database knows of an issue's links, subject and sponsors, for its checks.

It asks no network.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from digest.collect.upcoming import next_day
from digest.content.finding import Earlier, Known
from digest.content.issue import Issue
from digest.content.links import canonical_url
from digest.content.lint_links import pages_to_ask
from digest.rules.link import still_counts
from digest.store.candidates import booked_sponsors
from digest.store.links import SentBefore, link_statuses, sent_before
from digest.store.newsletters import Newsletter
from digest.store.session import Session

__all__ = ["what_is_known"]


async def what_is_known(
    session: Session, newsletter: Newsletter, issue: Issue, *, now: datetime
) -> Known:
    """What issues before it had, what its pages answered within the last day, and the sponsors
    booked for its date (that of the next send slot, where the file has none).
    """
    urls = [item.url for section in issue.rendered_sections for item in section.items]
    linked, subjects = await sent_before(
        session,
        newsletter.id,
        number=issue.number,
        slug=issue.slug,
        canonical={canonical_url(url) for url in urls},
    )
    zone = ZoneInfo(newsletter.timezone)
    earlier = Earlier(
        {url: _in_words(before, zone) for url, before in linked.items()},
        {subject: _in_words(before, zone) for subject, before in subjects.items()},
    )
    found = await link_statuses(session, pages_to_ask(issue))
    reached = {url: status for url, status in found.items() if still_counts(status, now)}
    day = issue.date or next_day(newsletter, now)
    booked = await booked_sponsors(session, newsletter.id, day.isoformat()) if day else ()
    return Known(earlier, reached, sponsors={one.canonical_url: one.title for one in booked})


def _in_words(before: SentBefore, zone: ZoneInfo) -> str:
    day = before.sent_at.astimezone(zone)
    name = f"No. {before.issue}" if isinstance(before.issue, int) else f"“{before.issue}”"
    return f"{name} of {day.day} {day:%B %Y}"
