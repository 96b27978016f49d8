"""What became of a send slot and why, and days on which a newsletter sends nothing.

Safety: adds columns that may be empty, an index over the few open slots and a small table; no
version before this one wrote a slot.

Revision: 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("send_slots", sa.Column("reason", sa.String(16)))
    op.add_column("send_slots", sa.Column("detail", sa.Text))
    op.add_column("send_slots", sa.Column("release_at", _AT))
    op.add_column("send_slots", sa.Column("created_at", _AT))
    where = sa.text("state = 'open'")
    op.create_index(
        "ix_send_slots_open",
        "send_slots",
        ["newsletter_id"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_table(
        "newsletter_breaks",
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint(
            "newsletter_id", "first_day", "last_day", name="pk_newsletter_breaks"
        ),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name="fk_newsletter_breaks_newsletter_id"
        ),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_newsletter_breaks_order")),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
