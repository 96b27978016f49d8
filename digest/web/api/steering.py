"""An issue on its way, by the API: when it goes, start, pause, resume, cancel, and watching it.

Each is the function that the command and the button of that name call, and is written down in the
transaction that does it.
"""

from __future__ import annotations

from datetime import datetime

from starlette.responses import StreamingResponse

from digest.access.api_keys import Scope
from digest.delivery import control
from digest.delivery.plan import start_issue
from digest.delivery.publish import schedule_at, withdraw_issue
from digest.delivery.status import Look, as_dict, look_at_issue
from digest.errors import InputError, RefusedError
from digest.rules.delivery import IssueState
from digest.rules.pace import Pace
from digest.store.issues import StoredIssue, get_issue
from digest.web.api.calls import Call, Operation
from digest.web.api.delivery_models import IssueLook, IssueMoved, PauseAsked, TimeAsked
from digest.web.api.issues import ONE, issue_of
from digest.web.live import events


async def schedule(call: Call) -> IssueMoved:
    """Give an issue a time of its own, or the newsletter's next one."""
    asked: TimeAsked = call.body
    at = None if asked.at is None else _moment(asked.at)
    async with call.site.db.begin() as session:
        newsletter, issue = await issue_of(session, call)
        await schedule_at(session, newsletter, issue, at, now=call.site.clock.now())
        after = await get_issue(session, newsletter.id, str(issue.name))
    return _moved(after, changed=after.scheduled_at != issue.scheduled_at)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError("This is no date and time.", where="at") from None


async def withdraw(call: Call) -> IssueMoved:
    """Take an approval back."""
    async with call.site.db.begin() as session:
        newsletter, issue = await issue_of(session, call)
        await withdraw_issue(session, issue, now=call.site.clock.now())
        after = await get_issue(session, newsletter.id, str(issue.name))
    return _moved(after, changed=issue.state is not IssueState.DRAFT)


async def start(call: Call) -> IssueMoved:
    """Let an approved issue go out now."""
    site, issue = call.site, await _found(call)
    if site.gate is None:
        raise RefusedError("Nothing is sent from here.", where="gate")
    started = await start_issue(site.db, issue.id, now=site.clock.now(), gate=site.gate)
    return _moved(await _found(call), changed=started.fresh)


async def pause(call: Call) -> IssueMoved:
    """Let nothing more of an issue start."""
    asked: PauseAsked = call.body
    site, issue = call.site, await _found(call)
    reason = asked.reason.strip() or f"paused by {call.door}"
    halted = await control.pause(site.db, issue.id, reason=reason, clock=site.clock)
    return _moved(halted.issue, changed=halted.changed)


async def resume(call: Call) -> IssueMoved:
    """Let an issue go on, with what a brake held."""
    site, issue = call.site, await _found(call)
    resumed = await control.resume(site.db, issue.id, now=site.clock.now())
    return _moved(resumed.issue, changed=resumed.changed)


async def cancel(call: Call) -> IssueMoved:
    """Send an issue to nobody else, for good."""
    site, issue = call.site, await _found(call)
    halted = await control.cancel(site.db, issue.id, clock=site.clock)
    return _moved(halted.issue, changed=halted.changed)


async def watch(call: Call) -> StreamingResponse:
    """The stream of an issue on its way."""
    issue = await _found(call)
    return StreamingResponse(events(call.request, issue.id, _look), media_type="text/event-stream")


async def look(call: Call) -> IssueLook:
    """How far an issue is, and what holds it."""
    issue = await _found(call)
    found = await look_at_issue(call.site.db, issue.id, call.site.clock.now())
    return IssueLook.model_validate(as_dict(found, Pace()))


def _look(look: Look, pace: Pace) -> str:
    return IssueLook.model_validate(as_dict(look, pace)).model_dump_json()


async def _found(call: Call) -> StoredIssue:
    async with call.site.db.read() as session:
        _, issue = await issue_of(session, call)
    return issue


def _moved(issue: StoredIssue, *, changed: bool) -> IssueMoved:
    return IssueMoved(
        issue=issue.name,
        state=issue.state.value,
        paused_reason=issue.paused_reason,
        scheduled_at=issue.scheduled_at,
        changed=changed,
    )


OPERATIONS = (
    Operation(
        "schedule_issue",
        "PUT",
        f"{ONE}/schedule",
        Scope.ISSUES_APPROVE,
        schedule,
        IssueMoved,
        "Give an issue a time of its own, or the newsletter's next one",
        body=TimeAsked,
        problems=(404, 409),
    ),
    Operation(
        "withdraw_issue",
        "DELETE",
        f"{ONE}/approval",
        Scope.ISSUES_APPROVE,
        withdraw,
        IssueMoved,
        "Take an approval back",
        problems=(404, 409),
    ),
    Operation(
        "send_issue",
        "POST",
        f"{ONE}/start",
        Scope.ISSUES_STEER,
        start,
        IssueMoved,
        "Let an approved issue go out now; asked twice, it goes out once",
        problems=(404, 409),
    ),
    Operation(
        "pause_issue",
        "POST",
        f"{ONE}/pause",
        Scope.ISSUES_STEER,
        pause,
        IssueMoved,
        "Pause an issue; when this is answered, no message of it starts any more",
        body=PauseAsked,
        problems=(404, 409),
    ),
    Operation(
        "resume_issue",
        "POST",
        f"{ONE}/resume",
        Scope.ISSUES_STEER,
        resume,
        IssueMoved,
        "Let a paused issue go on, with what a brake held",
        problems=(404, 409),
    ),
    Operation(
        "cancel_issue",
        "POST",
        f"{ONE}/cancel",
        Scope.ISSUES_STEER,
        cancel,
        IssueMoved,
        "Send an issue to nobody else, for good",
        problems=(404, 409),
    ),
    Operation(
        "look_at_issue",
        "GET",
        f"{ONE}/status",
        Scope.ISSUES_READ,
        look,
        IssueLook,
        "How far an issue is, and what holds it",
        problems=(404,),
    ),
    Operation(
        "watch_issue",
        "GET",
        f"{ONE}/events",
        Scope.ISSUES_READ,
        watch,
        IssueLook,
        "Watch an issue on its way: an event `look` whenever it was looked at, then `over`. A "
        "stream ends after a minute; ask again.",
        problems=(404,),
        stream=True,
    ),
)
