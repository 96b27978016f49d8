"""What a sign-up is answered with, by mail: a confirmation, "you already get it", or nothing.

The page never depends on any of this; only the mailbox learns the state, and whoever reads it is
its owner. The caps keep others from filling that mailbox with our mail (subscription bombing):
at most one mail in 15 minutes for a newsletter, three in all, then one in 30 days; and so many an
hour for a network, a domain and altogether.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.mail.address import Address
from digest.rules.subscription import SubscriptionState, SuppressionReason

CONFIRM_WITHIN = timedelta(days=7)
GAP = timedelta(minutes=15)
BURST = 3  # mails
PAUSE = timedelta(days=30)
MEMORY = 2 * PAUSE  # so long is remembered that a mailbox was written to
WINDOW = timedelta(hours=1)  # of the caps below
YOUNGEST, OLDEST = timedelta(seconds=1.5), timedelta(hours=12)  # of a form that is sent

_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
_UNWANTED = (SuppressionReason.COMPLAINED, SuppressionReason.OPERATOR)


class SignupOutcome(StrEnum):
    """What came of a sign-up."""

    CONFIRMATION = "confirmation"
    ALREADY = "already"  # "you already get it", with the way to their preferences
    UNWANTED = "unwanted"  # complained, or the operator does not want it: never a mail
    TOO_OFTEN = "too_often"
    CAPPED = "capped"


MAILED = (SignupOutcome.CONFIRMATION, SignupOutcome.ALREADY)


@dataclass(frozen=True, slots=True)
class SignupLimits:
    """Mails an hour. ``per_domain`` does not hold for large providers of mail."""

    per_net: int = 20
    per_domain: int = 60
    total: int = 2_000


@dataclass(frozen=True, slots=True)
class SignupFacts:
    """What is known when a sign-up is decided.

    ``mailed``: when this mailbox was written to, for whatever newsletter, within MEMORY;
    ``mailed_here`` the last time for this one. ``net``, ``domain``, ``total``: mails within WINDOW.
    """

    state: SubscriptionState | None
    suppressed: SuppressionReason | None
    mailed: Sequence[datetime] = ()
    mailed_here: datetime | None = None
    net: int = 0
    domain: int = 0
    total: int = 0


def decide(facts: SignupFacts, limits: SignupLimits, now: datetime) -> SignupOutcome:
    """What the mailbox gets; the first reason to stay silent wins.

    An address that bounced, left or was erased may ask again: its confirmation shows that it is
    read, and that the reader wants it.
    """
    if facts.suppressed in _UNWANTED:
        return SignupOutcome.UNWANTED
    if not _may_write(facts, now):
        return SignupOutcome.TOO_OFTEN
    if _reached(facts, limits):
        return SignupOutcome.CAPPED
    subscribed = facts.state in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)
    if subscribed and facts.suppressed is None:
        return SignupOutcome.ALREADY
    return SignupOutcome.CONFIRMATION


def _may_write(facts: SignupFacts, now: datetime) -> bool:
    if len(facts.mailed) >= BURST:
        return now - max(facts.mailed) >= PAUSE
    return facts.mailed_here is None or now - facts.mailed_here >= GAP


def _reached(facts: SignupFacts, limits: SignupLimits) -> bool:
    return (
        facts.net >= limits.per_net
        or facts.domain >= limits.per_domain
        or facts.total >= limits.total
    )


def mailbox_of(address: Address) -> str:
    """What all spellings of one mailbox have in common: without ``+tag``; dots as Gmail reads
    them. To count by, never to write to.
    """
    local = address.local.casefold()
    local = local.partition("+")[0] or local
    domain = _DOTLESS.get(address.domain, address.domain)
    if address.domain in _DOTLESS:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


def net_of(client: str) -> str:
    """The network of an IP address, as far as we look: /24, or /56 of IPv6 (one household).

    What is no address is one network of its own, called ``unknown``.
    """
    try:
        ip = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))


def form_age_fits(age: timedelta) -> bool:
    """Whether a form was looked at before it was sent: neither by a script nor from a store."""
    return YOUNGEST <= age <= OLDEST
