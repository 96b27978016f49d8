"""What happens next of a newsletter's schedule, and whether anything is ready for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any
from zoneinfo import ZoneInfo

from digest.rules import slots as rules
from digest.rules.delivery import IssueState
from digest.rules.slots import SlotPolicy, SlotReason, SlotState
from digest.store import slots
from digest.store.issues import StoredIssue, get_version, issue_by_id, latest_version, list_issues
from digest.store.newsletters import Newsletter
from digest.store.session import Session

_WORDS_MAX = 50_000  # of a text that is compared word by word


@dataclass(frozen=True, slots=True)
class Ready:
    """An issue that goes out, and by which version; ``newer`` is a later one nobody approved, in
    which ``words`` words differ.
    """

    issue: int | str
    version: int
    newer: int | None = None
    words: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A slot that passed at ``since`` and why; what is approved until ``until`` goes out at once.

    ``ready`` is what was approved meanwhile, and goes out within moments.
    """

    since: datetime
    until: datetime
    why: str
    ready: Ready | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """The next slot. ``at`` and the others are in the newsletter's zone.

    ``ready``: what goes out at it. ``draft``: an issue that waits for approval. ``rest_until``: the
    last day of a break that the slot is in. ``starting``: an issue whose undo window runs, and when
    it ends. ``held``: the slot before, where it may still go out. ``own_times``: approved issues
    that go out at no slot, and when.
    """

    at: datetime | None
    ready: Ready | None = None
    draft: int | str | None = None
    rest_until: str | None = None
    starting: tuple[Ready, datetime] | None = None
    held: Held | None = None
    own_times: tuple[tuple[Ready, datetime], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        starting, held = self.starting, self.held
        return {
            "at": self.at,
            "ready": _row(self.ready),
            "draft": self.draft,
            "break_until": self.rest_until,
            "starting": {**(_row(starting[0]) or {}), "at": starting[1]} if starting else None,
            "held": held.since if held else None,
            "held_until": held.until if held else None,
            "why": held.why if held else None,
            "at_once": _row(held.ready) if held else None,
            "own_times": [{**(_row(one) or {}), "at": at} for one, at in self.own_times],
        }

    def __str__(self) -> str:
        return " ".join(self._sentences())

    def _sentences(self) -> list[str]:
        said = []
        if self.starting is not None:
            ready, at = self.starting
            said.append(
                f"{_what(ready)} starts {_when(at)}; until then digest issue cancel {ready.issue} "
                "takes it back."
            )
        if self.held is not None and self.held.ready is not None:
            ready = self.held.ready
            said.append(
                f"{_what(ready)} goes out at once, for the slot of {_when(self.held.since)}; until "
                f"it starts digest issue cancel {ready.issue} takes it back."
            )
        elif self.held is not None:
            said.append(
                f"Held since {_when(self.held.since)}: {self.held.why}. What is approved until "
                f"{_when(self.held.until)} goes out at once."
            )
        for ready, at in self.own_times:
            said.append(f"{_what(ready)} goes out {_when(at)}, a time of its own{_newer(ready)}.")
        if self.at is None:
            return said or ["It has no schedule."]
        if self.rest_until is not None:
            said.append(f"A break: nothing goes out {_when(self.at)} (until {self.rest_until}).")
        elif self.ready is not None:
            said.append(f"{_what(self.ready)} goes out {_when(self.at)}{_newer(self.ready)}.")
        elif self.draft is not None:
            said.append(f"Nothing is approved for {_when(self.at)}; issue {self.draft} is a draft.")
        else:
            said.append(f"Nothing is approved for {_when(self.at)}.")
        return said


async def what_is_next(session: Session, newsletter: Newsletter, now: datetime) -> Next:
    """What is to happen of the newsletter after ``now``, as things stand."""
    zone = ZoneInfo(newsletter.timezone)
    passed = await slots.latest_taken(session, newsletter.id)
    starting = await _starting(session, passed, zone)
    held = await _held(session, newsletter, passed, now)
    own_times = await _own_times(session, newsletter, now)
    slot = await slots.upcoming(session, newsletter.id)
    due_at = slot.due_at if slot else rules.next_slot(newsletter.schedule, newsletter.timezone, now)
    if due_at is None:
        return Next(None, starting=starting, held=held, own_times=own_times)
    at = due_at.astimezone(zone)
    issue = await slots.next_issue(session, newsletter.id, now)
    if issue is not None and held is not None and held.ready is not None:
        issue = None if issue.name == held.ready.issue else issue
    resting = [
        one
        for one in await slots.breaks(session, newsletter.id, since=at.date())
        if one.first <= at.date()
    ]
    return Next(
        at=at,
        ready=None if issue is None else await ready_version(session, issue),
        draft=None if issue else await _draft(session, newsletter),
        rest_until=f"{max(one.last for one in resting)}" if resting else None,
        starting=starting,
        held=held,
        own_times=own_times,
    )


async def when_it_goes(
    session: Session, newsletter: Newsletter, issue: StoredIssue, now: datetime
) -> str:
    """When an approved issue goes out, in words."""
    if issue.scheduled_at is not None:
        return f"It goes out {_when(issue.scheduled_at.astimezone(ZoneInfo(newsletter.timezone)))}."
    if issue.number is None or not newsletter.schedule:
        return f"It goes out when you say so: digest issue send {issue.name}."
    coming = await what_is_next(session, newsletter, now)
    ready = (
        coming.ready,
        coming.starting and coming.starting[0],
        coming.held and coming.held.ready,
    )
    if any(one.issue == issue.name for one in ready if one):
        return str(coming)
    return f"It waits for a later slot. {coming}"


async def _own_times(
    session: Session, newsletter: Newsletter, now: datetime
) -> tuple[tuple[Ready, datetime], ...]:
    zone = ZoneInfo(newsletter.timezone)
    found = await slots.with_own_time(session, newsletter.id, IssueState.APPROVED)
    return tuple(
        [
            (await ready_version(session, one), one.scheduled_at.astimezone(zone))
            for one in found
            if one.scheduled_at is not None and one.scheduled_at > now
        ]
    )


async def _held(
    session: Session, newsletter: Newsletter, passed: slots.Slot | None, now: datetime
) -> Held | None:
    """The slot that has passed and may still go out; also one whose issue was taken back just now,
    which the next look will hold.
    """
    if passed is None or passed.reason in rules.CLOSED:
        return None
    reason, policy = passed.reason, SlotPolicy.of(newsletter.settings)
    if passed.state is SlotState.FIRED and passed.release_at is not None:
        if (await issue_by_id(session, passed.issue_id or 0)).state is not IssueState.DRAFT:
            return None
        reason = SlotReason.WITHDRAWN
    elif passed.state is not SlotState.HELD:
        return None
    until = passed.due_at + policy.grace
    if now > until:
        return None
    zone = ZoneInfo(newsletter.timezone)
    issue = await slots.issue_for_held(session, passed, now)
    return Held(
        passed.due_at.astimezone(zone),
        until.astimezone(zone),
        passed.detail or _WHY.get(reason or SlotReason.NO_ISSUE, ""),
        None if issue is None else await ready_version(session, issue),
    )


_WHY = {
    SlotReason.NO_ISSUE: "nothing was approved",
    SlotReason.WITHDRAWN: "its issue was taken back",
    SlotReason.REFUSED: "its issue was refused",
}


async def ready_version(session: Session, issue: StoredIssue) -> Ready:
    """The version of an approved issue that goes out, beside the newest there is."""
    approved = await get_version(session, issue.approved_version_id or 0)
    latest = await latest_version(session, issue.id)
    if latest is None or latest.ordinal == approved.ordinal:
        return Ready(issue.name, approved.ordinal)
    words = words_that_differ(approved.source, latest.source)
    return Ready(issue.name, approved.ordinal, latest.ordinal, words)


def words_that_differ(before: str, after: str) -> int:
    """How many words of a text are new in the other, or gone from it; of a word that was replaced
    by one, it counts one.
    """
    old, new = before.split()[:_WORDS_MAX], after.split()[:_WORDS_MAX]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return sum(
        max(old_end - old_start, new_end - new_start)
        for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes()
        if tag != "equal"
    )


async def _starting(
    session: Session, slot: slots.Slot | None, zone: ZoneInfo
) -> tuple[Ready, datetime] | None:
    if slot is None or slot.state is not SlotState.FIRED or slot.release_at is None:
        return None
    issue = await issue_by_id(session, slot.issue_id or 0)
    if issue.state is not IssueState.APPROVED:
        return None
    return await ready_version(session, issue), slot.release_at.astimezone(zone)


async def _draft(session: Session, newsletter: Newsletter) -> int | None:
    drafts = await list_issues(session, newsletter.id, state=IssueState.DRAFT)
    return min((one.number for one in drafts if one.number is not None), default=None)


def _what(ready: Ready) -> str:
    return f"Issue {ready.issue}, version {ready.version},"


def _newer(ready: Ready) -> str:
    if ready.newer is None:
        return ""
    words = "1 word differs" if ready.words == 1 else f"{ready.words} words differ"
    return f"; version {ready.newer} is newer and not approved ({words})"


def _when(at: datetime) -> str:
    shown = f"{at:%a %-d %b %H:%M:%S}" if at.second else f"{at:%a %-d %b %H:%M}"
    return f"{shown} ({at.tzinfo})" if at.tzinfo else shown


def _row(ready: Ready | None) -> dict[str, Any] | None:
    if ready is None:
        return None
    return {
        "issue": ready.issue,
        "version": ready.version,
        "newer": ready.newer,
        "words_differ": ready.words,
    }
