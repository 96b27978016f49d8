"""Whether an issue on its way still lacks the rows of most of its readers.

Safety: adds one column with a default, which rewrites nothing; code of before it plans an issue
whole, and so leaves it as it is.

Revision: 0022, after 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    planning = sa.Column("planning", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    op.add_column("issues", planning)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
