"""Which notices, and what came back, are old enough to be forgotten, without a look at every row.

Safety: adds two partial indexes; writes of the two tables wait while each is read once (a second
for a million rows).

Revision: 0025, after 0024.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_notices_settled_at", "notices", "settled_at", "settled_at IS NOT NULL AND address <> ''"),
    (
        *("ix_feedback_words", "feedback", "received_at"),
        "address IS NOT NULL OR evidence IS NOT NULL OR sample IS NOT NULL",
    ),
)


def upgrade() -> None:
    for name, table, column, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
