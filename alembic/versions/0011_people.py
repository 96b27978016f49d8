"""Who works here: users, sessions, links that let them in, and what they did.

Safety: adds four empty tables.

Revision: 0011, after 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("name", sa.String(200), nullable=False, server_default=""),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("code_secret", sa.String(64)),
        sa.Column("code_step", sa.BigInteger()),
        sa.Column("created_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("address", name=op.f("uq_users_address")),
        sa.CheckConstraint(
            "role IN ('owner', 'operator', 'editor', 'viewer')", name=op.f("ck_users_role")
        ),
    )
    _of_user("user_sessions", "token_hash", ("created_at", "seen_at"), null=False)
    _of_user("user_links", "secret_hash", ("created_at", "expires_at"), null=True)
    op.create_table(
        "audit",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("at", _AT, nullable=False),
        sa.Column("who", sa.String(320), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False, server_default=""),
        sa.Column("result", sa.String(400), nullable=False, server_default="done"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")


def _of_user(table: str, hashed: str, times: tuple[str, ...], *, null: bool) -> None:
    browser = [sa.Column("browser", sa.String(200), nullable=False, server_default="")]
    op.create_table(
        table,
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("user_id", _ID, nullable=null),
        sa.Column(hashed, sa.String(64), nullable=False),
        *(browser if table == "user_sessions" else []),
        *(sa.Column(name, _AT, nullable=False) for name in times),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id"),
        sa.UniqueConstraint(hashed, name=op.f(f"uq_{table}_{hashed}")),
    )
    op.create_index(f"ix_{table}_user_id", table, ["user_id"])
