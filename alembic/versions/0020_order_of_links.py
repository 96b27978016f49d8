"""The order that editors give the links of an inbox.

Safety: adds a column that may be empty; no row is written.

Revision: 0020, after 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("candidates", sa.Column("position", sa.Integer()))


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
