"""How often a network has tried to sign in of late, whichever process it asked.

Safety: adds an empty table.

Revision: 0028, after 0027.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_tries",
        sa.Column("net", sa.String(64), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("net", name="pk_sign_in_tries"),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
