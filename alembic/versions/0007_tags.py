"""Tags of readers, per subscription.

Safety: adds one table; nothing is rewritten, no row is touched.

Revision: 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "subscription_tags",
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("tag", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "tag", name="pk_subscription_tags"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name="fk_subscription_tags_subscription_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_subscription_tags_tag", "subscription_tags", ["tag", "subscription_id"])


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
