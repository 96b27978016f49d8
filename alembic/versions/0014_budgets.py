"""What each worker holds of what relays and providers take.

Safety: adds an empty table.

Revision: 0014, after 0013.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _id(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=null)


def upgrade() -> None:
    op.create_table(
        "budgets",
        _id("id"),
        sa.Column("name", sa.String(120), nullable=False),
        _id("worker_id", null=True),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.UniqueConstraint("name", "worker_id", name="uq_budgets_name_worker_id"),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
