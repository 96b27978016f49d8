"""Whether anybody was sent an issue once more, without a look at each of its rows.

Safety: adds one partial index, of no row where nothing was sent again; writes wait while the table
is read once (a second for a million rows).

Revision: 0023, after 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("ordinal > 0")
    op.create_index(
        "ix_deliveries_again",
        "deliveries",
        ["issue_id"],
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
