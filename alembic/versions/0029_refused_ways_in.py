"""An index of sign-ins by a provider that were refused, for which a reason stands.

Safety: adds an index of few rows.

Revision: 0029, after 0028.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    few = sa.text("substr(result, 1, 9) = 'refused: '")
    op.create_index("ix_audit_refused_why", "audit", ["at"], postgresql_where=few, sqlite_where=few)


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
