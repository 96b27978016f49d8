"""Domains said not to exist: asked of DNS twice, an hour apart, before their readers are given up.

A mail server that cannot reach its resolver says "host unknown" of living domains. Where DNS knows
the domain, the bounce counts as one of a mailbox.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from digest.audience.suppression import Unwanted, stop_mailing
from digest.net.hosts import HostState
from digest.rules.feedback import ASK_HOST_AGAIN, HOST_SURE, Effect
from digest.rules.subscription import SuppressionReason
from digest.store.feedback import Asking, asked_again, asking, set_effect

if TYPE_CHECKING:
    from digest.store.session import Database

Ask = Callable[[str], Awaitable[HostState]]


async def ask_hosts(db: Database, ask: Ask, now: datetime) -> int:
    """Ask for every domain whose time has come; how many readers were given up."""
    async with db.read() as session:
        due = await asking(session, now)
    answers = {domain: await ask(domain) for domain in {one.domain for one in due}}
    given_up = 0
    for one in due:
        given_up += await _conclude(db, one, answers[one.domain], now)
    return given_up


async def _conclude(db: Database, one: Asking, state: HostState, now: datetime) -> bool:
    async with db.begin() as session:
        if state is HostState.THERE:
            await set_effect(session, one.feedback_id, Effect.SCORED)
            return False
        gone = one.asked + (state is HostState.GONE)
        if gone < HOST_SURE:
            await asked_again(session, one.feedback_id, gone, now + ASK_HOST_AGAIN)
            return False
        await set_effect(session, one.feedback_id, Effect.SUPPRESSED)
        evidence = f"{one.evidence} (DNS said twice that there is no {one.domain})"
        who = Unwanted(one.address_key, one.subscriber_id, SuppressionReason.BOUNCED, evidence)
        await stop_mailing(session, who, now)
        return True
