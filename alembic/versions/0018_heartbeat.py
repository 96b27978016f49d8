"""The heartbeat that is owed to a monitor, so that a process that is killed leaves the debt behind.

Safety: adds a column that is empty.

Revision: 0018, after 0017.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("heartbeat_owed_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
