"""What is sent, by whom and through which relay: the tables that grow with readers times issues."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from digest.rules.delivery import DeliveryState, StateReason
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


def _handover() -> tuple[Column[object], ...]:
    """What a delivery and a notice have in common: the claim, the attempts and the last reply."""
    return (
        Column("state", EnumText(DeliveryState), nullable=False),
        Column("reason", EnumText(StateReason)),
        at("not_before", null=False),  # due from here on; moved ahead by a deferral
        Column("owner", Id),  # workers.id, no foreign key: a row outlives its worker
        at("claimed_at"),
        at("first_claimed_at"),  # the Date header, the same on every retry
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("maybe_sent", Boolean, nullable=False, server_default=text("false")),
        Column("relay_id", Id),
        Column("relay_message_id", String(255)),
        Column("reply_code", Integer),
        Column("reply_status", String(16)),
        Column("reply_text", Text),
        Column("verdict", String(32)),  # rules.verdict.Reason of the last answer
        Column("blame", String(16)),  # rules.verdict.Blame of it; null once accepted
        at("settled_at"),
    )


_TO_DO = "state IN ('queued', 'deferred')"
_TRIED = f"{_TO_DO} AND first_claimed_at IS NOT NULL"
_OF_SOMEBODY = "settled_at IS NOT NULL AND address <> ''"  # a notice that is not forgotten yet

workers = Table(
    "workers",
    metadata,
    id_column(),
    Column("token", String(36), nullable=False, unique=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    at("started_at", null=False),
    at("heartbeat_at", null=False),
    sqlite_autoincrement=True,  # an owner's number is never given to another
)

destinations = Table(
    "destinations",
    metadata,
    id_column(),
    Column("domain", String(255), nullable=False, unique=True),  # A-labels, lower case
    Column("provider", String(64)),
    at("paused_until"),
    Column("paused_reason", Text),
)

relays = Table(
    "relays",
    metadata,
    id_column(),
    Column("name", String(255), nullable=False, unique=True),  # host:port, never a password
    Column("learned_rate", Integer),  # messages per minute; null = as configured
    at("backoff_until"),
    Column("backoff_step", Integer, nullable=False, server_default="0"),
    Column("reply_code", Integer),
    Column("reply_text", Text),
    at("replied_at"),
    at("first_sent_at"),  # day 0 of a warm-up ramp
)

relay_usage = Table(
    "relay_usage",
    metadata,
    reference("relay_id", "relays.id"),
    at("hour_at", null=False),
    Column("messages", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("relay_id", "hour_at"),
)

budgets = Table(  # what workers hold of what relays and providers take; PostgreSQL only
    "budgets",
    metadata,
    id_column(),
    Column("name", String(120), nullable=False),
    Column("worker_id", Id),  # null: given up, and still counted
    Column("units", Integer, nullable=False),
    at("held_until", null=False),  # the worker may use it
    at("expires_at", null=False),  # others may have it
    UniqueConstraint("name", "worker_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    id_column(),
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
    one_of("state", DeliveryState),
    one_of("reason", StateReason),
    partial_index("ix_deliveries_to_do", "issue_id", "wave", "not_before", "id", where=_TO_DO),
    partial_index("ix_deliveries_owner", "owner", where="state = 'sending'"),
    partial_index(
        "ix_deliveries_relay_message_id", "relay_message_id", where="relay_message_id IS NOT NULL"
    ),
    # Few rows are in these, and none of a delivery that is accepted at once but one in a hundred.
    partial_index("ix_deliveries_tried", "issue_id", "first_claimed_at", where=_TRIED),
    partial_index(
        "ix_deliveries_rejected", "issue_id", "destination_id", where="state = 'rejected'"
    ),
    partial_index("ix_deliveries_expired", "issue_id", "id", where="state = 'expired'"),
    partial_index("ix_deliveries_held", "issue_id", "id", where="state = 'held'"),
    partial_index("ix_deliveries_again", "issue_id", where="ordinal > 0"),
    partial_index("ix_deliveries_canary", "issue_id", where="wave = 0"),
    sqlite_autoincrement=True,  # tokens in mail that is out name a delivery for ever
)

# What is left of rows that were accepted long ago: how many there were, by what a receipt tells.
rolled_up = Table(
    "rolled_up",
    metadata,
    reference("issue_id", "issues.id"),
    reference("version_id", "versions.id"),
    reference("destination_id", "destinations.id"),
    Column("relay_id", Id, nullable=False),  # 0: it was not kept
    Column("maybe_sent", Boolean, nullable=False),
    Column("deliveries", Id, nullable=False),
    at("first_at"),
    at("last_at"),
    PrimaryKeyConstraint("issue_id", "version_id", "destination_id", "relay_id", "maybe_sent"),
)

notices = Table(
    "notices",
    metadata,
    id_column(),
    Column("kind", String(32), nullable=False),
    Column("lane", Integer, nullable=False),  # 0 confirmation and sign-in, 1 test and operator
    reference("newsletter_id", "newsletters.id", null=True),
    reference("subscription_id", "subscriptions.id", null=True),
    Column("address", String(320), nullable=False),
    Column("language", String(16), nullable=False),
    Column("params", Json, nullable=False),
    Column("dedupe_key", String(255), unique=True),
    at("expires_at"),
    *_handover(),
    one_of("state", DeliveryState),
    one_of("reason", StateReason),
    partial_index("ix_notices_to_do", "lane", "not_before", "id", where=_TO_DO),
    partial_index("ix_notices_owner", "owner", where="state = 'sending'"),
    partial_index("ix_notices_settled_at", "settled_at", where=_OF_SOMEBODY),
    partial_index("ix_notices_address", "address", where="address <> ''"),
    partial_index(
        "ix_notices_subscription_id", "subscription_id", where="subscription_id IS NOT NULL"
    ),
    index_of_beginnings("ix_notices_dedupe_key_begins", "dedupe_key"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    id_column(),
    Column("delivery_id", Id),  # one of the two; no foreign key, the log outlives a pruned row
    Column("notice_id", Id),
    Column("number", Integer, nullable=False),
    Column("relay_id", Id),
    at("finished_at", null=False),
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
