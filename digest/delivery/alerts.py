"""Mail for operators: a brake, a message that breaks the sender, a relay that shuts us out, a sum.

One incident is one mail to each operator of the newsletter (where it has none, bad news go to its
own From address), however often it is found: its ``dedupe_key`` says which incident it is. These
functions write notices and nothing else; the caller's transaction holds, and they are rendered when
they go out. What they are told is data and stands in the mail as such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from digest.errors import SettingsError
from digest.rules.brakes import Action, Decision
from digest.rules.delivery import DeliveryState, IssueState
from digest.rules.relay import RelayConfig
from digest.store.issues import StoredIssue, issue_by_id, list_issues
from digest.store.newsletters import Newsletter, list_newsletters, newsletter_by_id, people
from digest.store.notices import OPERATOR_LANE, Notice, was_told, write_notice
from digest.store.reports import Totals, issue_totals
from digest.store.restored import HeldBack
from digest.store.session import Session

_NEWS = timedelta(days=1)  # a sum that is older is no news
_KEPT = timedelta(days=3)  # older news of this kind help nobody
_REASON = 700  # characters; a reply of a server may be long
_KEY_MAX = 255  # of a dedupe_key

# What the templates call each incident.
_INCIDENTS = {
    Action.PAUSE_ISSUE: "issue_paused",
    Action.PAUSE_DESTINATION: "destination_paused",
    Action.HOLD_SUPPRESSIONS: "suppressions_held",
    Action.HOLD_MESSAGE: "message_held",
}
_LINES: dict[str, str] = {
    DeliveryState.ACCEPTED: "accepted by the relay",
    DeliveryState.REJECTED: "refused for good",
    DeliveryState.EXPIRED: "given up, or overtaken by the next issue",
    DeliveryState.CANCELLED: "left before their turn, or were stopped",
    DeliveryState.SUPPRESSED: "suppressed before their turn",
    DeliveryState.SKIPPED: "wanted nothing of it",
    DeliveryState.HELD: "held, for you to decide",
    DeliveryState.DEFERRED: "put off, to be tried again",
    DeliveryState.SENDING: "being handed to the relay",
    DeliveryState.QUEUED: "waiting for their turn",
}


async def tell_brake(session: Session, issue_id: int, decision: Decision, now: datetime) -> None:
    """Tell what a brake did to an issue, or that a message broke the sender (``brakes.Tell``).

    Again only after the issue was resumed: then it is another incident.
    """
    issue = await issue_by_id(session, issue_id)
    newsletter = await newsletter_by_id(session, issue.newsletter_id)
    totals = await issue_totals(session, issue_id)
    incident = _INCIDENTS[decision.action]
    values = {
        "issue": str(issue.name),
        "destination": decision.destination or "",
        "sent": f"{totals.accepted:,}",
        "planned": f"{totals.planned:,}",
    }
    key = f"{incident}:{issue.id}:{_since(issue)}:{decision.destination or ''}"
    mail = _alert(newsletter, key, values, reason=decision.reason, now=now)
    await _write(session, newsletter, mail, now)


async def relay_refused(session: Session, *, relay: str, reason: str, now: datetime) -> int:
    """A relay takes no mail from us as we are set up: told once a day to every operator.

    ``relay`` is ``RelayConfig.name``, which holds no password, ``reason`` what it said. The mail
    goes out through another relay, or when this one lets us in again.
    """
    key = f"relay_refused:{relay}:{now.date()}"
    return await _tell_everyone(session, key, {"relay": relay}, reason=reason, now=now)


async def webhook_disabled(
    session: Session, *, webhook_id: int, host: str, reason: str, now: datetime
) -> int:
    """A webhook is told nothing any more: it did not hear for too long, or said "never again"."""
    key = f"webhook_disabled:{webhook_id}:{now.date()}"
    values = {"webhook": str(webhook_id), "host": host}
    return await _tell_everyone(session, key, values, reason=reason, now=now)


async def tell_restored(session: Session, held: HeldBack, *, now: datetime) -> int:
    """The database was put back from a backup, and what may have been sent is held."""
    values = {
        "paused": ", ".join(held.paused),
        "unapproved": ", ".join(held.unapproved),
        "rows": f"{held.deliveries:,}" if held.deliveries else "",
    }
    key = f"restored:{int(now.timestamp())}"
    return await _tell_everyone(session, key, values, reason="", now=now)


async def tell_people(
    session: Session,
    newsletter: Newsletter,
    key: str,
    values: Mapping[str, Any],
    *,
    to: Sequence[str],
    now: datetime,
    reason: str = "",
) -> int:
    """Tell ``to`` about an incident of a newsletter, whose name ``key`` begins with; how many mails
    were written: none where this was told before.
    """
    mail = replace(_alert(newsletter, key, values, reason=reason, now=now), to=to)
    return await _write(session, newsletter, mail, now)


async def _tell_everyone(
    session: Session, key: str, values: Mapping[str, Any], *, reason: str, now: datetime
) -> int:
    """Tell every operator of any newsletter once; how many mails were written."""
    written = 0
    told: set[str] = set()
    for newsletter in await list_newsletters(session):
        addresses = [one for one in await _operators(session, newsletter) if one not in told]
        told.update(addresses)
        mail = replace(_alert(newsletter, key, values, reason=reason, now=now), to=addresses)
        written += await _write(session, newsletter, mail, now)
    return written


async def tell_refusal(
    session: Session, relays: Sequence[RelayConfig], error: SettingsError, now: datetime
) -> None:
    """Tell of an error that ended sending, where it is that a relay does not take our login."""
    named = [relay.name for relay in relays if f" {relay.name} " in error.message]
    if named:
        await relay_refused(session, relay=named[0], reason=error.message, now=now)


async def tell_finished(session: Session, *, public_url: str, now: datetime) -> int:
    """Tell the sums of every issue that was finished within a day and is not told of yet.

    It may be called as often as one likes; how many mails were written.
    """
    written = 0
    for newsletter in await list_newsletters(session):
        for issue in await list_issues(session, newsletter.id, state=IssueState.FINISHED):
            if issue.planned and issue.finished_at and issue.finished_at > now - _NEWS:
                totals = await issue_totals(session, issue.id)
                written += await issue_finished(
                    session, newsletter, issue, totals=totals, public_url=public_url, now=now
                )
    return written


async def issue_finished(
    session: Session,
    newsletter: Newsletter,
    issue: StoredIssue,
    *,
    totals: Totals,
    public_url: str,
    now: datetime,
) -> int:
    """An issue is settled: its sums; how many mails were written (0: it was told before).

    Only to operators who are named: good news go to nobody who did not ask for them.
    """
    operators = [person.address for person in await people(session, newsletter.id, "operator")]
    counted = [(_LINES[state], f"{n:,}") for state, n in totals.by_state() if n]
    missed = totals.planned - totals.accepted
    began, ended = issue.planned_at or now, issue.finished_at or now
    params = {
        "slug": newsletter.slug,
        "issue": str(issue.name),
        "title": issue.title,
        "lines": counted,
        "planned": f"{totals.planned:,}",
        "missed": f"{missed:,}" if missed else "",
        "took": f"It was on its way for {_duration(ended - began)}.",
        "page_url": f"{public_url}/i/{newsletter.slug}/{issue.name}",
    }
    key = f"{issue.id}:{_since(issue)}"
    if await was_told(session, f"receipt:{key}:"):
        return 0  # and who became an operator since is told of the next
    mail = _Mail("receipt", key, params, to=operators)
    return await _write(session, newsletter, mail, now)


@dataclass(frozen=True, slots=True)
class _Mail:
    """What is told to operators; ``to`` are those of the newsletter where nothing else is said."""

    kind: str
    key: str
    params: Mapping[str, Any]
    to: Sequence[str] | None = None


def _alert(
    newsletter: Newsletter, key: str, values: Mapping[str, Any], *, reason: str, now: datetime
) -> _Mail:
    params = {
        "incident": key.partition(":")[0],
        "slug": newsletter.slug,
        "reason": reason[:_REASON],
        "at": f"{now:%d %B %Y, %H:%M} UTC",
        **values,
    }
    return _Mail("alert", key, params)


async def _write(session: Session, newsletter: Newsletter, mail: _Mail, now: datetime) -> int:
    written = 0
    for address in await _operators(session, newsletter) if mail.to is None else mail.to:
        notice = Notice(
            kind=mail.kind,
            lane=OPERATOR_LANE,
            address=address,
            language=newsletter.language,
            params=mail.params,
            newsletter_id=newsletter.id,
            dedupe_key=_fitting(f"{mail.kind}:{mail.key}:{address}"),
            expires_at=now + _KEPT,
        )
        written += await write_notice(session, notice, now) is not None
    return written


def _fitting(key: str) -> str:
    """``key``, or what stands for it where it is longer than its column."""
    if len(key) <= _KEY_MAX:
        return key
    return f"{key[:180]}:{hashlib.sha256(key.encode()).hexdigest()}"


async def _operators(session: Session, newsletter: Newsletter) -> list[str]:
    """Who is told. Nobody is named: whoever reads the sender's own mail."""
    found = [person.address for person in await people(session, newsletter.id, "operator")]
    return found or [newsletter.from_address]


def _since(issue: StoredIssue) -> int:
    """Since when this sending lasts: after it was resumed, a pause is another incident."""
    began = issue.resumed_at or issue.planned_at or issue.created_at
    return int(began.timestamp())


def _duration(span: timedelta) -> str:
    seconds = max(round(span.total_seconds()), 1)
    parts = []
    for noun, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {noun}{'' if number == 1 else 's'}")
    return " ".join(parts[:2])
