"""``digest issue pause|resume|cancel|amend|resend``: an issue that is on its way, taken in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from digest.cli import output
from digest.cli.asked import who_calls
from digest.cli.connection import connected, read_settings
from digest.cli.issue_publish import find_issue, read_issue
from digest.cli.options import Json, Many, OfNewsletter
from digest.delivery import control
from digest.delivery.readiness import what_is_next
from digest.errors import InputError
from digest.rules.delivery import IssueState
from digest.rules.words import REFUSALS
from digest.runtime import open_runtime
from digest.store.issues import StoredIssue, issue_by_id
from digest.store.newsletters import get_newsletter, newsletter_by_id
from digest.store.reports import issue_totals

_SENDS = "`digest run` or `digest worker` sends; to send here: digest issue send {issue} --wait"


async def pause(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    reason: str | None = None,
    as_json: Json = False,
) -> int:
    """Stop an issue on its way; when this returns, no message of it starts any more.

    What the relay is being given is finished and recorded. Nothing is lost: resume goes on.

    Parameters
    ----------
    issue
        Its number or slug.
    reason
        Why, for whoever looks; who paused it, when not given.
    """
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        why = reason or f"paused by {who_calls()}"
        halted = await control.pause(found.db, stored.id, reason=why, clock=found.clock)
        async with found.db.read() as session:
            waiting = (await issue_totals(session, stored.id)).waiting
    data = {
        "issue": halted.issue.name,
        "state": halted.issue.state,
        "paused_reason": halted.issue.paused_reason,
        "under_way": halted.under_way,
        "unanswered": halted.unanswered,
        "waiting": waiting,
    }
    output.result(data, as_json=as_json, text=_paused(halted, waiting))
    return 0


def _paused(halted: control.Halted, waiting: int) -> str:
    name = halted.issue.name
    if not halted.changed:
        return output.printable(f"Issue {name} was paused already: {halted.issue.paused_reason}")
    return (
        f"Issue {name} is paused; no message of it starts any more.\n"
        f"{_under_way(halted)}\n"
        f"{output.counted(waiting, 'reader')} wait. Go on with: digest issue resume {name}"
    )


def _under_way(halted: control.Halted) -> str:
    if not halted.under_way:
        return "None was under way."
    text = f"{halted.under_way:,} were under way"
    if not halted.unanswered:
        return f"{text} and are done."
    return f"{text}; {halted.unanswered:,} still are: what the relay says of them is recorded."


async def resume(issue: str, /, *, slug: OfNewsletter = None, as_json: Json = False) -> int:
    """Let an issue go on that was paused, by you or by a brake; what a brake holds goes on too.

    Parameters
    ----------
    issue
        Its number or slug.
    """
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        resumed = await control.resume(found.db, stored.id, now=found.clock.now())
        async with found.db.read() as session:
            waiting = (await issue_totals(session, stored.id)).waiting
    name = resumed.issue.name
    data = {
        "issue": name,
        "state": resumed.issue.state,
        "released": resumed.released,
        "waiting": waiting,
    }
    goes = "goes on" if resumed.changed else "was on its way already"
    held = f", {resumed.released:,} of them were held by a brake" if resumed.released else ""
    text = (
        f"Issue {name} {goes}: {output.counted(waiting, 'reader')} wait{held}.\n"
        f"{_SENDS.format(issue=name)}"
    )
    output.result(data, as_json=as_json, text=text)
    return 0


async def cancel(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    yes: bool = False,
    as_json: Json = False,
) -> int:
    """Send an issue to nobody else, for good; what was accepted stays accepted.

    When this returns, no message of it starts any more. An issue nobody has been planned for yet
    is a draft again.

    Parameters
    ----------
    issue
        Its number or slug.
    yes
        Do not ask. Without a terminal nothing is asked.
    """
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
            totals = await issue_totals(session, stored.id)
        question = (
            f"{output.counted(totals.waiting + totals.held, 'reader')} will not get issue "
            f"{stored.name}; {totals.accepted:,} have it. Cancel it? [y/N] "
        )
        if totals.waiting and not yes and not output.agreed(question):
            output.note("Nothing was done.")
            return 1
        halted = await control.cancel(found.db, stored.id, clock=found.clock)
        async with found.db.read() as session:
            accepted = (await issue_totals(session, stored.id)).accepted
            newsletter = await newsletter_by_id(session, stored.newsletter_id)
            coming = await what_is_next(session, newsletter, found.clock.now())
    data = {
        "issue": halted.issue.name,
        "state": halted.issue.state,
        "cancelled": halted.cancelled,
        "accepted": accepted,
        "under_way": halted.under_way,
        "unanswered": halted.unanswered,
    }
    text = _cancelled(halted, accepted)
    if halted.issue.state is IssueState.DRAFT and newsletter.schedule:
        text += f"\n{coming}"
    output.result(data, as_json=as_json, text=text)
    return 0


def _cancelled(halted: control.Halted, accepted: int) -> str:
    name = halted.issue.name
    if halted.issue.state is IssueState.DRAFT:
        return f"Issue {name} is a draft; nobody was planned for it."
    if not halted.changed:
        return f"Issue {name} was cancelled already."
    return (
        f"Issue {name} is cancelled: {output.counted(halted.cancelled, 'reader')} will not get it, "
        f"{accepted:,} have it.\n{_under_way(halted)}"
    )


async def amend(
    issue: str,
    file: Path,
    /,
    *,
    slug: OfNewsletter = None,
    by: str | None = None,
    as_json: Json = False,
) -> int:
    """Correct the text of an issue on its way, for everybody it was not tried for yet.

    The file becomes the next version and is approved, through the same checks.

    Parameters
    ----------
    issue
        Its number or slug.
    file
        The corrected issue file.
    by
        Who approves it; you, when not given.
    """
    written = read_issue(file)
    async with open_runtime(read_settings()) as runtime:
        async with runtime.db.read() as session:
            stored = await find_issue(session, slug, issue)
            newsletter = await get_newsletter(session, slug)
        amended = await control.amend(
            runtime.db,
            stored.id,
            written.prepared(newsletter, runtime.settings),
            by=by or who_calls(),
            gate=runtime.gate,
            now=runtime.clock.now(),
        )
        async with runtime.db.read() as session:
            stored = await issue_by_id(session, stored.id)
            earlier = (await issue_totals(session, stored.id)).planned - amended.moved
    data = {
        "issue": stored.name,
        "state": stored.state,
        "version": amended.version.ordinal,
        "hash": amended.version.hash,
        "amended": amended.moved,
        "earlier": earlier,
    }
    output.result(data, as_json=as_json, text=_amended(stored, amended, earlier))
    return 0


def _amended(issue: StoredIssue, amended: control.Amendment, earlier: int) -> str:
    """Who gets which, and what is to be done."""
    text = (
        f"Issue {issue.name} is amended: {output.counted(amended.moved, 'reader')} get version "
        f"{amended.version.ordinal} ({amended.version.hash[:12]}); {earlier:,} had an earlier one, "
        "or are tried again with it."
    )
    if issue.state is IssueState.PAUSED:
        text += f"\nIt is still paused. Go on with: digest issue resume {issue.name}"
    return text


async def resend(
    issue: str,
    /,
    *,
    slug: OfNewsletter = None,
    missed: bool = False,
    to: Annotated[tuple[str, ...], Many] = (),
    as_json: Json = False,
) -> int:
    """Queue an issue once more for readers it did not reach; a service or `issue send` sends it.

    Nobody who left, is suppressed or was erased gets it. Exit 1: nobody is to get it.

    Parameters
    ----------
    issue
        Its number or slug.
    missed
        Everybody it did not reach: refused, given up, stopped, held.
    to
        These addresses only.
    """
    if missed == bool(to):
        raise InputError(
            "Say who is to get it again.", where="--to", fix="Either --missed or --to ADDRESS…."
        )
    async with connected() as found:
        async with found.db.read() as session:
            stored = await find_issue(session, slug, issue)
        again = await control.resend(found.db, stored.id, to=to or None, now=found.clock.now())
    data = {
        "issue": stored.name,
        "queued": again.rows,
        "refused": again.refused,
        "addresses": again.addresses,
    }
    output.result(data, as_json=as_json, text=_resent(stored, again))
    return 0 if again.rows else 1


def _resent(issue: StoredIssue, again: control.Again) -> str:
    lines = [f"Issue {issue.name} is queued for {output.counted(again.rows, 'reader')}."]
    if not (again.rows or again.addresses or again.refused):
        lines = [f"Issue {issue.name} has missed nobody; nothing is queued."]
    if again.addresses:
        lines += [f"  not {address}: {REFUSALS[why]}" for address, why in again.addresses.items()]
    else:
        lines += [f"  not {number:,}: {REFUSALS[why]}" for why, number in again.refused.items()]
    if again.rows:
        lines.append(_SENDS.format(issue=issue.name))
    return "\n".join(output.printable(line) for line in lines)
