"""Every week by itself: what is due of every newsletter's schedule, and who is told.

``tick`` may be called as often as one likes and by several processes at once; it looks at the
database, does what is due by ``now``, and says what it did. A slot takes its issue in one
transaction (``open → fired``), and starts it when the undo window ends; between the two, ``issue
cancel`` or ``withdraw`` takes it back. A slot without an issue, or whose issue the gate refuses, is
held: an approval within the grace lets it go out after all, later nobody does but an operator.

What takes long with many readers is not done there, or the next newsletter's slot would wait for
it: ``finish`` writes and settles the rows of issues that have started, and may run at the same
time.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from digest.delivery import slot_mail
from digest.delivery.checks import Gate
from digest.delivery.overtaking import finish_overtaking
from digest.delivery.plan import begin_issue, finish_planning
from digest.errors import DigestError, RefusedError, SettingsError
from digest.rules import slots as rules
from digest.rules.automatic import AutomaticPolicy
from digest.rules.delivery import IssueState
from digest.rules.slots import Due, SlotPolicy, SlotReason, SlotState
from digest.store import slots
from digest.store.alerted import owe_heartbeat
from digest.store.installation import note_scheduler
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.newsletters import Newsletter, list_newsletters
from digest.store.session import Database, Session
from digest.store.slots import Break, Slot

log = structlog.get_logger(__name__)

_AT_ONCE = 100  # slots of one newsletter that are taken in one tick, after a long absence
_MOST_TRIES = 1_000  # local times that are looked at for a slot that never was


@dataclass(frozen=True, slots=True)
class Happened:
    """A slot that was taken, or an issue that was started or refused."""

    newsletter: str
    what: str
    issue: int | str | None = None


@dataclass(slots=True)
class SlotKeeper:
    """Takes the slots of all newsletters of an installation."""

    db: Database
    gate: Gate
    machine: str = ""  # that is said to keep the schedule; none: nobody is told
    _tried: dict[int, datetime] = field(default_factory=dict)  # issues with a time of their own

    async def tick(self, now: datetime) -> list[Happened]:
        """Do whatever is due; an error of one newsletter keeps no other from its turn."""
        done: list[Happened] = []
        async with self.db.read() as session:
            newsletters = await list_newsletters(session)
        for newsletter in newsletters:
            try:
                done += await self._newsletter(newsletter, now)
            except DigestError as error:
                log.error("no slot was taken", newsletter=newsletter.slug, reason=str(error))
        done += await self._start_released(now)
        done += await self._start_scheduled(now)
        for one in done:
            log.info("slot", newsletter=one.newsletter, what=one.what, issue=one.issue)
        return done

    async def finish(self, now: datetime) -> None:
        """Write the rows that issues lack, while their first mails leave, and give up what they
        have overtaken. However many rows there are: minutes, and a transaction for each part.
        """
        await finish_planning(self.db, now)
        await finish_overtaking(self.db, now)

    async def next_moment(self, now: datetime) -> datetime | None:
        """When something becomes due after ``now``, as far as is known."""
        async with self.db.read() as session:
            return await slots.next_moment(session, now)

    async def be_seen(self, now: datetime) -> None:
        """Say that the schedule is kept here, so that nobody begins to elsewhere unasked."""
        if self.machine:
            async with self.db.begin() as session:
                await note_scheduler(session, self.machine, host=socket.gethostname(), now=now)

    # A newsletter's slots.

    async def _newsletter(self, newsletter: Newsletter, now: datetime) -> list[Happened]:
        done: list[Happened] = []
        for _ in range(_AT_ONCE):
            async with self.db.begin() as session:
                slot = await _next_slot(session, newsletter, now)
                if slot is None or slot.due_at > now:
                    break
                done += await self._take(session, newsletter, slot, now)
        async with self.db.begin() as session:
            done += await self._let_go(session, newsletter, now)
            if slot is not None:
                await _remind(session, newsletter, slot, now)
            await _remind_of_times(session, newsletter, now)
        return done

    async def _take(
        self, session: Session, newsletter: Newsletter, slot: Slot, now: datetime
    ) -> list[Happened]:
        """A slot's time has come: what becomes of it, and the next one."""
        policy = SlotPolicy.of(newsletter.settings)
        resting = await slots.breaks(session, newsletter.id, since=slot.local.date())
        issue = await slots.next_issue(session, newsletter.id, now)
        following = rules.slot_after(newsletter.schedule or "", slot.local)
        due = Due(
            late=now - slot.due_at,
            in_break=_in(resting, slot),
            followed=following is not None and rules.instant(following, newsletter.timezone) <= now,
            ready=issue is not None,
        )
        state, reason = rules.judge_slot(due, policy)
        fired = issue if state is SlotState.FIRED else None
        moved = await slots.move_slot(
            session,
            slot,
            state,
            issue_id=fired.id if fired else None,
            reason=reason,
            release_at=now + _undo(newsletter) if fired else None,
        )
        if not moved:
            return []
        await open_next(session, newsletter, now, after=slot.local)
        if state is SlotState.HELD:
            await slot_mail.tell_held(session, newsletter, slot, reason, policy=policy, now=now)
        elif state is SlotState.SKIPPED:
            await owe_heartbeat(session, now)
        what = f"{state}: {reason}" if reason else f"{state}"
        return [Happened(newsletter.slug, what, fired.name if fired else None)]

    async def _let_go(
        self, session: Session, newsletter: Newsletter, now: datetime
    ) -> list[Happened]:
        """A held slot gets the issue that is approved by now, within the grace."""
        slot = await slots.latest_taken(session, newsletter.id)
        if slot is None or slot.state is not SlotState.HELD or slot.reason in rules.CLOSED:
            return []
        if now - slot.due_at > SlotPolicy.of(newsletter.settings).grace:
            return []
        if slot.release_at is not None and slot.release_at > now:
            return []
        by_hand = await slots.sent_since(session, newsletter.id, slot.due_at)
        if by_hand is not None:  # whoever sent it meant this slot
            await slots.move_slot(session, slot, SlotState.FIRED, issue_id=by_hand)
            return []
        issue = await slots.issue_for_held(session, slot, now)
        if issue is None:
            return []
        release_at = now if slot.reason is SlotReason.REFUSED else now + _undo(newsletter)
        moved = await slots.move_slot(
            session, slot, SlotState.FIRED, issue_id=issue.id, release_at=release_at
        )
        return [Happened(newsletter.slug, "fired, later", issue.name)] if moved else []

    # Starting.

    async def _start_released(self, now: datetime) -> list[Happened]:
        done = []
        async with self.db.read() as session:
            ready = await slots.released(session, now)
        for slot in ready:
            done += await self._start(slot, now)
        return done

    async def _start(self, slot: Slot, now: datetime) -> list[Happened]:
        """The undo window is over: the issue starts, unless it was taken back meanwhile."""
        async with self.db.read() as session:
            newsletter = next(
                one for one in await list_newsletters(session) if one.id == slot.newsletter_id
            )
            issue = await issue_by_id(session, slot.issue_id or 0)
        if issue.state is IssueState.DRAFT:
            async with self.db.begin() as session:
                await slots.move_slot(
                    session, slot, SlotState.HELD, issue_id=None, reason=SlotReason.WITHDRAWN
                )
            return [Happened(newsletter.slug, "held: withdrawn", issue.name)]
        try:
            if issue.state is IssueState.APPROVED:
                await begin_issue(self.db, issue.id, now=now, gate=self.gate)
        except (RefusedError, SettingsError) as error:
            return await self._refused(newsletter, slot, issue, error=error, now=now)
        async with self.db.begin() as session:
            if await slots.move_slot(session, slot, SlotState.FIRED):
                await owe_heartbeat(session, now)
        return [Happened(newsletter.slug, "started", issue.name)]

    async def _refused(
        self,
        newsletter: Newsletter,
        slot: Slot,
        issue: StoredIssue,
        *,
        error: DigestError,
        now: datetime,
    ) -> list[Happened]:
        async with self.db.begin() as session:
            moved = await slots.move_slot(
                session,
                slot,
                SlotState.HELD,
                reason=SlotReason.REFUSED,
                detail=str(error),
                release_at=now + rules.AGAIN,
            )
            if moved:
                await slot_mail.tell_refused(
                    session, newsletter, issue, error=error, at=slot.due_at, now=now
                )
        return [Happened(newsletter.slug, "held: refused", issue.name)]

    async def _start_scheduled(self, now: datetime) -> list[Happened]:
        """Issues with a time of their own (``issue schedule --at``)."""
        async with self.db.read() as session:
            due = await slots.scheduled_issues(session, now)
            newsletters = {one.id: one for one in await list_newsletters(session)}
        done = []
        for issue in due:
            newsletter = newsletters.get(issue.newsletter_id)
            at = issue.scheduled_at
            if newsletter is None or at is None or self._tried.get(issue.id, now) > now:
                continue
            self._tried[issue.id] = now + rules.AGAIN
            if now - at > SlotPolicy.of(newsletter.settings).grace:
                async with self.db.begin() as session:
                    await slot_mail.tell_missed(session, newsletter, issue, at=at, now=now)
                continue
            try:
                owe = partial(owe_heartbeat, now=now)  # in the same transaction
                await begin_issue(self.db, issue.id, now=now, gate=self.gate, note=owe)
            except (RefusedError, SettingsError) as error:
                async with self.db.begin() as session:
                    await slot_mail.tell_refused(
                        session, newsletter, issue, error=error, at=at, now=now
                    )
                done.append(Happened(newsletter.slug, "refused", issue.name))
            else:
                done.append(Happened(newsletter.slug, "started", issue.name))
        return done


