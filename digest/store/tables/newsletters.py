"""The installation, its newsletters, who works on them and when they go out."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from digest.store.tables.columns import at, id_column, metadata, one_of, reference
from digest.store.types import Id, Json

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("installation_id", String(36), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("key_fingerprint", String(16), nullable=False),
    Column("pepper", LargeBinary, nullable=False),  # for suppression hashes; never rotates
    at("created_at", null=False),
    Column("alerted_id", Id, nullable=False, server_default="0"),  # the last notice a URL was told
    Column("take_over_reason", Text),  # why nothing is sent from here until somebody says so
    at("heartbeat_owed_at"),  # since when a slot has gone well that the heartbeat URL was not told
    CheckConstraint("id = 1", name="single"),
)

schedulers = Table(
    "schedulers",
    metadata,
    Column("machine", String(36), primary_key=True),  # an id of its state folder
    Column("host", String(255), nullable=False),
    at("seen_at", null=False),
)

newsletters = Table(
    "newsletters",
    metadata,
    id_column(),
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
    at("next_run_at"),
    at("created_at", null=False),
    at("ended_at"),
)

newsletter_people = Table(
    "newsletter_people",
    metadata,
    reference("newsletter_id", "newsletters.id"),
    Column("address", String(320), nullable=False),
    Column("role", String(16), nullable=False),
    PrimaryKeyConstraint("newsletter_id", "role", "address"),
    one_of("role", ("editor", "operator")),
)

send_slots = Table(
    "send_slots",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    Column("local_time", String(32), nullable=False),  # 2026-11-26T09:00 in the newsletter's zone
    at("due_at", null=False),
    Column("state", String(16), nullable=False),
    reference("issue_id", "issues.id", null=True),
    Column("reason", String(16)),  # why it is held or skipped
    Column("detail", Text),
    at("release_at"),  # when its issue starts, or is tried again
    at("created_at"),  # since when it was the next one
    UniqueConstraint("newsletter_id", "local_time"),
    Index(
        "ix_send_slots_open",
        "newsletter_id",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    one_of("state", ("open", "fired", "skipped", "held")),
)

newsletter_breaks = Table(
    "newsletter_breaks",
    metadata,
    reference("newsletter_id", "newsletters.id"),
    Column("first_day", Date, nullable=False),  # in the newsletter's zone
    Column("last_day", Date, nullable=False),
    PrimaryKeyConstraint("newsletter_id", "first_day", "last_day"),
    CheckConstraint("first_day <= last_day", name="order"),
)
