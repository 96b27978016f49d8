"""Who reads: addresses, subscriptions, how they agreed, and who gets nothing any more."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from digest.rules.signup import SignupOutcome
from digest.rules.subscription import PassPurpose, SubscriptionState, SuppressionReason
from digest.store.tables.columns import (
    at,
    id_column,
    index_of_beginnings,
    metadata,
    one_of,
    partial_index,
    reference,
)
from digest.store.types import EnumText, Id, Json

subscribers = Table(
    "subscribers",
    metadata,
    id_column(),
    Column("address", String(320), nullable=False),  # as given, the domain in A-labels
    Column("address_key", String(320), nullable=False, unique=True),
    Column("name", String(200), nullable=False, server_default=""),
    Column("language", String(16)),
    reference("destination_id", "destinations.id"),
    Column("attributes", Json),
    at("suppressed_at"),  # while one of suppressions names this address for every newsletter
    at("created_at", null=False),
    Index("ix_subscribers_destination_id", "destination_id"),
    index_of_beginnings("ix_subscribers_address_key_begins", "address_key"),
    partial_index(
        "ix_subscribers_suppressed_at", "suppressed_at", where="suppressed_at IS NOT NULL"
    ),
    sqlite_autoincrement=True,
)

consent_batches = Table(
    "consent_batches",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    Column("source", Text, nullable=False),
    Column("file_name", String(255)),
    Column("file_sha256", String(64)),
    Column("readers", Integer, nullable=False, server_default="0"),
    at("created_at", null=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    id_column(),
    reference("subscriber_id", "subscribers.id"),
    reference("newsletter_id", "newsletters.id"),
    Column("state", EnumText(SubscriptionState), nullable=False),
    Column("muted", Json),  # headings of muted sections
    Column("cadence", String(16), nullable=False, server_default="every"),
    reference("consent_batch_id", "consent_batches.id", null=True),
    at("created_at", null=False),
    at("confirmed_at"),
    at("paused_until"),
    at("ended_at"),
    UniqueConstraint("subscriber_id", "newsletter_id"),
    Index("ix_subscriptions_newsletter_id_state", "newsletter_id", "state", "subscriber_id"),
    partial_index("ix_subscriptions_paused", "paused_until", where="state = 'paused'"),
    partial_index("ix_subscriptions_pending", "created_at", where="state = 'pending'"),
    one_of("state", SubscriptionState),
    one_of("cadence", ("every", "monthly")),
    sqlite_autoincrement=True,  # leave links name a subscription for ever
)

# Counted now and then, for pages: how many there were on a day (UTC), who came and who left.
reader_days = Table(
    "reader_days",
    metadata,
    reference("newsletter_id", "newsletters.id"),
    Column("day", Date, nullable=False),
    *(
        Column(name, Integer, nullable=False)
        for name in ("active", "pending", "paused", "joined", "left")
    ),
    at("counted_at", null=False),
    PrimaryKeyConstraint("newsletter_id", "day"),
)

# Words an operator sorts readers by; they go with the subscription.
subscription_tags = Table(
    "subscription_tags",
    metadata,
    Column(
        "subscription_id", Id, ForeignKey("subscriptions.id", ondelete="CASCADE"), nullable=False
    ),
    Column("tag", String(64), nullable=False),
    PrimaryKeyConstraint("subscription_id", "tag"),
    Index("ix_subscription_tags_tag", "tag", "subscription_id"),
)

consent_events = Table(
    "consent_events",
    metadata,
    id_column(),
    reference("subscription_id", "subscriptions.id"),
    Column("kind", String(32), nullable=False),
    Column("source", Text, nullable=False, server_default=""),
    Column("text_version", String(64)),  # of wordings: what was agreed to
    Column("origin", String(64)),  # truncated or keyed-hash address of the client
    Column("detail", Json),
    at("at", null=False),
    Index("ix_consent_events_subscription_id", "subscription_id", "id"),
    partial_index("ix_consent_events_left", "at", where="kind = 'left'"),
)

# What readers were asked, word for word; kept for as long as the consents that name it.
wordings = Table(
    "wordings",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("language", String(16), nullable=False),
    Column("text", Text, nullable=False),
    at("first_used_at", null=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    id_column(),
    Column("address_hash", String(64), nullable=False),  # HMAC of the address key with the pepper
    reference("newsletter_id", "newsletters.id", null=True),  # null = all of the sender
    Column("reason", EnumText(SuppressionReason), nullable=False),
    Column("evidence", Text),
    at("created_at", null=False),
    at("lifted_at"),
    Index("ix_suppressions_address_hash", "address_hash"),
    partial_index("ix_suppressions_in_force", "newsletter_id", where="lifted_at IS NULL"),
    one_of("reason", SuppressionReason),
)

# Who asked to sign up, until it is decided what they are mailed; then what the caps count by.
signups = Table(
    "signups",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    Column("address", String(320)),  # as typed; null once settled
    Column("mailbox_hash", String(64)),  # keyed; plus and dot variants are one mailbox
    Column("domain", String(255)),
    Column("net", String(64), nullable=False),  # the client's, truncated
    Column("source", String(32), nullable=False),  # form, api
    Column("outcome", EnumText(SignupOutcome)),
    at("asked_at", null=False),
    at("settled_at"),
    one_of("outcome", SignupOutcome),
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
    id_column(),
    Column("purpose", EnumText(PassPurpose), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    reference("subscription_id", "subscriptions.id"),
    Column("address", String(320)),  # the one to move to, or back to
    Column("detail", Json),
    at("created_at", null=False),
    at("expires_at", null=False),
    at("used_at"),
    one_of("purpose", PassPurpose),
    Index("ix_passes_subscription_id", "subscription_id"),
    Index("ix_passes_expires_at", "expires_at"),
    partial_index("ix_passes_address", "address", where="address IS NOT NULL"),
)
