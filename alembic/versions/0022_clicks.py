"""Clicks: how often a link of an issue was opened, and what a link is in the mail.

Safety: adds an empty table, and a column that may be empty to a table of a few hundred rows an
issue.

Revision: 0022, after 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("version_links", sa.Column("href", sa.Text))
    op.create_table(
        "link_clicks",
        sa.Column("version_id", _ID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("clicker", sa.String(16), nullable=False),
        sa.Column("clicks", _ID, nullable=False),
        sa.PrimaryKeyConstraint("version_id", "position", "clicker", name="pk_link_clicks"),
        sa.CheckConstraint("clicker IN ('human', 'scanner')", name="clicker"),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
