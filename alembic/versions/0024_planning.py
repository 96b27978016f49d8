"""Whether an issue on its way still lacks the rows of most of its readers; who has paused.

Safety: adds one column with a default, which rewrites nothing; code of before it plans an issue
whole, and so leaves it as it is. Adds a partial index of few rows; writes to ``subscriptions`` wait
while it is read once (a second for a million).

Revision: 0024, after 0023.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    planning = sa.Column("planning", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    op.add_column("issues", planning)
    where = sa.text("state = 'paused'")
    op.create_index(
        "ix_subscriptions_paused",
        "subscriptions",
        ["paused_until"],
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
