"""Bookmarklets: a page of one editor's own that puts links into the inbox.

Safety: adds an empty table.

Revision: 0016, after 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "bookmarklets",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("revoked_at", _AT),
        sa.PrimaryKeyConstraint("id", name="pk_bookmarklets"),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name="fk_bookmarklets_newsletter_id"
        ),
    )
    op.create_index("ix_bookmarklets_newsletter_id", "bookmarklets", ["newsletter_id", "address"])


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
