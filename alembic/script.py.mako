"""${message}

Safety: say here how long this takes with 1,000,000 rows, which locks it holds on PostgreSQL, and
whether senders of the version before may run on beside it. Rules: no `now()`, no import of
digest's tables (they move on, this file does not), batch operations for SQLite, and the same names
of constraints as the naming convention gives. Autogenerate does not see a changed CHECK. The file
is named <revision>_<what>.py, revisions are four digits in order.

Revision: ${up_revision}, after ${down_revision | comma,n}.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")
