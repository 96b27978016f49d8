"""What comes back."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, String, Table, Text, text

from digest.store.tables.columns import at, id_column, metadata
from digest.store.types import Id

feedback = Table(
    "feedback",
    metadata,
    id_column(),
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
    at("received_at", null=False),
    Index("ix_feedback_subscriber_id", "subscriber_id", "received_at"),
    Index("ix_feedback_delivery_id", "delivery_id"),
)
