"""Mail about send slots: to editors while nothing is ready, to operators when something is held."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.delivery.alerts import tell_people
from digest.delivery.issue_tests import HASH_SHOWN
from digest.delivery.readiness import ready_version
from digest.errors import DigestError
from digest.rules.delivery import IssueState
from digest.rules.slots import SlotPolicy, SlotReason, written
from digest.store.issues import StoredIssue, StoredVersion, latest_version, list_issues
from digest.store.newsletters import Newsletter, people
from digest.store.notices import was_told
from digest.store.session import Session
from digest.store.slots import Slot

_HOUR = timedelta(hours=1)
_NO_HASH = "HASH"  # of a text that is not there yet


async def remind(
    session: Session, newsletter: Newsletter, slot: Slot, *, before: timedelta, now: datetime
) -> int:
    """Nothing is approved for the next slot: said once for each time before it."""
    values = {
        "when": _when(slot.local),
        "zone": newsletter.timezone,
        "hours": str(before // _HOUR),
        **await _draft(session, newsletter),
    }
    key = f"slot_unready:{newsletter.id}:{written(slot.local)}:{before // _HOUR}"
    to = await _editors(session, newsletter)
    return await tell_people(session, newsletter, key, values, to=to, now=now)


async def tell_newer(
    session: Session,
    newsletter: Newsletter,
    slot: Slot,
    issue: StoredIssue,
    *,
    before: timedelta,
    now: datetime,
) -> int:
    """The next slot sends a text of which there is a newer one: said once for each time before it
    and each newer text.
    """
    latest = await latest_version(session, issue.id)
    if latest is None or latest.id == issue.approved_version_id:
        return 0
    key = f"slot_newer:{latest.id}:{written(slot.local)}:{before // _HOUR}"
    if await was_told(session, f"alert:{key}:"):  # before two texts are compared once more
        return 0
    ready = await ready_version(session, issue)
    values = {
        "when": _when(slot.local),
        "zone": newsletter.timezone,
        "hours": str(before // _HOUR),
        "version": str(ready.version),
        "newer": str(latest.ordinal),
        "words_differ": str(ready.words or 0),
        **await _of_draft(session, newsletter, issue, latest),
    }
    to = await _editors(session, newsletter)
    return await tell_people(session, newsletter, key, values, to=to, now=now)


async def remind_of_time(
    session: Session,
    newsletter: Newsletter,
    issue: StoredIssue,
    *,
    at: datetime,
    before: timedelta,
    now: datetime,
) -> int:
    """An issue has a time of its own and no approval: said once for each time before it."""
    key = f"time_unready:{issue.id}:{int(at.timestamp())}:{before // _HOUR}"
    values = await _of_time(session, newsletter, issue, at)
    to = await _editors(session, newsletter)
    return await tell_people(session, newsletter, key, values, to=to, now=now)


async def tell_unapproved(
    session: Session, newsletter: Newsletter, issue: StoredIssue, *, at: datetime, now: datetime
) -> int:
    """That time has come, and nothing went out."""
    key = f"time_held:{issue.id}:{int(at.timestamp())}"
    grace = _span(SlotPolicy.of(newsletter.settings).grace)
    values = {**await _of_time(session, newsletter, issue, at), "grace": grace}
    to = await _both(session, newsletter)
    return await tell_people(session, newsletter, key, values, to=to, now=now)


async def _of_time(
    session: Session, newsletter: Newsletter, issue: StoredIssue, at: datetime
) -> dict[str, object]:
    version = await latest_version(session, issue.id)
    draft = {} if version is None else await _of_draft(session, newsletter, issue, version)
    local = at.astimezone(ZoneInfo(newsletter.timezone))
    return {
        "when": _when(local),
        "zone": newsletter.timezone,
        "draft": str(issue.name),
        "hash": _NO_HASH,
        **draft,
    }


async def tell_held(
    session: Session,
    newsletter: Newsletter,
    slot: Slot,
    reason: SlotReason | None,
    *,
    policy: SlotPolicy,
    now: datetime,
) -> int:
    """A slot passed and nothing went out."""
    late = reason is SlotReason.LATE
    values = {
        "when": _when(slot.local),
        "zone": newsletter.timezone,
        "grace": _span(policy.grace),
        **await _draft(session, newsletter),
    }
    key = f"slot_{'missed' if late else 'held'}:{newsletter.id}:{written(slot.local)}"
    to = await (_operators if late else _both)(session, newsletter)
    return await tell_people(session, newsletter, key, values, to=to, now=now)


async def tell_refused(
    session: Session,
    newsletter: Newsletter,
    issue: StoredIssue,
    *,
    error: DigestError,
    at: datetime,
    now: datetime,
) -> int:
    """An issue was due and the gate let it not pass; told once for each slot and reason."""
    reason = " ".join(part for part in (error.message, error.fix) if part)
    key = f"slot_refused:{issue.id}:{int(at.timestamp())}:{error.where}"
    to = await _operators(session, newsletter)
    values = {"issue": str(issue.name)}
    return await tell_people(session, newsletter, key, values, to=to, reason=reason, now=now)


async def tell_missed(
    session: Session, newsletter: Newsletter, issue: StoredIssue, *, at: datetime, now: datetime
) -> int:
    """An issue had a time of its own, and nobody was there to send it."""
    key = f"issue_missed:{issue.id}:{int(at.timestamp())}"
    values = {"issue": str(issue.name), "when": f"{at:%d %B %Y, %H:%M} UTC"}
    to = await _operators(session, newsletter)
    return await tell_people(session, newsletter, key, values, to=to, now=now)


async def _draft(session: Session, newsletter: Newsletter) -> dict[str, object]:
    """The issue that waits for an approval, if there is one: the lowest number, and its newest
    version.
    """
    drafts = await list_issues(session, newsletter.id, state=IssueState.DRAFT)
    found = min(
        (one for one in drafts if one.number is not None),
        key=lambda one: one.number or 0,
        default=None,
    )
    version = None if found is None else await latest_version(session, found.id)
    if found is None or version is None:
        return {"draft": ""}
    return await _of_draft(session, newsletter, found, version)


async def _of_draft(
    session: Session, newsletter: Newsletter, issue: StoredIssue, version: StoredVersion
) -> dict[str, object]:
    """A text nobody has approved, which those who have a part in the newsletter may approve from
    the mail.
    """
    return {
        "draft": str(issue.name),
        "hash": version.hash[:HASH_SHOWN],
        "version_id": version.id,
        "approvers": sorted({person.address for person in await people(session, newsletter.id)}),
    }


async def _editors(session: Session, newsletter: Newsletter) -> list[str]:
    found = [person.address for person in await people(session, newsletter.id, "editor")]
    return found or await _operators(session, newsletter)


async def _operators(session: Session, newsletter: Newsletter) -> list[str]:
    found = [person.address for person in await people(session, newsletter.id, "operator")]
    return found or [newsletter.from_address]


async def _both(session: Session, newsletter: Newsletter) -> list[str]:
    """Editors and operators."""
    everybody = [*await _editors(session, newsletter), *await _operators(session, newsletter)]
    return list(dict.fromkeys(everybody))


def _when(local: datetime) -> str:
    return f"{local:%A, %d %B %Y, %H:%M}"


def _span(span: timedelta) -> str:
    hours, minutes = divmod(span // timedelta(minutes=1), 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts) or "0 min"
