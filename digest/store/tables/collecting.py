"""What is collected for the next issue: feeds, and the links of the inbox."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from digest.rules.candidate import CandidateState
from digest.rules.feed import FeedState
from digest.store.tables.columns import at, id_column, metadata, one_of, reference
from digest.store.types import EnumText

feeds = Table(
    "feeds",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    Column("url", Text, nullable=False),
    Column("url_sha256", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("section", String(200), nullable=False),  # empty: none is proposed by it
    Column("state", EnumText(FeedState), nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),  # as its server wrote it
    Column("failures", Integer, nullable=False, server_default="0"),  # one after another
    Column("error", Text),  # of the last pull
    at("pulled_at"),
    at("next_pull_at", null=False),
    at("created_at", null=False),
    UniqueConstraint("newsletter_id", "url_sha256"),
    one_of("state", FeedState),
    Index("ix_feeds_next_pull_at", "next_pull_at"),
)

# Whose page puts links into an inbox, until it is revoked.
bookmarklets = Table(
    "bookmarklets",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    Column("address", String(320), nullable=False),
    at("created_at", null=False),
    at("revoked_at"),
    Index("ix_bookmarklets_newsletter_id", "newsletter_id", "address"),
)

candidates = Table(
    "candidates",
    metadata,
    id_column(),
    reference("newsletter_id", "newsletters.id"),
    reference("feed_id", "feeds.id", null=True),
    Column("url", Text, nullable=False),
    Column("canonical_url", Text, nullable=False),
    Column("url_sha256", String(64), nullable=False),
    # The date a sponsor is booked for, empty for everything else: a sponsor may come again.
    Column("sponsor_for", String(10), nullable=False, server_default=""),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("note", Text, nullable=False),  # the editor's own words
    Column("section", String(200), nullable=False),
    Column("state", EnumText(CandidateState), nullable=False),
    at("published_at"),
    at("added_at", null=False),
    at("seen_at", null=False),  # when a feed had it for the last time
    Column("position", Integer),  # where editors put it; the others follow as they came
    UniqueConstraint("newsletter_id", "url_sha256", "sponsor_for"),
    one_of("state", CandidateState),
    Index("ix_candidates_feed_id", "feed_id"),
)
