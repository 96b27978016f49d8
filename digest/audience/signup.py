"""Signing up, twice asked (double opt-in): a request, a mail to that address, a button.

A request is one row, written in the same way whoever asks: nothing in the answer, its bytes or its
time can tell whether an address is known. A moment later, in a transaction of its own, it is
decided what that mailbox is written (``rules.signup``): a confirmation, "you already get it", or
nothing. Only the POST behind the link in that mail subscribes, and it can do so once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom
from typing import TYPE_CHECKING

import structlog

from digest.audience.greeting import greet
from digest.audience.wording import asked_words
from digest.errors import DatabaseError, RefusedError
from digest.mail.address import Address, address_key, parse_address
from digest.mail.tokens import KeyRing, TokenKind
from digest.rules.providers import provider_of
from digest.rules.signup import CONFIRM_WITHIN, SignupFacts, SignupLimits, SignupOutcome, decide
from digest.rules.signup import mailbox_of as mailbox
from digest.rules.subscription import PassPurpose, SubscriptionState, SuppressionReason
from digest.store.newsletters import Newsletter, newsletter_by_id
from digest.store.notices import SIGN_UP_LANE, Notice, write_notice
from digest.store.passes import NewPass, find_pass, use_pass, write_pass
from digest.store.signups import (
    OpenSignup,
    Signup,
    ask_signup,
    count_signups,
    open_signups,
    settle_signup,
    take_signup,
)
from digest.store.subscribers import (
    Proof,
    Reader,
    Subscription,
    activate_subscription,
    ask_pending,
    ensure_subscriber,
    find_reader,
    get_subscription,
    subscriber_key,
)
from digest.store.suppressions import (
    address_hash,
    lift_suppressions,
    read_pepper,
    suppression_of,
)
from digest.store.wordings import keep_wording

if TYPE_CHECKING:
    from digest.clock import Clock
    from digest.store.session import Database, Session

log = structlog.get_logger(__name__)

_PAUSE = 0.5  # seconds
_TOGETHER = 50  # sign-ups looked up at a time
_CHANCE = SystemRandom()
_FINAL = (SuppressionReason.COMPLAINED, SuppressionReason.OPERATOR)


@dataclass(slots=True)
class SignupDesk:
    """Takes sign-ups, and answers them by mail. One per process that serves pages.

    They are answered ``_PAUSE`` seconds later, all that came meanwhile, in no order: an answer
    slows down the requests beside it by as much as it has to write, which must not tell whose it
    is.
    """

    db: Database
    keys: KeyRing
    public_url: str
    clock: Clock
    limits: SignupLimits = field(default_factory=SignupLimits)
    _settling: asyncio.Task[None] | None = None
    _again: bool = False
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, newsletter_id: int, address: Address, *, net: str, source: str) -> None:
        """Take a sign-up; ``net`` is the client's network, ``source`` the door it came through."""
        asked = Signup(newsletter_id, str(address), net, source)
        async with self.db.begin() as session:
            await ask_signup(session, asked, self.clock.now())
        self.wake()

    def wake(self) -> None:
        """Answer what is open, soon, and not within any request."""
        if self._settling is not None and not self._settling.done():
            self._again = True
            return
        self._settling = asyncio.create_task(self._settle_quietly())

    async def _settle_quietly(self) -> None:
        again = True
        while again:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), _PAUSE)
            self._again = False
            try:
                await self.settle()
            except DatabaseError as error:  # it stays open; the next look takes it
                log.warning("sign-ups wait", error=str(error))
            again = self._again

    async def settled(self) -> None:
        """Have everything answered now, and wait for it."""
        self._hurry.set()
        while self._settling is not None and not self._settling.done():
            await self._settling
        self._hurry.clear()

    async def settle(self) -> int:
        """Answer every sign-up that is open; how many that were."""
        count = before = 0
        while True:
            async with self.db.read() as session:
                waiting = await open_signups(session, limit=_TOGETHER)
            _CHANCE.shuffle(waiting)
            for signup_id in waiting:
                count += await self._settle(signup_id)
            if count == before:
                return count
            before = count

    async def _settle(self, signup_id: int) -> bool:
        now = self.clock.now()
        async with self.db.begin() as session:
            found = await take_signup(session, signup_id)
            if found is None:
                return False
            address = parse_address(found.signup.address)
            hashed = address_hash(await read_pepper(session), f"mailbox {mailbox(address)}")
            outcome = await self._answer(session, found, address, hashed, now=now)
            await settle_signup(
                session, found.id, outcome, mailbox_hash=hashed, domain=address.domain, now=now
            )
        log.info("sign-up answered", outcome=outcome.value)
        return True

    async def _answer(
        self, session: Session, found: OpenSignup, address: Address, hashed: str, *, now: datetime
    ) -> SignupOutcome:
        newsletter = await newsletter_by_id(session, found.signup.newsletter_id)
        reader = await find_reader(session, str(address))
        mine = _of(newsletter, reader)
        counted = await count_signups(
            session, found.signup, mailbox_hash=hashed, domain=address.domain, now=now
        )
        facts = SignupFacts(
            state=mine.state if mine is not None else None,
            suppressed=await suppression_of(session, newsletter.id, address_key(address)),
            mailed=counted.mailed,
            mailed_here=counted.mailed_here,
            net=counted.net,
            domain=0 if provider_of(address.domain) else counted.domain,
            total=counted.total,
        )
        outcome = decide(facts, self.limits, now)
        if outcome is SignupOutcome.ALREADY and reader is not None and mine is not None:
            await write_notice(session, self._already(newsletter, reader, mine), now)
        elif outcome is SignupOutcome.CONFIRMATION:
            to = reader.address if reader is not None else str(address)
            language = (reader.language if reader is not None else None) or newsletter.language
            mail = ConfirmationMail(newsletter, self.public_url, language)
            await mail.write(session, to, asked=found.signup, asked_at=found.asked_at, now=now)
        return outcome

    def _already(self, newsletter: Newsletter, reader: Reader, mine: Subscription) -> Notice:
        token = self.keys.sign(TokenKind.PREFERENCES, mine.id)
        return Notice(
            kind="already_subscribed",
            lane=SIGN_UP_LANE,
            address=reader.address,
            language=reader.language or newsletter.language,
            params={
                "newsletter": newsletter.name,
                "preferences_url": f"{self.public_url}/p/{token}",
            },
            newsletter_id=newsletter.id,
        )


