"""What goes in and out of the API, as the OpenAPI document shows it.

Answers are made here of what the store knows, field by field: what is not named is not shown. What
comes in is read strictly: no unknown field, no other type, no guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from digest.rules.traits import ATTRIBUTES_MAX, TAG_MAX, TAGS_MAX, Value
from digest.store.newsletters import Newsletter as StoredNewsletter
from digest.store.reader_pages import Consent as StoredConsent
from digest.store.subscribers import Reader as StoredReader
from digest.store.subscribers import Subscription as StoredSubscription
from digest.store.suppressions import Suppression as StoredSuppression

State: TypeAlias = Literal["pending", "active", "paused", "ended"]
Reason: TypeAlias = Literal["bounced", "complained", "left", "erased", "imported", "operator"]
Cadence: TypeAlias = Literal["every", "monthly"]
Id: TypeAlias = Annotated[int, Field(ge=1)]
Tag: TypeAlias = Annotated[str, Field(min_length=1, max_length=TAG_MAX)]
Tags: TypeAlias = Mapping[int, tuple[str, ...]]  # by the ids of subscriptions

PAGE = 100  # rows, where nothing else is asked for
PAGE_MAX = 500
ADDRESS_MAX = 320
NAME_MAX = 200
SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"


# What an address is, no schema can say; this is what documents and their readers make of it.
Address: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=ADDRESS_MAX),
    WithJsonSchema(
        {
            "type": "string",
            "format": "email",
            "minLength": 1,
            "maxLength": ADDRESS_MAX,
            "examples": ["anne@example.org"],
        }
    ),
]


class Answer(BaseModel):
    """Something the API says."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """Something the API is told."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class Newsletter(Answer):
    """What people subscribe to."""

    newsletter: str
    """Its short name, as in paths."""
    name: str
    description: str
    language: str
    timezone: str
    list_id: str
    sections: list[str]
    """Sections a reader may mute."""
    created_at: datetime

    @classmethod
    def of(cls, found: StoredNewsletter) -> Self:
        """What is shown of a newsletter."""
        return cls(
            newsletter=found.slug,
            name=found.name,
            description=found.description,
            language=found.language,
            timezone=found.timezone,
            list_id=found.list_id,
            sections=list(found.settings.get("sections") or ()),
            created_at=found.created_at,
        )


class Subscription(Answer):
    """One reader and one newsletter."""

    subscription: Id
    reader: Id
    newsletter: str
    state: State
    muted: list[str]
    """Sections this reader does not want."""
    cadence: Cadence
    """Every issue, or only the last one of a month."""
    tags: list[str]
    """What its operator sorts readers by."""
    asked_at: datetime
    confirmed_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, found: StoredSubscription, tags: Tags) -> Self:
        """What is shown of a subscription; ``tags`` are those of it and maybe of others."""
        return cls.model_validate(
            {
                "subscription": found.id,
                "reader": found.subscriber_id,
                "newsletter": found.newsletter,
                "state": found.state.value,
                "muted": found.muted or [],
                "cadence": found.cadence,
                "tags": list(tags.get(found.id, ())),
                "asked_at": found.created_at,
                "confirmed_at": found.confirmed_at,
                "paused_until": found.paused_until,
                "ended_at": found.ended_at,
            }
        )


class Reader(Answer):
    """A person with one address, and everything they subscribed to."""

    reader: Id
    address: str
    name: str
    language: str | None
    attributes: dict[str, Value]
    """What its operator keeps about them beside the name."""
    suppressed: bool
    """Whether this address is mailed by no newsletter, whatever it subscribes to."""
    created_at: datetime
    subscriptions: list[Subscription]

    @classmethod
    def of(cls, found: StoredReader, tags: Tags) -> Self:
        """What is shown of a reader."""
        return cls(
            reader=found.id,
            address=found.address,
            name=found.name,
            language=found.language,
            attributes=dict(found.attributes),
            suppressed=found.suppressed_at is not None,
            created_at=found.created_at,
            subscriptions=[Subscription.of(one, tags) for one in found.subscriptions],
        )


