"""The issues of a newsletter, and one of them: its versions, findings, look, and what can be done.

What a button does is what the command of that name does, by the same function.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from digest.content.issue_file import parse_issue
from digest.content.lint import Finding, blocking, check_issue
from digest.delivery.known import what_is_known
from digest.delivery.readiness import what_is_next
from digest.delivery.status import Look, look_at_issue
from digest.errors import DigestError, NotFoundError
from digest.mail.message import Slot, without_marks
from digest.rules.delivery import IssueState
from digest.rules.pace import Pace
from digest.rules.rights import Right
from digest.store.issue_tests import test_shown
from digest.store.issues import StoredIssue, StoredVersion, get_issue, list_issues
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.session import Session
from digest.store.versions import list_versions
from digest.web.desk.doors import Door
from digest.web.desk.progress import progress_of
from digest.web.desk.visit import HOME, Visit
from digest.web.letter import as_sample, in_scheme, letter_response
from digest.web.live import events
from digest.web.page import template_text
from digest.web.security import origin_of
from digest.web.views import asked_view, frames

LIST = f"{HOME}/n/{{newsletter}}"
ONE = f"{LIST}/i/{{issue}}"
_STEPS = (IssueState.DRAFT, IssueState.APPROVED, IssueState.SENDING, IssueState.FINISHED)
_MOVING = frozenset({IssueState.SENDING, IssueState.PAUSED})
_LISTED = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A finding with the line it is about."""

    finding: Finding
    line: str


async def issues(visit: Visit) -> Response:
    """Show the issues of a newsletter, the newest first."""
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        found = (await list_issues(session, newsletter.id))[:_LISTED]
        coming = await what_is_next(session, newsletter, visit.site.clock.now())
    values = {"newsletter": newsletter, "issues": found, "coming": coming}
    return visit.page("issues.html", values, current="issues")


async def issue(visit: Visit) -> Response:
    """Show one issue."""
    site, now = visit.site, visit.site.clock.now()
    async with site.db.read() as session:
        newsletter, found = await issue_of(session, visit)
        versions = await list_versions(session, found.id)
        if not versions:
            raise HTTPException(404)
        shown = _chosen(visit, versions)
        findings = await _findings(session, newsletter, shown, visit)
        test = await test_shown(session, found.id)
        coming = await what_is_next(session, newsletter, now)
    moving = found.state in _MOVING or found.planned is not None
    look = await look_of(visit, found) if moving else None
    view = asked_view(visit.request)
    if view.shown not in ("desktop", "text"):  # one frame at a time, and a phone's fits everywhere
        view = replace(view, shown="phone")
    path = site.path(f"{HOME}/n/{newsletter.slug}/i/{found.name}")
    values: dict[str, Any] = {
        "newsletter": newsletter,
        "issue": found,
        "path": path,
        "steps": _steps(found),
        "versions": versions[::-1],
        "shown": shown,
        "latest": versions[-1],
        "approved": _approved(found, versions),
        "tested": None if test is None else test.version_id,
        "findings": findings,
        "blocked": bool(blocking(tuple(one.finding for one in findings))),
        "coming": coming,
        "local": None if found.scheduled_at is None else local_time_of(newsletter, found),
        "progress": None if look is None else progress_of(look),
        "view": view,
        "chosen": "" if shown is versions[-1] else f"&version={shown.ordinal}",
        "frames": frames(f"{path}/letter/{shown.ordinal}", view),
        "plain": _as_sample(shown.plain, shown),
        "subject": without_marks(shown.subject),
        "preview": without_marks(shown.preview),
        "can_send": site.gate is not None and site.relay_configured,
    }
    return visit.page("issue.html", values, current="issues")


async def look_of(visit: Visit, issue: StoredIssue) -> Look:
    """How an issue is doing, or did a moment ago where that takes long to count."""
    site = visit.site

    async def look() -> Look:
        return await look_at_issue(site.db, issue.id, site.clock.now())

    return await site.counted.get(key_of(issue, "look"), look)


