"""Which column of which tool's export says what: a table per tool.

Columns are named in lower case, those of newer exports first. ``states`` says what the tool's own
words mean here; where a tool writes a file per state, ``files`` reads it from the file's name and
``marks`` from columns that only such a file has. Everything else of an export stays behind, unless
``--map`` asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from digest.rules.subscription import Standing


class Field(StrEnum):
    """What a column can be."""

    EMAIL = "email"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    LANGUAGE = "language"
    STATE = "state"
    SUPPRESSED = "suppressed"  # why the address is not mailed; empty where it is
    REASON = "reason"  # why somebody left
    TAGS = "tags"
    ATTRIBUTES = "attributes"  # a JSON object
    CREATED = "created"
    ASKED = "asked"
    ASKED_IP = "asked_ip"
    CONFIRMED = "confirmed"
    CONFIRMED_IP = "confirmed_ip"
    PAUSED_UNTIL = "paused_until"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class ReaderFormat:
    """How one tool exports readers. ``signature``: columns by which a file is known as its own."""

    name: str
    title: str
    columns: Mapping[Field, tuple[str, ...]]
    attributes: tuple[str, ...] = ()  # columns that are kept as attributes by their own name
    states: Mapping[str, Standing] = field(default_factory=dict)
    reasons: Mapping[str, Standing] = field(
        default_factory=dict
    )  # why somebody left, by how it begins
    files: Mapping[str, Standing] = field(
        default_factory=dict
    )  # by what the file's name begins with
    marks: Mapping[str, Standing] = field(default_factory=dict)  # by a column that is there
    signature: frozenset[str] = field(default_factory=frozenset)
    archived: tuple[str, ...] = ()  # what files of its zip begin with; others are left


_A, _E = Standing.ACTIVE, Standing.ENDED
_ADDRESS = ("email", "e-mail", "email address", "address")

PLAIN = ReaderFormat(
    "plain",
    "a list of addresses",
    {Field.EMAIL: _ADDRESS, Field.NAME: ("name",)},
    states={  # for a column that --map names
        **{one.value: one for one in Standing},
        "subscribed": _A,
        "unsubscribed": _E,
        "pending": Standing.UNCONFIRMED,
        "cleaned": Standing.BOUNCED,
        "true": _A,
        "false": _E,
    },
)

DIGEST = ReaderFormat(
    "digest",
    "digest",
    {
        Field.EMAIL: ("email",),
        Field.NAME: ("name",),
        Field.LANGUAGE: ("language",),
        Field.STATE: ("state",),
        Field.SUPPRESSED: ("suppressed",),
        Field.CREATED: ("since",),
        Field.CONFIRMED: ("confirmed",),
        Field.PAUSED_UNTIL: ("paused until",),
        Field.LEFT: ("left",),
        Field.TAGS: ("tags",),
        Field.ATTRIBUTES: ("attributes",),
    },
    states={"active": _A, "ended": _E}
    | {"paused": Standing.PAUSED, "pending": Standing.UNCONFIRMED},
    signature=frozenset({"email", "name", "state", "since"}),
)

MAILCHIMP = ReaderFormat(
    "mailchimp",
    "Mailchimp",
    {
        Field.EMAIL: ("email address", "email", "subscriber email"),
        Field.NAME: ("name", "full name"),
        Field.FIRST_NAME: ("first name", "fname"),
        Field.LAST_NAME: ("last name", "lname"),
        Field.STATE: ("status",),
        Field.REASON: ("unsub_reason",),
        Field.TAGS: ("tags",),
        Field.ASKED: ("optin_time",),
        Field.ASKED_IP: ("optin_ip",),
        Field.CONFIRMED: ("confirm_time",),
        Field.CONFIRMED_IP: ("confirm_ip",),
        Field.LEFT: ("unsub_time", "clean_time"),
    },
    states={
        "subscribed": _A,
        "unsubscribed": _E,
        "cleaned": Standing.BOUNCED,
        "pending": Standing.UNCONFIRMED,
        "nonsubscribed": Standing.UNCONFIRMED,
        "non-subscribed": Standing.UNCONFIRMED,
        "transactional": Standing.UNCONFIRMED,
        "archived": _E,
    },
    reasons={"abuse": Standing.COMPLAINED, "spam": Standing.COMPLAINED},
    files={
        "subscribed_": _A,
        "unsubscribed_": _E,
        "cleaned_": Standing.BOUNCED,
        "nonsubscribed_": Standing.UNCONFIRMED,
    },
    marks={"clean_time": Standing.BOUNCED, "unsub_time": _E},
    signature=frozenset({"leid", "euid"}),
    archived=("cleaned_", "unsubscribed_", "nonsubscribed_", "subscribed_"),
)

SUBSTACK = ReaderFormat(
    "substack",
    "Substack",
    {
        Field.EMAIL: ("email",),
        Field.NAME: ("name",),
        Field.STATE: ("email_disabled",),
        Field.CREATED: ("created_at", "start date"),
    },
    attributes=("plan",),
    states={"false": _A, "true": _E},
    signature=frozenset({"email_disabled", "active_subscription"}),
    archived=("email_list",),
)

BUTTONDOWN = ReaderFormat(
    "buttondown",
    "Buttondown",
    {
        Field.EMAIL: ("email_address", "email"),
        Field.STATE: ("type", "subscriber_type"),
        Field.TAGS: ("tags",),
        Field.ATTRIBUTES: ("metadata",),
        Field.CREATED: ("creation_date",),
        Field.ASKED_IP: ("ip_address",),
        Field.LEFT: ("unsubscription_date",),
    },
    states={
        **dict.fromkeys(("regular", "premium", "gifted", "trialed", "unpaid", "churning"), _A),
        **dict.fromkeys(("churned", "paused", "past_due"), _A),  # of paying, not of reading
        "unactivated": Standing.UNCONFIRMED,
        **dict.fromkeys(("unsubscribed", "removed", "disabled"), _E),
        "undeliverable": Standing.BOUNCED,
        "complained": Standing.COMPLAINED,
        **dict.fromkeys(("blocked", "spammy"), Standing.SUPPRESSED),
    },
    signature=frozenset({"metadata", "creation_date"}),
    archived=("subscribers", "unsubscribers"),
)

GHOST = ReaderFormat(
    "ghost",
    "Ghost",
    {
        Field.EMAIL: ("email",),
        Field.NAME: ("name",),
        Field.STATE: ("subscribed_to_emails", "subscribed"),
        Field.TAGS: ("labels",),
        Field.CREATED: ("created_at",),
    },
    attributes=("note", "tiers"),
    states={"true": _A, "false": _E},
    signature=frozenset({"subscribed_to_emails", "complimentary_plan"}),
)

LISTMONK = ReaderFormat(
    "listmonk",
    "listmonk",
    {
        Field.EMAIL: ("email",),
        Field.NAME: ("name",),
        Field.STATE: ("status",),
        Field.ATTRIBUTES: ("attributes",),
        Field.CREATED: ("created_at",),
    },
    states={"enabled": _A, "disabled": _E, "blocklisted": Standing.SUPPRESSED},
    signature=frozenset({"uuid", "attributes", "status"}),
)

TOOLS = {one.name: one for one in (MAILCHIMP, SUBSTACK, BUTTONDOWN, GHOST, LISTMONK, DIGEST)}


def known_by(columns: frozenset[str]) -> ReaderFormat:
    """The tool that names its columns like this; a plain list where it is none."""
    return next((one for one in TOOLS.values() if one.signature <= columns), PLAIN)
