"""What readers choose: sections, how often, a pause. Each is one transaction with its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.errors import InputError
from digest.languages import languages
from digest.mail.address import clean_name
from digest.rules.subscription import SubscriptionState
from digest.store.newsletters import Newsletter, list_newsletters, newsletter_by_id
from digest.store.preferences import Choice, Person, choose, pause, person, rename, resume, speak_to
from digest.store.session import Session
from digest.store.subscribers import Subscription, get_subscription, list_subscriptions

PAUSES = (1, 2, 4, 8, 12)  # weeks


@dataclass(frozen=True, slots=True)
class Other:
    """Another subscription of the same reader, with its newsletter's name."""

    id: int
    name: str
    state: SubscriptionState


@dataclass(frozen=True, slots=True)
class Preferences:
    """A subscription as its reader sees it; ``sections`` are those that may be left out."""

    subscription: Subscription
    newsletter: Newsletter
    reader: Person
    sections: tuple[str, ...]
    others: tuple[Other, ...]

    @property
    def muted(self) -> tuple[str, ...]:
        """The sections this reader does not want."""
        return tuple(self.subscription.muted or ())

    @property
    def subscribed(self) -> bool:
        """Whether there is anything to choose."""
        return self.subscription.state in (SubscriptionState.ACTIVE, SubscriptionState.PAUSED)


async def read_preferences(session: Session, subscription_id: int) -> Preferences | None:
    """What the page of this subscription shows; None where it is gone."""
    mine = await get_subscription(session, subscription_id)
    reader = await person(session, mine.subscriber_id) if mine is not None else None
    if mine is None or reader is None:
        return None
    newsletter = await newsletter_by_id(session, mine.newsletter_id)
    names = {one.slug: one.name for one in await list_newsletters(session)}
    others = tuple(
        Other(one.id, names[one.newsletter], one.state)
        for one in await list_subscriptions(session, reader.id)
        if one.id != mine.id and one.newsletter in names
    )
    sections = tuple(newsletter.settings.get("sections") or ())
    return Preferences(mine, newsletter, reader, sections, others)


async def save_choice(
    session: Session,
    found: Preferences,
    *,
    wanted: set[str],
    monthly: bool,
    name: str,
    language: str | None = None,
    origin: str,
    now: datetime,
) -> None:
    """Save the form: ``wanted`` are the sections that were ticked.

    ``language`` "" leaves it to each newsletter; None, or one there are no words for, changes none.
    """
    gone = [one for one in found.muted if one not in found.sections]  # not asked, so as it was
    muted = (*gone, *(one for one in found.sections if one not in wanted))
    await choose(session, found.subscription.id, Choice(muted, monthly), origin=origin, now=now)
    if clean_name(name) != found.reader.name:
        await rename(session, found.reader.id, clean_name(name))
    if language == "" or language in languages():
        await speak_to(session, found.reader.id, language or None)


async def change_choice(
    session: Session,
    found: Preferences,
    *,
    muted: Sequence[str] | None,
    monthly: bool | None,
    source: str,
    now: datetime,
) -> bool:
    """Change what is given, on a reader's behalf; False when it was like that.

    InputError for a section that this newsletter does not let its readers mute.
    """
    unknown = [one for one in muted or () if one not in found.sections and one not in found.muted]
    if unknown:
        raise InputError(f"There is no section {unknown[0]!r} to mute.", where="muted")
    mine = found.subscription
    choice = Choice(
        found.muted if muted is None else tuple(dict.fromkeys(muted)),
        mine.cadence == "monthly" if monthly is None else monthly,
    )
    return await choose(session, mine.id, choice, origin=None, source=source, now=now)


async def pause_for(
    session: Session, subscription_id: int, weeks: int, *, origin: str, now: datetime
) -> bool:
    """Pause for so many weeks; InputError for a number that is none of PAUSES."""
    if weeks not in PAUSES:
        raise InputError("There is no such pause.", where="weeks")
    until = now + timedelta(weeks=weeks)
    return await pause(session, subscription_id, until, origin=origin, now=now)


async def resume_now(session: Session, subscription_id: int, *, origin: str, now: datetime) -> bool:
    """End a pause before its time."""
    return await resume(session, subscription_id, origin=origin, now=now)
