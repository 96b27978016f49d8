"""Under which name a version's text shows each of its pictures, so that it can be edited further.

Safety: adds a column that may be empty; no row is written.

Revision: 0019, after 0018.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("versions", sa.Column("pictures", _JSON))


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
