"""Who works here: users, their sessions, the links that let them in, and what they did."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from digest.rules.admission import Way
from digest.rules.rights import Role
from digest.store.tables.columns import at, id_column, metadata, one_of, partial_index, reference
from digest.store.types import EnumText

users = Table(
    "users",
    metadata,
    id_column(),
    Column("address", String(320), nullable=False, unique=True),
    Column("name", String(200), nullable=False, server_default=""),
    Column("role", EnumText(Role), nullable=False),
    Column("password_hash", Text),  # none until the link was followed
    Column("code_secret", String(64)),  # of one-time codes (RFC 6238), where they are asked for
    Column("code_step", BigInteger),  # the last one that was used; none counts twice
    at("created_at", null=False),
    one_of("role", Role),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    id_column(),
    reference("user_id", "users.id"),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("browser", String(200), nullable=False, server_default=""),
    at("created_at", null=False),
    at("seen_at", null=False),
    Index("ix_user_sessions_user_id", "user_id"),
)

# A link that sets a password, once. Without a user it makes the first one.
user_links = Table(
    "user_links",
    metadata,
    id_column(),
    reference("user_id", "users.id", null=True),
    Column("secret_hash", String(64), nullable=False, unique=True),
    at("created_at", null=False),
    at("expires_at", null=False),
    Index("ix_user_links_user_id", "user_id"),
)

# Who may sign in by a provider of identities; whom it means is known once they have.
user_identities = Table(
    "user_identities",
    metadata,
    id_column(),
    reference("user_id", "users.id"),
    Column("way", EnumText(Way), nullable=False),
    Column("issuer", String(400)),
    Column("subject", String(255)),
    at("created_at", null=False),
    UniqueConstraint("user_id"),
    UniqueConstraint("issuer", "subject"),
    one_of("way", Way),
)

# How often a network has tried to sign in of late, whichever process it asked.
sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    Column("net", String(64), primary_key=True),
    Column("tries", Integer, nullable=False),
    at("since", null=False),
)

# Only ever added to. Names stand as they were: whoever is removed is still in it.
audit = Table(
    "audit",
    metadata,
    id_column(),
    at("at", null=False),
    Column("who", String(320), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(400), nullable=False, server_default=""),
    Column("result", String(400), nullable=False, server_default="done"),
    partial_index("ix_audit_refused", "who", "at", where="result = 'refused'"),
    partial_index("ix_audit_refused_why", "at", where="substr(result, 1, 9) = 'refused: '"),
)
