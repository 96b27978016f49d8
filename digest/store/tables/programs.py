"""Programs: whose calls we take (API keys), and whom we call (webhooks)."""

from __future__ import annotations

from sqlalchemy import Column, Date, Integer, String, Table, Text

from digest.rules.webhooks import WebhookEvent
from digest.store.tables.columns import (
    at,
    id_column,
    metadata,
    one_of,
    partial_index,
    reference,
)
from digest.store.types import EnumText, Id, Json

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    Column("name", String(100), nullable=False),  # what it is for
    Column("secret_hash", String(64), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("last_used_on", Date),  # a day; when exactly is nobody's business
    at("created_at", null=False),
    at("expires_at"),
    at("revoked_at"),
)

webhooks = Table(
    "webhooks",
    metadata,
    id_column(),
    Column("url", Text, nullable=False),
    Column("secret", String(100), nullable=False),  # as it is: we sign with it
    Column("events", Json, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),  # one after another
    at("failing_since"),
    at("retry_at"),  # nothing is sent there before
    at("created_at", null=False),
    at("disabled_at"),
)

# What is still to be told, and for a while what was. No address: that of the reader is read when it
# is sent, so whoever was erased meanwhile is not named.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    id_column(),
    reference("webhook_id", "webhooks.id"),
    Column("event_id", String(40), nullable=False),
    Column("event", EnumText(WebhookEvent), nullable=False),
    Column("newsletter_id", Id),
    Column("subscriber_id", Id),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("status", Integer),  # of the last answer
    at("happened_at", null=False),
    at("not_before", null=False),
    at("settled_at"),
    one_of("event", WebhookEvent),
    partial_index(
        "ix_webhook_deliveries_open", "webhook_id", "not_before", where="settled_at IS NULL"
    ),
    partial_index("ix_webhook_deliveries_settled", "settled_at", where="settled_at IS NOT NULL"),
)
