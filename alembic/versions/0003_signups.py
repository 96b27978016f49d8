"""Who asks to sign up, and links that are used once.

Safety: adds two tables; nothing is rewritten, no row is touched.

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(
    sa.dialects.postgresql.JSONB(none_as_null=True), "postgresql"
)
_OUTCOMES = "'confirmation', 'already', 'unwanted', 'too_often', 'capped'"
_PURPOSES = "'confirm', 'move', 'move_back', 'data'"


def upgrade() -> None:
    _signups()
    _passes()


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")


def _signups() -> None:
    op.create_table(
        "signups",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("address", sa.String(320)),
        sa.Column("mailbox_hash", sa.String(64)),
        sa.Column("domain", sa.String(255)),
        sa.Column("net", sa.String(64), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("wording", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("settled_at", _AT),
        sa.PrimaryKeyConstraint("id", name="pk_signups"),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name="fk_signups_newsletter_id"
        ),
        sa.CheckConstraint(f"outcome IN ({_OUTCOMES})", name=op.f("ck_signups_outcome")),
    )
    op.create_index("ix_signups_mailbox_hash", "signups", ["mailbox_hash", "settled_at"])
    op.create_index("ix_signups_settled_at", "signups", ["settled_at"])
    op.create_index(
        "ix_signups_open",
        "signups",
        ["id"],
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )


def _passes() -> None:
    op.create_table(
        "passes",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("address", sa.String(320)),
        sa.Column("detail", _JSON),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("used_at", _AT),
        sa.PrimaryKeyConstraint("id", name="pk_passes"),
        sa.UniqueConstraint("secret_hash", name="uq_passes_secret_hash"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name="fk_passes_subscription_id"
        ),
        sa.CheckConstraint(f"purpose IN ({_PURPOSES})", name=op.f("ck_passes_purpose")),
    )
    op.create_index("ix_passes_subscription_id", "passes", ["subscription_id"])
    op.create_index("ix_passes_expires_at", "passes", ["expires_at"])
