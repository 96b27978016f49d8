"""What readers were asked, word for word.

Safety: adds an empty table, and drops a column that never said more than a date; nobody signs up
while an older version still runs beside this one.

Revision: 0012, after 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wordings",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_wordings"),
    )
    op.drop_column("signups", "wording")


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
