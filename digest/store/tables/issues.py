"""Issues, their versions, pictures and links."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
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

from digest.rules.click import Clicker
from digest.rules.delivery import IssueState
from digest.rules.link import LinkState
from digest.store.tables.columns import at, id_column, metadata, one_of, reference
from digest.store.types import EnumText, Id, Json

issues = Table(
    "issues",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    Column("number", Integer),
    Column("slug", String(64)),
    Column("title", Text, nullable=False),
    Column("state", EnumText(IssueState), nullable=False),
    Column("listed", Boolean, nullable=False, server_default=text("true")),
    Column("approved_version_id", Id),
    at("scheduled_at"),
    at("planned_at"),
    Column("planned", Integer),  # rows planned, for progress without counting
    at("finished_at"),
    Column("paused_reason", Text),
    at("created_at", null=False),
    at("resumed_at"),  # brakes count what came after it
    at("canary_passed_at"),  # the rest follows; at once where there is no canary
    at("rolled_up_at"),  # rows of those who got it are counts from here on
    # On its way, and only its canary has rows; those of the rest are being written.
    Column("planning", Boolean, nullable=False, server_default=text("false")),
    # The next one has started: nothing of this one is claimed, and what waits is being given up.
    Column("overtaken", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("newsletter_id", "number"),
    UniqueConstraint("newsletter_id", "slug"),
    CheckConstraint("number IS NOT NULL OR slug IS NOT NULL", name="named"),
    one_of("state", IssueState),
    Index("ix_issues_state", "state"),
)

versions = Table(
    "versions",
    metadata,
    id_column(),
    reference("issue_id", "issues.id"),
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
    at("created_at", null=False),
    at("approved_at"),
    Column("approved_by", String(320)),
    Column("pictures", Json),  # hash by the name the text shows it under
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
    at("created_at", null=False),
)

version_media = Table(
    "version_media",
    metadata,
    reference("version_id", "versions.id"),
    Column("sha256", String(64), ForeignKey("media.sha256"), nullable=False),
    PrimaryKeyConstraint("version_id", "sha256"),
)

links = Table(
    "links",
    metadata,
    id_column(),
    Column("canonical_url", Text, nullable=False),
    # Unique by hash: a B-tree entry of PostgreSQL holds 2,704 bytes, an address may be longer.
    Column("url_sha256", String(64), nullable=False, unique=True),
    Column("status", Integer),  # of HTTP, when it was asked last; null = no answer, or never asked
    at("checked_at"),
    Column("state", EnumText(LinkState)),  # what that means; null = never asked
    Column("detail", Text),  # where it moved to, or what is wrong
    one_of("state", LinkState),
)

version_links = Table(
    "version_links",
    metadata,
    reference("version_id", "versions.id"),
    reference("link_id", "links.id"),
    Column("position", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("sponsor", Boolean, nullable=False, server_default=text("false")),
    Column("href", Text),  # as the mail has it; null: as in url
    PrimaryKeyConstraint("version_id", "position"),
    Index("ix_version_links_link_id", "link_id"),
)

# How often a link was clicked, by whom we think it was. Not when, and nothing about who.
link_clicks = Table(
    "link_clicks",
    metadata,
    Column("version_id", Id, nullable=False),
    Column("position", Integer, nullable=False),
    Column("clicker", EnumText(Clicker), nullable=False),
    Column("clicks", Id, nullable=False),
    PrimaryKeyConstraint("version_id", "position", "clicker"),
    one_of("clicker", Clicker),
)
