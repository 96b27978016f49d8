"""An issue that the next one has overtaken, and of which rows are still to be given up.

Safety: adds a column with a default to a table of few rows. A worker of the version before does
not know it, and may send such a row until it is given up, a moment later.

Revision: 0026, after 0025.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    no = sa.text("false")
    op.add_column("issues", sa.Column("overtaken", sa.Boolean(), nullable=False, server_default=no))


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
