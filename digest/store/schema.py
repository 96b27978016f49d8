"""Every table, for SQLite and PostgreSQL alike.

Times are UTC and end in ``_at`` (``not_before`` and ``paused_until`` too); ids end in ``_id``.
States are text with a CHECK. The two tables that grow with readers times issues are ``deliveries``
and ``attempts``; every query on them goes through an index named here.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from digest.rules.delivery import DeliveryState, IssueState, StateReason
from digest.rules.signup import SignupOutcome
from digest.rules.subscription import PassPurpose, SubscriptionState, SuppressionReason
from digest.store.types import EnumText, Id, Json, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _reference(name: str, target: str, *, null: bool = False) -> Column[int]:
    return Column(name, Id, ForeignKey(target), nullable=null)


def _at(name: str, *, null: bool = True) -> Column[object]:
    return Column(name, UtcDateTime, nullable=null)


def _handover() -> tuple[Column[object], ...]:
    """What a delivery and a notice have in common: the claim, the attempts and the last reply."""
    return (
        Column("state", EnumText(DeliveryState), nullable=False),
        Column("reason", EnumText(StateReason)),
        _at("not_before", null=False),  # due from here on; moved ahead by a deferral
        Column("owner", Id),  # workers.id, no foreign key: a row outlives its worker
        _at("claimed_at"),
        _at("first_claimed_at"),  # the Date header, the same on every retry
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("maybe_sent", Boolean, nullable=False, server_default=text("false")),
        Column("relay_id", Id),
        Column("relay_message_id", String(255)),
        Column("reply_code", Integer),
        Column("reply_status", String(16)),
        Column("reply_text", Text),
        Column("verdict", String(32)),  # rules.verdict.Reason of the last answer
        Column("blame", String(16)),  # rules.verdict.Blame of it; null once accepted
        _at("settled_at"),
    )


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("installation_id", String(36), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("key_fingerprint", String(16), nullable=False),
    Column("pepper", LargeBinary, nullable=False),  # for suppression hashes; never rotates
    _at("created_at", null=False),
    CheckConstraint("id = 1", name="single"),
)

workers = Table(
    "workers",
    metadata,
    _id(),
    Column("token", String(36), nullable=False, unique=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    _at("started_at", null=False),
    _at("heartbeat_at", null=False),
    sqlite_autoincrement=True,  # an owner's number is never given to another
)

newsletters = Table(
    "newsletters",
    metadata,
    _id(),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("from_name", String(200), nullable=False),
    Column("from_address", String(320), nullable=False),
    Column("reply_to", String(320)),
    Column("return_path", String(320), nullable=False),  # with {token}
    Column("postal_address", Text, nullable=False),
    Column("list_id", String(255), nullable=False),
    Column("language", String(16), nullable=False, server_default="en"),
    Column("timezone", String(64), nullable=False, server_default="UTC"),
    Column("schedule", String(200)),
    Column("undo_window", Integer, nullable=False, server_default="300"),  # seconds
    Column("theme", String(64), nullable=False, server_default="default"),
    Column("settings", Json, nullable=False),  # logo, colours, utm, sections that may be muted, …
    _at("next_run_at"),
    _at("created_at", null=False),
    _at("ended_at"),
)

newsletter_people = Table(
    "newsletter_people",
    metadata,
    _reference("newsletter_id", "newsletters.id"),
    Column("address", String(320), nullable=False),
    Column("role", String(16), nullable=False),
    PrimaryKeyConstraint("newsletter_id", "role", "address"),
    _one_of("role", ("editor", "operator")),
)

destinations = Table(
    "destinations",
    metadata,
    _id(),
    Column("domain", String(255), nullable=False, unique=True),  # A-labels, lower case
    Column("provider", String(64)),
    _at("paused_until"),
    Column("paused_reason", Text),
)

relays = Table(
    "relays",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),  # host:port, never a password
    Column("learned_rate", Integer),  # messages per minute; null = as configured
    _at("backoff_until"),
    Column("backoff_step", Integer, nullable=False, server_default="0"),
    Column("reply_code", Integer),
    Column("reply_text", Text),
    _at("replied_at"),
    _at("first_sent_at"),  # day 0 of a warm-up ramp
)

relay_usage = Table(
    "relay_usage",
    metadata,
    _reference("relay_id", "relays.id"),
    _at("hour_at", null=False),
    Column("messages", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("relay_id", "hour_at"),
)

subscribers = Table(
    "subscribers",
    metadata,
    _id(),
    Column("address", String(320), nullable=False),  # as given, the domain in A-labels
    Column("address_key", String(320), nullable=False, unique=True),
    Column("name", String(200), nullable=False, server_default=""),
    Column("language", String(16)),
    _reference("destination_id", "destinations.id"),
    Column("attributes", Json),
    _at("suppressed_at"),  # while one of suppressions names this address for every newsletter
    _at("created_at", null=False),
    Index("ix_subscribers_destination_id", "destination_id"),
    sqlite_autoincrement=True,
)

consent_batches = Table(
    "consent_batches",
    metadata,
    _id(),
    _reference("newsletter_id", "newsletters.id"),
    Column("source", Text, nullable=False),
    Column("file_name", String(255)),
    Column("file_sha256", String(64)),
    Column("readers", Integer, nullable=False, server_default="0"),
    _at("created_at", null=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    _id(),
    _reference("subscriber_id", "subscribers.id"),
    _reference("newsletter_id", "newsletters.id"),
    Column("state", EnumText(SubscriptionState), nullable=False),
    Column("muted", Json),  # headings of muted sections
    Column("cadence", String(16), nullable=False, server_default="every"),
    _reference("consent_batch_id", "consent_batches.id", null=True),
    _at("created_at", null=False),
    _at("confirmed_at"),
    _at("paused_until"),
    _at("ended_at"),
    UniqueConstraint("subscriber_id", "newsletter_id"),
    Index("ix_subscriptions_newsletter_id_state", "newsletter_id", "state", "subscriber_id"),
    _one_of("state", SubscriptionState),
    _one_of("cadence", ("every", "monthly")),
    sqlite_autoincrement=True,  # leave links name a subscription for ever
)

consent_events = Table(
    "consent_events",
    metadata,
    _id(),
    _reference("subscription_id", "subscriptions.id"),
    Column("kind", String(32), nullable=False),
    Column("source", Text, nullable=False, server_default=""),
    Column("text_version", String(64)),  # the wording that was agreed to
    Column("origin", String(64)),  # truncated or keyed-hash address of the client
    Column("detail", Json),
    _at("at", null=False),
    Index("ix_consent_events_subscription_id", "subscription_id", "id"),
)

suppressions = Table(
    "suppressions",
    metadata,
    _id(),
    Column("address_hash", String(64), nullable=False),  # HMAC of the address key with the pepper
    _reference("newsletter_id", "newsletters.id", null=True),  # null = all of the sender
    Column("reason", EnumText(SuppressionReason), nullable=False),
    Column("evidence", Text),
    _at("created_at", null=False),
    _at("lifted_at"),
    Index("ix_suppressions_address_hash", "address_hash"),
    _one_of("reason", SuppressionReason),
)

# Who asked to sign up, until it is decided what they are mailed; then what the caps count by.
signups = Table(
    "signups",
    metadata,
    _id(),
    _reference("newsletter_id", "newsletters.id"),
    Column("address", String(320)),  # as typed; null once settled
    Column("mailbox_hash", String(64)),  # keyed; plus and dot variants are one mailbox
    Column("domain", String(255)),
    Column("net", String(64), nullable=False),  # the client's, truncated
    Column("source", String(32), nullable=False),  # form, api
    Column("wording", String(64), nullable=False),
    Column("outcome", EnumText(SignupOutcome)),
    _at("asked_at", null=False),
    _at("settled_at"),
    _one_of("outcome", SignupOutcome),
    Index("ix_signups_mailbox_hash", "mailbox_hash", "settled_at"),
    Index("ix_signups_settled_at", "settled_at"),
    Index(
        "ix_signups_open",
        "id",
        sqlite_where=text("settled_at IS NULL"),
        postgresql_where=text("settled_at IS NULL"),
    ),
)

# A secret link in one mail, used once: only the hash of it is here.
passes = Table(
    "passes",
    metadata,
    _id(),
    Column("purpose", EnumText(PassPurpose), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    _reference("subscription_id", "subscriptions.id"),
    Column("address", String(320)),  # the one to move to, or back to
    Column("detail", Json),
    _at("created_at", null=False),
    _at("expires_at", null=False),
    _at("used_at"),
    _one_of("purpose", PassPurpose),
    Index("ix_passes_subscription_id", "subscription_id"),
    Index("ix_passes_expires_at", "expires_at"),
)

issues = Table(
    "issues",
    metadata,
    _id(),
    _reference("newsletter_id", "newsletters.id"),
    Column("number", Integer),
    Column("slug", String(64)),
    Column("title", Text, nullable=False),
    Column("state", EnumText(IssueState), nullable=False),
    Column("listed", Boolean, nullable=False, server_default=text("true")),
    Column("approved_version_id", Id),
    _at("scheduled_at"),
    _at("planned_at"),
    Column("planned", Integer),  # rows planned, for progress without counting
    _at("finished_at"),
    Column("paused_reason", Text),
    _at("created_at", null=False),
    _at("resumed_at"),  # brakes count what came after it
    _at("canary_passed_at"),  # the rest follows; at once where there is no canary
    UniqueConstraint("newsletter_id", "number"),
    UniqueConstraint("newsletter_id", "slug"),
    CheckConstraint("number IS NOT NULL OR slug IS NOT NULL", name="named"),
    _one_of("state", IssueState),
    Index("ix_issues_state", "state"),
)

versions = Table(
    "versions",
    metadata,
    _id(),
    _reference("issue_id", "issues.id"),
    Column("ordinal", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("source", Text, nullable=False),  # the Markdown: the truth
    Column("subject", Text, nullable=False),
    Column("preview", Text, nullable=False),
    Column("html", Text, nullable=False),  # rendered, with its marks for slots and sections
    Column("plain", Text, nullable=False),
    Column("web_html", Text, nullable=False),  # the archive's form of it
    Column("slots", Json, nullable=False),
    Column("sections", Json, nullable=False),  # headings by number, for mute masks
    Column("identity", Json, nullable=False),  # sender identity as approved
    Column("web_only", Boolean, nullable=False, server_default=text("false")),
    Column("note", Text),
    _at("created_at", null=False),
    _at("approved_at"),
    Column("approved_by", String(320)),
    UniqueConstraint("issue_id", "ordinal"),
)

media = Table(
    "media",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("extension", String(8), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    _at("created_at", null=False),
)

version_media = Table(
    "version_media",
    metadata,
    _reference("version_id", "versions.id"),
    Column("sha256", String(64), ForeignKey("media.sha256"), nullable=False),
    PrimaryKeyConstraint("version_id", "sha256"),
)

links = Table(
    "links",
    metadata,
    _id(),
    Column("canonical_url", Text, nullable=False),
    # Unique by hash: a B-tree entry of PostgreSQL holds 2,704 bytes, an address may be longer.
    Column("url_sha256", String(64), nullable=False, unique=True),
    Column("status", Integer),  # of the last check; null = never asked
    _at("checked_at"),
)

version_links = Table(
    "version_links",
    metadata,
    _reference("version_id", "versions.id"),
    _reference("link_id", "links.id"),
    Column("position", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("sponsor", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("version_id", "position"),
    Index("ix_version_links_link_id", "link_id"),
)

send_slots = Table(
    "send_slots",
    metadata,
    _id(),
    _reference("newsletter_id", "newsletters.id"),
    Column("local_time", String(32), nullable=False),  # 2026-11-26T09:00 in the newsletter's zone
    _at("due_at", null=False),
    Column("state", String(16), nullable=False),
    _reference("issue_id", "issues.id", null=True),
    UniqueConstraint("newsletter_id", "local_time"),
    _one_of("state", ("open", "fired", "skipped", "held")),
)

_TO_DO = "state IN ('queued', 'deferred')"
_TRIED = f"{_TO_DO} AND first_claimed_at IS NOT NULL"


def _partial_index(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    # No foreign keys here: checking five of them for each of 1,000,000 rows takes PostgreSQL 30 s,
    # writing the rows 3 s. Rows come from one INSERT … SELECT over the tables they name, and no row
    # of those is ever deleted.
    Column("issue_id", Id, nullable=False),
    Column("subscriber_id", Id, nullable=False),
    Column("ordinal", Integer, nullable=False, server_default="0"),
    Column("version_id", Id, nullable=False),
    Column("subscription_id", Id, nullable=False),
    Column("destination_id", Id, nullable=False),
    Column("wave", Integer, nullable=False, server_default="0"),
    *_handover(),
    UniqueConstraint("issue_id", "subscriber_id", "ordinal"),
    _one_of("state", DeliveryState),
    _one_of("reason", StateReason),
    _partial_index("ix_deliveries_to_do", "issue_id", "wave", "not_before", "id", where=_TO_DO),
    _partial_index("ix_deliveries_owner", "owner", where="state = 'sending'"),
    _partial_index(
        "ix_deliveries_relay_message_id", "relay_message_id", where="relay_message_id IS NOT NULL"
    ),
    # Few rows are in these, and none of a delivery that is accepted at once but one in a hundred.
    _partial_index("ix_deliveries_tried", "issue_id", "first_claimed_at", where=_TRIED),
    _partial_index(
        "ix_deliveries_rejected", "issue_id", "destination_id", where="state = 'rejected'"
    ),
    _partial_index("ix_deliveries_held", "issue_id", "id", where="state = 'held'"),
    _partial_index("ix_deliveries_canary", "issue_id", where="wave = 0"),
    sqlite_autoincrement=True,  # tokens in mail that is out name a delivery for ever
)

notices = Table(
    "notices",
    metadata,
    _id(),
    Column("kind", String(32), nullable=False),
    Column("lane", Integer, nullable=False),  # 0 confirmation and sign-in, 1 test and operator
    _reference("newsletter_id", "newsletters.id", null=True),
    _reference("subscription_id", "subscriptions.id", null=True),
    Column("address", String(320), nullable=False),
    Column("language", String(16), nullable=False),
    Column("params", Json, nullable=False),
    Column("dedupe_key", String(255), unique=True),
    _at("expires_at"),
    *_handover(),
    _one_of("state", DeliveryState),
    _one_of("reason", StateReason),
    _partial_index("ix_notices_to_do", "lane", "not_before", "id", where=_TO_DO),
    _partial_index("ix_notices_owner", "owner", where="state = 'sending'"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    Column("delivery_id", Id),  # one of the two; no foreign key, the log outlives a pruned row
    Column("notice_id", Id),
    Column("number", Integer, nullable=False),
    Column("relay_id", Id),
    _at("finished_at", null=False),
    Column("phase", String(16), nullable=False),
    Column("blame", String(16), nullable=False),
    Column("verdict", String(32)),
    Column("code", Integer),
    Column("status", String(16)),
    Column("text", Text),
    Column("relay_message_id", String(255)),
    Index("ix_attempts_delivery_id", "delivery_id"),
    Index("ix_attempts_notice_id", "notice_id"),
)

feedback = Table(
    "feedback",
    metadata,
    _id(),
    Column("dedupe_key", String(255), nullable=False, unique=True),
    Column("source", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("delivery_id", Id),
    Column("notice_id", Id),
    Column("subscriber_id", Id),
    Column("address", String(320)),
    Column("status", String(16)),
    Column("reply", Text),
    Column("reason", String(32)),
    Column("hard", Boolean, nullable=False, server_default=text("false")),
    Column("evidence", Text),
    Column("quarantined", Boolean, nullable=False, server_default=text("false")),
    _at("received_at", null=False),
    Index("ix_feedback_subscriber_id", "subscriber_id", "received_at"),
    Index("ix_feedback_delivery_id", "delivery_id"),
)