@dataclass(frozen=True, slots=True)
class ConfirmationMail:
    """Writes the mail with the link that subscribes."""

    newsletter: Newsletter
    public_url: str
    language: str

    async def write(
        self, session: Session, address: str, *, asked: Signup, asked_at: datetime, now: datetime
    ) -> int:
        """Queue the mail for ``address``, with a pending subscription where there is none.

        Returns the subscription's id. The mail says nothing its asker has typed.
        """
        key = address_key(parse_address(address))
        subscriber_id = await ensure_subscriber(session, address, key, now=now)
        subscription_id = await ask_pending(
            session, self.newsletter.id, subscriber_id=subscriber_id, now=now
        )
        expires_at = now + CONFIRM_WITHIN
        detail = {
            "asked_at": asked_at.isoformat(timespec="seconds"),
            "net": asked.net,
            "source": asked.source,
        }
        secret = await write_pass(
            session, NewPass(PassPurpose.CONFIRM, subscription_id, expires_at, detail=detail), now
        )
        notice = Notice(
            kind="confirmation",
            lane=SIGN_UP_LANE,
            address=address,
            language=self.language,
            params={"newsletter": self.newsletter.name, "url": f"{self.public_url}/c/{secret}"},
            newsletter_id=self.newsletter.id,
            expires_at=expires_at,
        )
        await write_notice(session, notice, now)
        return subscription_id


async def resend_confirmation(
    session: Session, newsletter: Newsletter, reader: Reader, public_url: str, now: datetime
) -> None:
    """Mail a reader who has asked, and not confirmed yet, another link; else RefusedError."""
    waits = [
        one
        for one in reader.subscriptions
        if one.newsletter_id == newsletter.id and one.state is SubscriptionState.PENDING
    ]
    if not waits or reader.suppressed_at is not None:
        raise RefusedError("This reader waits for no confirmation.", where=reader.address)
    asked = Signup(newsletter.id, reader.address, "operator", "operator")
    mail = ConfirmationMail(newsletter, public_url, reader.language or newsletter.language)
    await mail.write(session, reader.address, asked=asked, asked_at=now, now=now)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a confirmation's link is about; ``used`` when its button was pressed before."""

    subscription: Subscription
    used: bool


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Whom a confirmation was for; ``now`` says whether this very call subscribed them."""

    subscription: Subscription
    now: bool


async def look_up_confirmation(session: Session, secret: str, *, now: datetime) -> Waiting | None:
    """The subscription that a confirmation's link is about; None when the link does nothing."""
    found = await find_pass(session, secret, (PassPurpose.CONFIRM,), now)
    mine = await get_subscription(session, found.subscription_id) if found is not None else None
    if found is None or mine is None:
        return None
    return Waiting(mine, found.used_at is not None)


async def confirm(
    session: Session, secret: str, *, language: str, net: str, now: datetime
) -> Confirmed | None:
    """Subscribe the reader who got this link; None when the link does nothing (any more).

    ``language`` is that of the page with the button, whose words are kept. A second time it
    changes nothing: who has left since is not brought back by an old mail.
    """
    found = await find_pass(session, secret, (PassPurpose.CONFIRM,), now)
    mine = await get_subscription(session, found.subscription_id) if found is not None else None
    if found is None or mine is None:
        return None
    if found.used_at is not None or not await use_pass(session, found.id, now):
        return Confirmed(mine, now=False)
    key = await subscriber_key(session, mine.subscriber_id)
    if await suppression_of(session, mine.newsletter_id, key) in _FINAL:
        return None
    await lift_suppressions(session, key, mine.newsletter_id, now=now)
    asked = found.detail
    newsletter = await newsletter_by_id(session, mine.newsletter_id)
    words = asked_words(newsletter.name, language)
    wording = await keep_wording(session, language, words, now=now)
    proof = Proof(wording, net, {"asked": dict(asked)})
    source = str(asked.get("source", ""))
    fresh = await activate_subscription(
        session, mine.id, now, kind="confirmed", source=source, proof=proof
    )
    again = await get_subscription(session, mine.id)
    assert again is not None
    if fresh:
        await greet(session, again, now)
    return Confirmed(again, now=fresh)


def _of(newsletter: Newsletter, reader: Reader | None) -> Subscription | None:
    if reader is None:
        return None
    mine = (one for one in reader.subscriptions if one.newsletter_id == newsletter.id)
    return next(mine, None)
