"""Rows of readers who got an issue long ago, as counts; and suppressions in force at a glance.

Safety: adds an empty table, and a column that is empty; the index of suppressions that are in force
takes a second per 1,000,000 of them.

Revision: 0015, after 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("issues", sa.Column("rolled_up_at", _AT))
    keys = {"issue_id": "issues", "version_id": "versions", "destination_id": "destinations"}
    op.create_table(
        "rolled_up",
        *(sa.Column(name, _ID, nullable=False) for name in keys),
        sa.Column("relay_id", _ID, nullable=False),
        sa.Column("maybe_sent", sa.Boolean(), nullable=False),
        sa.Column("deliveries", _ID, nullable=False),
        sa.Column("first_at", _AT),
        sa.Column("last_at", _AT),
        sa.PrimaryKeyConstraint(*keys, "relay_id", "maybe_sent", name="pk_rolled_up"),
        *(
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=f"fk_rolled_up_{name}")
            for name, table in keys.items()
        ),
    )
    in_force = sa.text("lifted_at IS NULL")
    op.create_index(
        "ix_suppressions_in_force",
        "suppressions",
        ["newsletter_id"],
        sqlite_where=in_force,
        postgresql_where=in_force,
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
