"""The next issue of a newsletter as its database knows it: number, title, date, usual sections."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from digest.content.issue_format import USUAL_SECTIONS, Beginning, begin_after
from digest.rules.schedule import parse_schedule
from digest.store.issues import latest_version, list_issues
from digest.store.newsletters import Newsletter
from digest.store.session import Session

__all__ = ["next_day", "upcoming_issue"]


async def upcoming_issue(session: Session, newsletter: Newsletter, *, now: datetime) -> Beginning:
    """The issue after the one with the highest number, for the next send slot."""
    issues = [one for one in await list_issues(session, newsletter.id) if one.number is not None]
    last = max(issues, key=lambda one: one.number or 0, default=None)
    version = None if last is None else await latest_version(session, last.id)
    day = next_day(newsletter, now)
    usual = tuple(newsletter.settings.get("sections", ()))
    if version is None:
        return Beginning(1, f"{newsletter.name} #1", day, usual or USUAL_SECTIONS)
    begun = begin_after(version.source, path="the last issue")
    return replace(begun, date=day, sections=usual or begun.sections)


def next_day(newsletter: Newsletter, now: datetime) -> date | None:
    """The date, in the newsletter's zone, of the first slot after ``now``."""
    if not newsletter.schedule:
        return None
    local = now.astimezone(ZoneInfo(newsletter.timezone)).replace(tzinfo=None)
    slot = parse_schedule(newsletter.schedule).next_after(local)
    return None if slot is None else slot.date()
