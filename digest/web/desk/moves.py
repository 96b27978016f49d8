"""What is done to an issue by a button, from the test to sending it once more.

Each is the function the command of that name calls.
"""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from digest.delivery import control
from digest.delivery.issue_tests import write_tests
from digest.delivery.plan import start_issue
from digest.delivery.publish import approve_issue, schedule_at, withdraw_issue
from digest.errors import AddressError, InputError, RefusedError
from digest.mail.address import parse_address
from digest.rules.relay import no_relay
from digest.rules.rights import Right
from digest.store.issues import StoredIssue
from digest.store.newsletters import Newsletter
from digest.web.desk.doors import Door
from digest.web.desk.issues import ONE, issue_of
from digest.web.desk.visit import HOME, Visit

_MOST_TESTS = 20  # addresses


def _path(newsletter: Newsletter, issue: StoredIssue) -> str:
    return f"{HOME}/n/{newsletter.slug}/i/{issue.name}"


async def test(visit: Visit) -> Response:
    """Put a test of the latest version in the queue."""
    addresses = _addresses(visit.form.one("to"))
    if not visit.site.relay_configured:
        raise no_relay()
    async with visit.site.db.begin() as session:
        newsletter, issue = await issue_of(session, visit)
        await write_tests(session, newsletter, issue, addresses, now=visit.site.clock.now())
    return visit.see(_path(newsletter, issue), done="test")


def _addresses(text: str) -> list[str]:
    given = text.replace(",", " ").split()
    if not 1 <= len(given) <= _MOST_TESTS:
        raise InputError(f"Name one to {_MOST_TESTS} addresses.", where="to")
    try:
        return list(dict.fromkeys(str(parse_address(one)) for one in given))
    except AddressError as error:
        raise InputError(f"{error.message}", where="to", fix=error.fix) from error


async def approve(visit: Visit) -> Response:
    """Approve the version that was shown: this and nothing else goes out."""
    async with visit.site.db.begin() as session:
        newsletter, issue = await issue_of(session, visit)
        digits = visit.form.one("hash")
        await approve_issue(session, issue, digits, by=visit.by, now=visit.site.clock.now())
    return visit.see(_path(newsletter, issue), done="approved")


async def withdraw(visit: Visit) -> Response:
    """Take the approval back."""
    async with visit.site.db.begin() as session:
        newsletter, issue = await issue_of(session, visit)
        await withdraw_issue(session, issue, now=visit.site.clock.now())
    return visit.see(_path(newsletter, issue), done="withdrawn")


async def time(visit: Visit) -> Response:
    """Give it a time of its own, or the newsletter's next one."""
    asked = visit.form.one("at") if not visit.form.one("as_usual") else ""
    async with visit.site.db.begin() as session:
        newsletter, issue = await issue_of(session, visit)
        at = _moment(asked) if asked else None
        await schedule_at(session, newsletter, issue, at, now=visit.site.clock.now())
    return visit.see(_path(newsletter, issue), done="timed" if asked else "as-usual")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise InputError("This is no date and time.", where="at") from None


async def start(visit: Visit) -> Response:
    """Let an approved issue go out now."""
    site = visit.site
    if site.gate is None:
        raise RefusedError("Nothing is sent from here.", where="gate")
    async with site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
    now = site.clock.now()
    await start_issue(site.db, issue.id, now=now, gate=site.gate)
    return visit.see(_path(newsletter, issue), done="started")


async def pause(visit: Visit) -> Response:
    """Let nothing more of it start."""
    async with visit.site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
    reason = visit.form.one("reason")[:200] or f"paused by {visit.user.called}"
    site = visit.site
    await control.pause(site.db, issue.id, reason=reason, clock=site.clock)
    return visit.see(_path(newsletter, issue), done="paused")


async def resume(visit: Visit) -> Response:
    """Let it go on, with what a brake held."""
    async with visit.site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
    now = visit.site.clock.now()
    await control.resume(visit.site.db, issue.id, now=now)
    return visit.see(_path(newsletter, issue), done="resumed")


async def cancel(visit: Visit) -> Response:
    """Send it to nobody else, for good."""
    async with visit.site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
    await control.cancel(visit.site.db, issue.id, clock=visit.site.clock)
    return visit.see(_path(newsletter, issue), done="cancelled")


async def resend(visit: Visit) -> Response:
    """Queue it once more for those it did not reach."""
    async with visit.site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
    db, now = visit.site.db, visit.site.clock.now()
    again = await control.resend(db, issue.id, to=None, now=now)
    if not again.rows:
        raise RefusedError("Nobody is to get it again.", where=f"issue {issue.name}")
    return visit.see(_path(newsletter, issue), done="resent")


DOORS = (
    Door("POST", f"{ONE}/test", Right.WRITE, test, "test issue"),
    Door("POST", f"{ONE}/approve", Right.APPROVE, approve, "approve issue"),
    Door("POST", f"{ONE}/withdraw", Right.APPROVE, withdraw, "withdraw issue"),
    Door("POST", f"{ONE}/time", Right.APPROVE, time, "schedule issue"),
    Door("POST", f"{ONE}/start", Right.STEER, start, "send issue"),
    Door("POST", f"{ONE}/pause", Right.STEER, pause, "pause issue"),
    Door("POST", f"{ONE}/resume", Right.STEER, resume, "resume issue"),
    Door("POST", f"{ONE}/cancel", Right.STEER, cancel, "cancel issue"),
    Door("POST", f"{ONE}/resend", Right.READERS_CHANGE, resend, "resend issue"),
)
