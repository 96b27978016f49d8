"""What comes back, and the words an operator has taught us to read in it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, String, Table, Text, text

from digest.rules.feedback import Bearing, Effect
from digest.store.tables.columns import at, id_column, metadata, one_of, partial_index
from digest.store.types import EnumText, Id

_WORDS = "address IS NOT NULL OR evidence IS NOT NULL OR sample IS NOT NULL"

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
    Column("issue_id", Id),
    Column("destination_id", Id),
    Column("address", String(320)),  # as the report names it: perhaps where ours forwards to
    Column("status", String(16)),
    Column("reply", Text),
    Column("reason", String(32)),
    Column("hard", Boolean, nullable=False, server_default=text("false")),
    Column("bearing", EnumText(Bearing), nullable=False, server_default="nothing"),
    Column("effect", EnumText(Effect), nullable=False, server_default="nothing"),
    Column("evidence", Text),  # what was said
    Column("sample", Text),  # the beginning of a mail that nobody could read or place
    Column("quarantined", Boolean, nullable=False, server_default=text("false")),
    at("received_at", null=False),
    at("ask_at"),  # when DNS is asked (again) about the domain
    Column("asked", Id, nullable=False, server_default="0"),  # answers "no such domain" so far
    one_of("bearing", Bearing),
    one_of("effect", Effect),
    Index("ix_feedback_subscriber_id", "subscriber_id", "received_at"),
    Index("ix_feedback_delivery_id", "delivery_id"),
    Index("ix_feedback_effect", "effect", "id"),
    partial_index("ix_feedback_notice_id", "notice_id", where="notice_id IS NOT NULL"),
    partial_index(
        "ix_feedback_issue_id", "issue_id", "destination_id", where="issue_id IS NOT NULL"
    ),
    partial_index("ix_feedback_quarantined", "id", where="effect = 'quarantined'"),
    partial_index("ix_feedback_unread", "id", where="kind = 'not-bounce' OR reason = 'undefined'"),
    partial_index("ix_feedback_ask_at", "ask_at", where="ask_at IS NOT NULL"),
    partial_index("ix_feedback_words", "received_at", where=_WORDS),
)

# "These words mean that": asked where the parser found no reason.
feedback_rules = Table(
    "feedback_rules",
    metadata,
    id_column(),
    Column("phrase", String(200), nullable=False, unique=True),  # lower case, on one line
    Column("reason", String(32), nullable=False),
    at("created_at", null=False),
)
