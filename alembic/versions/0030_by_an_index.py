"""Indexes for what went through a whole table: who never confirmed, what came back by what was done
about it and of which notice, mails and links by address, and, on PostgreSQL, how a text begins.

Safety: adds eight indexes; writes of each of the five tables wait while it is read once (a second
or two for a million rows).

Revision: 0030, after 0029.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_PARTIAL = (
    ("ix_subscriptions_pending", "subscriptions", "created_at", "state = 'pending'"),
    ("ix_notices_subscription_id", "notices", "subscription_id", "subscription_id IS NOT NULL"),
    ("ix_notices_address", "notices", "address", "address <> ''"),
    ("ix_passes_address", "passes", "address", "address IS NOT NULL"),
    ("ix_feedback_notice_id", "feedback", "notice_id", "notice_id IS NOT NULL"),
)
# SQLite follows any index for how a text begins; PostgreSQL, where words have an order of their
# own, one by characters.
_BEGINNINGS = (
    ("ix_subscribers_address_key_begins", "subscribers", "address_key"),
    ("ix_notices_dedupe_key_begins", "notices", "dedupe_key"),
)


def upgrade() -> None:
    for name, table, column, condition in _PARTIAL:
        where = sa.text(condition)
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_feedback_effect", "feedback", ["effect", "id"])
    if op.get_bind().dialect.name == "postgresql":
        for name, table, column in _BEGINNINGS:
            op.create_index(name, table, [column], postgresql_ops={column: "varchar_pattern_ops"})


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
