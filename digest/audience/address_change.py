"""A new address for a reader: asked for on their page, confirmed there, undone from the old one.

Who holds a link of a mail may ask, for mails are passed on; only who reads at the new address can
confirm it, and the old address is told at once and can take it back for seven days. The page says
the same whether anybody reads at the new address.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.mail.address import Address, address_key, parse_address
from digest.rules.providers import provider_of
from digest.rules.signup import (
    MAILED,
    SignupFacts,
    SignupLimits,
    decide,
    mailbox_of,
)
from digest.rules.subscription import PassPurpose, SubscriptionState, SuppressionReason
from digest.store.newsletters import newsletter_by_id
from digest.store.notices import SIGN_UP_LANE, Notice, write_notice
from digest.store.passes import NewPass, Pass, find_pass, revoke_passes, use_pass, write_pass
from digest.store.preferences import Person, person, set_address, subscriptions_of
from digest.store.session import Session
from digest.store.signups import Signup, count_signups, note_mail
from digest.store.subscribers import Proof, Subscription, add_consent, get_subscription
from digest.store.suppressions import address_hash, read_pepper, suppression_of

MOVE_WITHIN = timedelta(days=1)
UNDO_WITHIN = timedelta(days=7)
_PURPOSES = (PassPurpose.MOVE, PassPurpose.MOVE_BACK)
_ALIVE = (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)
_FINAL = (SuppressionReason.COMPLAINED, SuppressionReason.OPERATOR)


@dataclass(frozen=True, slots=True)
class Moves:
    """Changes addresses for the pages at ``public_url``; ``net`` is the client's network."""

    public_url: str
    limits: SignupLimits
    net: str

    async def ask(
        self, session: Session, subscription_id: int, address: Address, now: datetime
    ) -> bool:
        """Mail ``address`` a link that moves this reader there; whether it was mailed.

        What the page says must not depend on that.
        """
        mine = await get_subscription(session, subscription_id)
        if mine is None or mine.state not in _ALIVE:
            return False
        asked = Signup(mine.newsletter_id, str(address), self.net, "address change")
        if not await self._may_mail(session, asked, address, now):
            return False
        await revoke_passes(session, [mine.id], [PassPurpose.MOVE])
        new = NewPass(PassPurpose.MOVE, mine.id, now + MOVE_WITHIN, address=str(address))
        await self._write(session, mine, new, kind="address_change", to=str(address), now=now)
        return True

    async def _may_mail(
        self, session: Session, asked: Signup, address: Address, now: datetime
    ) -> bool:
        pepper, domain = await read_pepper(session), address.domain
        hashed = address_hash(pepper, f"mailbox {mailbox_of(address)}")
        counted = await count_signups(session, asked, mailbox_hash=hashed, domain=domain, now=now)
        facts = SignupFacts(
            state=None,
            suppressed=await suppression_of(session, asked.newsletter_id, address_key(address)),
            mailed=counted.mailed,
            mailed_here=counted.mailed_here,
            net=counted.net,
            domain=0 if provider_of(domain) else counted.domain,
            total=counted.total,
        )
        if decide(facts, self.limits, now) not in MAILED:
            return False
        await note_mail(session, asked, mailbox_hash=hashed, domain=domain, now=now)
        return True

    async def _write(
        self,
        session: Session,
        mine: Subscription,
        new: NewPass,
        *,
        kind: str,
        to: str,
        now: datetime,
    ) -> None:
        newsletter = await newsletter_by_id(session, mine.newsletter_id)
        reader = await person(session, mine.subscriber_id)
        secret = await write_pass(session, new, now)
        notice = Notice(
            kind=kind,
            lane=SIGN_UP_LANE,
            address=to,
            language=(reader.language if reader else None) or newsletter.language,
            params={"newsletter": newsletter.name, "url": f"{self.public_url}/a/{secret}"},
            newsletter_id=newsletter.id,
            expires_at=new.expires_at,
        )
        await write_notice(session, notice, now)

    async def move(self, session: Session, secret: str, now: datetime) -> PassPurpose | None:
        """Do what the link says: move to its address, or back; None when it does nothing.

        The old address is told, with a link to take it back.
        """
        found = await look_up_move(session, secret, now)
        mine = await get_subscription(session, found.subscription_id) if found else None
        if found is None or mine is None or found.address is None:
            return None
        reader = await person(session, mine.subscriber_id)
        if reader is None or not await use_pass(session, found.id, now):
            return None
        key = address_key(parse_address(found.address))
        if await suppression_of(session, mine.newsletter_id, key) in _FINAL:
            return None
        if not await self._set_address(session, reader, found.address, key):
            return None
        await self._record(session, reader, found.purpose, now)
        if found.purpose is PassPurpose.MOVE and key != reader.key:
            back = NewPass(
                PassPurpose.MOVE_BACK, mine.id, now + UNDO_WITHIN, address=reader.address
            )
            await self._write(
                session, mine, back, kind="address_changed", to=reader.address, now=now
            )
        return found.purpose

    async def _set_address(self, session: Session, reader: Person, address: str, key: str) -> bool:
        """Whoever confirms reads there: what bounced at the old address says nothing here."""
        return await set_address(session, reader.id, address, key, suppressed_at=None)

    async def _record(
        self, session: Session, reader: Person, purpose: PassPurpose, now: datetime
    ) -> None:
        """No address in it: a consent's record outlives an erasure."""
        kind = "moved" if purpose is PassPurpose.MOVE else "moved back"
        mine = await subscriptions_of(session, reader.id, tuple(SubscriptionState))
        for one in mine:
            proof = Proof(origin=self.net)
            await add_consent(session, one, kind=kind, source="page", now=now, proof=proof)
        if purpose is PassPurpose.MOVE_BACK:  # no other link that is out moves them again
            await revoke_passes(session, mine, _PURPOSES)


async def look_up_move(session: Session, secret: str, now: datetime) -> Pass | None:
    """The link with this secret, while it can still act."""
    found = await find_pass(session, secret, _PURPOSES, now)
    return found if found is not None and found.used_at is None else None