class ConsentEvent(Answer):
    """What somebody agreed to or changed, when and how; never altered afterwards."""

    event: Id | None
    """None for the import of a file, with which a subscription may begin."""
    kind: str
    source: str
    """By which door: a form, a link in a mail, a command, a key."""
    wording: str | None
    """The version of the text that was agreed to."""
    words: str | None
    """That text, as the page with the button said it."""
    network: str | None
    """Where from: the network, never the whole address."""
    detail: dict[str, Any] | None
    at: datetime

    @classmethod
    def of(cls, found: StoredConsent) -> Self:
        """What is shown of a consent event."""
        return cls(
            event=found.id,
            kind=found.kind,
            source=found.source,
            wording=found.wording,
            words=found.words,
            network=found.origin,
            detail=found.detail,
            at=found.at,
        )


class Suppression(Answer):
    """An address that is not mailed, and why; the address itself is kept as a keyed hash only."""

    suppression: Id
    newsletter: str | None
    """The one it holds for; None: for all."""
    reason: Reason
    since: datetime

    @classmethod
    def of(cls, found: StoredSuppression) -> Self:
        """What is shown of a suppression."""
        return cls.model_validate(
            {
                "suppression": found.id,
                "newsletter": found.newsletter,
                "reason": found.reason.value,
                "since": found.created_at,
            }
        )


class _Page(Answer):
    next: str | None
    """What to give as `after` for the next page; None on the last one."""


class Newsletters(Answer):
    """Every newsletter; they are few."""

    items: list[Newsletter]


class Readers(_Page):
    """A page of readers."""

    items: list[Reader]


class ConsentEvents(_Page):
    """A page of consent events, oldest first."""

    items: list[ConsentEvent]


class Suppressions(_Page):
    """A page of suppressions, oldest first."""

    items: list[Suppression]


class SignupTaken(Answer):
    """Said of every address alike."""

    status: Literal["asked"]
    message: str


def _digits(text: object) -> object:
    """A number as a query writes it."""
    if isinstance(text, str) and re.fullmatch("0|[1-9][0-9]{0,8}", text):
        return int(text)
    return text


class Paging(Asked):
    """Which page of a list."""

    limit: Annotated[int, BeforeValidator(_digits), Field(ge=1, le=PAGE_MAX)] = PAGE
    """Rows of a page."""
    after: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,17})$")] = "0"
    """`next` of the page before."""


class OfNewsletter(Paging):
    """A page of what belongs to a newsletter."""

    newsletter: Annotated[str, Field(pattern=SLUG)] | None = None
    """Only of this newsletter."""


class ReaderFilter(OfNewsletter):
    """Which readers, and which page of them."""

    state: State | None = None
    """Only readers with a subscription in this state (to that newsletter, where one is named)."""
    tag: Tag | None = None
    """Only readers with a subscription that has this tag, and fits the rest."""


class NewSignup(Asked):
    """Somebody asks for a newsletter."""

    address: Address
    ip: Annotated[str, Field(max_length=64)] | None = None
    """The visitor's IP address: caps count by its network, which is also kept as a proof. Without
    it, all sign-ups by this machine are of one network, and share its cap."""


class WhoseAddress(Asked):
    """An address to look for. In a body, since paths are written to logs."""

    address: Address


class ReaderChange(Asked):
    """What to change of a reader; what is not given stays."""

    name: Annotated[str, Field(max_length=NAME_MAX)] | None = None
    """What they are called in the mail: one line, may be empty."""
    attributes: Annotated[dict[str, Value | None], Field(max_length=ATTRIBUTES_MAX)] | None = None
    """Laid over those there are; null or an empty text takes one away."""


class SubscriptionChange(Asked):
    """What to change of a subscription; what is not given stays."""

    muted: Annotated[list[str], Field(max_length=100)] | None = None
    """All sections this reader does not want, of those the newsletter lists."""
    cadence: Cadence | None = None
    tags: Annotated[list[Tag], Field(max_length=TAGS_MAX)] | None = None
    """All tags of this subscription."""
