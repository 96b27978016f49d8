"""Indexes for what pages show of readers and answers: never mailed, left, unread, refused.

Safety: adds five partial indexes, of few rows each; writes wait while each table is read once (a
second for a million readers).

Revision: 0021, after 0020.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_subscribers_suppressed_at", "subscribers", "suppressed_at", "suppressed_at IS NOT NULL"),
    ("ix_consent_events_left", "consent_events", "at", "kind = 'left'"),
    ("ix_feedback_quarantined", "feedback", "id", "effect = 'quarantined'"),
    ("ix_feedback_unread", "feedback", "id", "kind = 'not-bounce' OR reason = 'undefined'"),
    ("ix_audit_refused", "audit", "who at", "result = 'refused'"),
)


def upgrade() -> None:
    for name, table, columns, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, columns.split(), sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
