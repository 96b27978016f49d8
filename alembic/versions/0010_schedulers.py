"""On which machines the schedule is kept, and how far the alert URL was told.

Safety: adds an empty table, and a column that is 0.

Revision: 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "installation",
        sa.Column(
            "alerted_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            nullable=False,
            server_default="0",
        ),
    )
    op.create_table(
        "schedulers",
        sa.Column("machine", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("machine", name="pk_schedulers"),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