async def open_next(
    session: Session, newsletter: Newsletter, now: datetime, *, after: datetime | None = None
) -> None:
    """Have the next slot after the local time ``after`` (else after ``now``) in the database."""
    if not newsletter.schedule:
        return
    local = after or rules.local_time(now, newsletter.timezone)
    for _ in range(_MOST_TRIES):
        following = rules.slot_after(newsletter.schedule, local)
        if following is None:
            return
        due_at = rules.instant(following, newsletter.timezone)
        # In an hour that is repeated, a slot "after now" may be one that has passed.
        if (after is not None or due_at > now) and await slots.open_slot(
            session, newsletter.id, following, due_at=due_at, now=now
        ):
            return
        local = following


async def _next_slot(session: Session, newsletter: Newsletter, now: datetime) -> Slot | None:
    """The slot that comes next, at the moment its local time means today."""
    slot = await slots.upcoming(session, newsletter.id)
    if slot is None or not newsletter.schedule:
        if slot is None:
            await open_next(session, newsletter, now)
        else:
            await slots.close_slot(session, newsletter.id)
        return await slots.upcoming(session, newsletter.id)
    due_at = rules.instant(slot.local, newsletter.timezone)
    if due_at == slot.due_at:
        return slot
    await slots.retime_slot(session, slot, due_at)  # the rules of its zone were changed
    return await slots.upcoming(session, newsletter.id)


