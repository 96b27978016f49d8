"""Feeds and the link inbox.

Safety: adds two tables; nothing is rewritten, no row is touched.

Revision: 0008, after 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _add_feeds()
    _add_candidates()


def _add_feeds() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("url_sha256", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("section", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("etag", sa.Text),
        sa.Column("last_modified", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("pulled_at", _AT),
        sa.Column("next_pull_at", _AT, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name="fk_feeds_newsletter_id"
        ),
        sa.UniqueConstraint(
            "newsletter_id", "url_sha256", name="uq_feeds_newsletter_id_url_sha256"
        ),
        sa.CheckConstraint("state IN ('active', 'gone')", name=op.f("ck_feeds_state")),
    )
    op.create_index("ix_feeds_next_pull_at", "feeds", ["next_pull_at"])


def _add_candidates() -> None:
    op.create_table(
        "candidates",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("feed_id", _ID),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("canonical_url", sa.Text, nullable=False),
        sa.Column("url_sha256", sa.String(64), nullable=False),
        sa.Column("sponsor_for", sa.String(10), nullable=False, server_default=""),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("section", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("published_at", _AT),
        sa.Column("added_at", _AT, nullable=False),
        sa.Column("seen_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name="fk_candidates_newsletter_id"
        ),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_candidates_feed_id"),
        sa.UniqueConstraint(
            "newsletter_id",
            "url_sha256",
            "sponsor_for",
            name="uq_candidates_newsletter_id_url_sha256_sponsor_for",
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'kept', 'dropped')", name=op.f("ck_candidates_state")
        ),
    )
    op.create_index("ix_candidates_feed_id", "candidates", ["feed_id"])


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
