"""What pages answered that issues link to.

Safety: adds two columns that may be empty; nothing is rewritten, no row is touched.

Revision: 0006, after 0005.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATES = "'ok', 'moved', 'slow', 'dead', 'unasked'"


def upgrade() -> None:
    # As SQL, since alembic would copy the table on SQLite to add a CHECK, and others refer to it.
    op.execute(
        "ALTER TABLE links ADD COLUMN state VARCHAR(16) "
        f"CONSTRAINT ck_links_state CHECK (state IN ({_STATES}))"
    )
    op.execute("ALTER TABLE links ADD COLUMN detail TEXT")


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