def key_of(issue: StoredIssue, what: str) -> Hashable:
    """Another one as soon as the issue is started, paused, resumed or over."""
    return what, issue.id, issue.state, issue.finished_at, issue.resumed_at


async def letter(visit: Visit) -> Response:
    """A version as it is mailed, for a reader without a name."""
    async with visit.site.db.read() as session:
        _, found = await issue_of(session, visit)
        versions = await list_versions(session, found.id)
    shown = next((one for one in versions if one.ordinal == int(visit.part("version"))), None)
    if shown is None:
        raise HTTPException(404)
    html = in_scheme(_as_sample(shown.html, shown), asked_view(visit.request).scheme)
    return letter_response(html, images=[origin_of(visit.site.public_url)], framed=True)


async def live(visit: Visit) -> Response:
    """The stream of an issue on its way."""
    async with visit.site.db.read() as session:
        _, found = await issue_of(session, visit)
    return StreamingResponse(
        events(visit.request, found.id, _fragment), media_type="text/event-stream"
    )


def _fragment(look: Look, pace: Pace) -> str:
    return template_text("desk/_progress.html", progress=progress_of(look, pace))


async def issue_of(session: Session, visit: Visit) -> tuple[Newsletter, StoredIssue]:
    """The issue that the path names, and whose it is; NotFoundError."""
    name = visit.part("issue")
    if not name.isprintable():  # PostgreSQL takes no NUL, not even in a question
        raise NotFoundError
    newsletter = await get_newsletter(session, visit.part("newsletter"))
    return newsletter, await get_issue(session, newsletter.id, name)


def _chosen(visit: Visit, versions: list[StoredVersion]) -> StoredVersion:
    asked = visit.asked("version")
    if not asked:
        return versions[-1]
    for one in versions:
        if str(one.ordinal) == asked:
            return one
    raise HTTPException(404)


def _approved(issue: StoredIssue, versions: list[StoredVersion]) -> StoredVersion | None:
    return next((one for one in versions if one.id == issue.approved_version_id), None)


async def _findings(
    session: Session, newsletter: Newsletter, version: StoredVersion, visit: Visit
) -> list[Found]:
    """What the checks have to say, with the lines; they ask no network."""
    try:
        text = parse_issue(version.source)
    except DigestError:  # a text of before the format was what it is
        return []
    known = await what_is_known(session, newsletter, text, now=visit.site.clock.now())
    lines = version.source.splitlines()
    return [
        Found(one, lines[one.place.line - 1].strip() if one.place.line <= len(lines) else "")
        for one in check_issue(text, known=known)
    ]


def _steps(issue: StoredIssue) -> list[tuple[str, str]]:
    """The way of an issue, each step with where it is on it."""
    state = IssueState.SENDING if issue.state is IssueState.PAUSED else issue.state
    if issue.state is IssueState.CANCELLED:
        return [(IssueState.CANCELLED.value, "now")]
    at = _STEPS.index(state)
    return [
        (
            issue.state.value if number == at else name.value,
            "past" if number < at else "now" if number == at else "later",
        )
        for number, name in enumerate(_STEPS)
    ]


def local_time_of(newsletter: Newsletter, issue: StoredIssue) -> str:
    """When it goes out, in the newsletter's zone, as a field of a form takes it."""
    assert issue.scheduled_at is not None
    return f"{issue.scheduled_at.astimezone(ZoneInfo(newsletter.timezone)):%Y-%m-%dT%H:%M}"


def _as_sample(text: str, version: StoredVersion) -> str:
    return as_sample(text, [Slot(**slot) for slot in version.slots])


DOORS = (
    Door("GET", LIST, Right.LOOK, issues),
    Door("GET", ONE, Right.LOOK, issue),
    Door("GET", f"{ONE}/letter/{{version:int}}", Right.LOOK, letter),
    Door("GET", f"{ONE}/events", Right.LOOK, live),
)