async def _remind(session: Session, newsletter: Newsletter, slot: Slot, now: datetime) -> None:
    """Tell editors, at the times before a slot, that nothing is approved for it, or an older text
    than there is.
    """
    before = rules.reminder_due(slot.due_at, known_since=slot.created_at, now=now)
    if before is None:
        return
    if _in(await slots.breaks(session, newsletter.id, since=slot.local.date()), slot):
        return
    issue = await slots.next_issue(session, newsletter.id, now)
    if issue is not None:
        await slot_mail.tell_newer(session, newsletter, slot, issue, before=before, now=now)
    elif AutomaticPolicy.of(newsletter.settings) is None:  # else nobody need do anything
        await slot_mail.remind(session, newsletter, slot, before=before, now=now)


async def _remind_of_times(session: Session, newsletter: Newsletter, now: datetime) -> None:
    """The same for issues that have a time of their own and no approval."""
    grace = SlotPolicy.of(newsletter.settings).grace
    for issue in await slots.with_own_time(session, newsletter.id, IssueState.DRAFT):
        at = issue.scheduled_at or now
        before = rules.reminder_due(at, known_since=issue.created_at, now=now)
        if before is not None:
            await slot_mail.remind_of_time(
                session, newsletter, issue, at=at, before=before, now=now
            )
        elif at <= now <= at + grace:
            await slot_mail.tell_unapproved(session, newsletter, issue, at=at, now=now)


def _in(breaks: Sequence[Break], slot: Slot) -> bool:
    day = slot.local.date()
    return any(one.first <= day <= one.last for one in breaks)


def _undo(newsletter: Newsletter) -> timedelta:
    return timedelta(seconds=newsletter.undo_window)
