"""Keys for programs that call us, and programs that are called.

Safety: adds three tables; nothing is rewritten, no row is touched.

Revision: 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(
    sa.dialects.postgresql.JSONB(none_as_null=True), "postgresql"
)
_EVENTS = "'confirmed', 'left', 'bounced', 'complained', 'test'"


def upgrade() -> None:
    _api_keys()
    _webhooks()
    _webhook_deliveries()


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("scopes", _JSON, nullable=False),
        sa.Column("last_used_on", sa.Date()),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("expires_at", _AT),
        sa.Column("revoked_at", _AT),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("events", _JSON, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failing_since", _AT),
        sa.Column("retry_at", _AT),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("disabled_at", _AT),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )


def _webhook_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("webhook_id", _ID, nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("newsletter_id", _ID),
        sa.Column("subscriber_id", _ID),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("status", sa.Integer()),
        sa.Column("happened_at", _AT, nullable=False),
        sa.Column("not_before", _AT, nullable=False),
        sa.Column("settled_at", _AT),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_webhook_deliveries_webhook_id"
        ),
        sa.CheckConstraint(f"event IN ({_EVENTS})", name=op.f("ck_webhook_deliveries_event")),
    )
    for name, columns, where in (
        ("open", ["webhook_id", "not_before"], "settled_at IS NULL"),
        ("settled", ["settled_at"], "settled_at IS NOT NULL"),
    ):
        op.create_index(
            f"ix_webhook_deliveries_{name}",
            "webhook_deliveries",
            columns,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
