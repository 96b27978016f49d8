"""What an answer meant, when an issue went on, and ways to find few rows among many.

Safety: adds columns that may be empty and indexes; nothing is rewritten. The indexes take about a
second per 1,000,000 deliveries, during which nothing can be sent.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_TRIED = "state IN ('queued', 'deferred') AND first_claimed_at IS NOT NULL"


def upgrade() -> None:
    for table in ("deliveries", "notices"):
        op.add_column(table, sa.Column("verdict", sa.String(32)))
        op.add_column(table, sa.Column("blame", sa.String(16)))
    op.add_column("attempts", sa.Column("verdict", sa.String(32)))
    op.add_column("issues", sa.Column("resumed_at", _AT))
    op.add_column("issues", sa.Column("canary_passed_at", _AT))
    _index("tried", "issue_id", "first_claimed_at", where=_TRIED)
    _index("rejected", "issue_id", "destination_id", where="state = 'rejected'")
    _index("held", "issue_id", "id", where="state = 'held'")
    _index("canary", "issue_id", where="wave = 0")
    # What was planned before there were canaries is none.
    op.execute("UPDATE issues SET canary_passed_at = planned_at WHERE planned_at IS NOT NULL")


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")


def _index(name: str, *columns: str, where: str) -> None:
    op.create_index(
        f"ix_deliveries_{name}",
        "deliveries",
        list(columns),
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
