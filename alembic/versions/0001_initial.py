"""The first tables.

Safety: creates everything in an empty database. Written out in full, so that it stays what it was
when the tables in digest/store/schema.py move on.

Revision: 0001, the first.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _newsletters()
    _relays()
    _readers()
    _issues()
    _mail()
    _append_only()


def downgrade() -> None:
    raise NotImplementedError("There is no way back: restore the backup made before the upgrade.")


def _id() -> sa.Column[int]:
    return sa.Column("id", _ID, autoincrement=True, nullable=False)


def _pk(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*(columns or ("id",)), name=op.f(f"pk_{table}"))


def _fk(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _one_of(table: str, column: str, values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}"))


def _handover() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(16)),
        sa.Column("not_before", _AT, nullable=False),
        sa.Column("owner", _ID),
        sa.Column("claimed_at", _AT),
        sa.Column("first_claimed_at", _AT),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("maybe_sent", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("relay_id", _ID),
        sa.Column("relay_message_id", sa.String(length=255)),
        sa.Column("reply_code", sa.Integer()),
        sa.Column("reply_status", sa.String(length=16)),
        sa.Column("reply_text", sa.Text()),
        sa.Column("settled_at", _AT),
    )


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("key_fingerprint", sa.String(length=16), nullable=False),
        sa.Column("pepper", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_single")),
        _pk("installation"),
    )


def _workers() -> None:
    op.create_table(
        "workers",
        _id(),
        sa.Column("token", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", _AT, nullable=False),
        sa.Column("heartbeat_at", _AT, nullable=False),
        _pk("workers"),
        _unique("workers", "token"),
        sqlite_autoincrement=True,
    )


def _newsletters_table() -> None:
    op.create_table(
        "newsletters",
        _id(),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("from_name", sa.String(length=200), nullable=False),
        sa.Column("from_address", sa.String(length=320), nullable=False),
        sa.Column("reply_to", sa.String(length=320)),
        sa.Column("return_path", sa.String(length=320), nullable=False),
        sa.Column("postal_address", sa.Text(), nullable=False),
        sa.Column("list_id", sa.String(length=255), nullable=False),
        sa.Column("language", sa.String(length=16), server_default="en", nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("schedule", sa.String(length=200)),
        sa.Column("undo_window", sa.Integer(), server_default="300", nullable=False),
        sa.Column("theme", sa.String(length=64), server_default="default", nullable=False),
        sa.Column("settings", _JSON, nullable=False),
        sa.Column("next_run_at", _AT),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("ended_at", _AT),
        _pk("newsletters"),
        _unique("newsletters", "slug"),
    )


def _newsletter_people() -> None:
    op.create_table(
        "newsletter_people",
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        _one_of("newsletter_people", "role", "editor operator"),
        _fk("newsletter_people", "newsletter_id", "newsletters.id"),
        _pk("newsletter_people", "newsletter_id", "role", "address"),
    )


def _newsletters() -> None:
    """This installation, who works on it, and what it sends."""
    _installation()
    _workers()
    _newsletters_table()
    _newsletter_people()


def _destinations() -> None:
    op.create_table(
        "destinations",
        _id(),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("provider", sa.String(length=64)),
        sa.Column("paused_until", _AT),
        sa.Column("paused_reason", sa.Text()),
        _pk("destinations"),
        _unique("destinations", "domain"),
    )


def _relays_table() -> None:
    op.create_table(
        "relays",
        _id(),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("learned_rate", sa.Integer()),
        sa.Column("backoff_until", _AT),
        sa.Column("backoff_step", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reply_code", sa.Integer()),
        sa.Column("reply_text", sa.Text()),
        sa.Column("replied_at", _AT),
        sa.Column("first_sent_at", _AT),
        _pk("relays"),
        _unique("relays", "name"),
    )


def _relay_usage() -> None:
    op.create_table(
        "relay_usage",
        sa.Column("relay_id", _ID, nullable=False),
        sa.Column("hour_at", _AT, nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        _fk("relay_usage", "relay_id", "relays.id"),
        _pk("relay_usage", "relay_id", "hour_at"),
    )


def _relays() -> None:
    """Where mail goes and by which way."""
    _destinations()
    _relays_table()
    _relay_usage()


def _subscribers() -> None:
    op.create_table(
        "subscribers",
        _id(),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("address_key", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("language", sa.String(length=16)),
        sa.Column("destination_id", _ID, nullable=False),
        sa.Column("attributes", _JSON),
        sa.Column("suppressed_at", _AT),
        sa.Column("created_at", _AT, nullable=False),
        _fk("subscribers", "destination_id", "destinations.id"),
        _pk("subscribers"),
        _unique("subscribers", "address_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscribers_destination_id", "subscribers", ["destination_id"])


def _consent_batches() -> None:
    op.create_table(
        "consent_batches",
        _id(),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file_name", sa.String(length=255)),
        sa.Column("file_sha256", sa.String(length=64)),
        sa.Column("readers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        _fk("consent_batches", "newsletter_id", "newsletters.id"),
        _pk("consent_batches"),
    )


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        _id(),
        sa.Column("subscriber_id", _ID, nullable=False),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("muted", _JSON),
        sa.Column("cadence", sa.String(length=16), server_default="every", nullable=False),
        sa.Column("consent_batch_id", _ID),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("confirmed_at", _AT),
        sa.Column("paused_until", _AT),
        sa.Column("ended_at", _AT),
        _one_of("subscriptions", "cadence", "every monthly"),
        _one_of("subscriptions", "state", "pending active paused ended"),
        _fk("subscriptions", "consent_batch_id", "consent_batches.id"),
        _fk("subscriptions", "newsletter_id", "newsletters.id"),
        _fk("subscriptions", "subscriber_id", "subscribers.id"),
        _pk("subscriptions"),
        _unique("subscriptions", "subscriber_id", "newsletter_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_subscriptions_newsletter_id_state",
        "subscriptions",
        ["newsletter_id", "state", "subscriber_id"],
    )


def _consent_events() -> None:
    op.create_table(
        "consent_events",
        _id(),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("text_version", sa.String(length=64)),
        sa.Column("origin", sa.String(length=64)),
        sa.Column("detail", _JSON),
        sa.Column("at", _AT, nullable=False),
        _fk("consent_events", "subscription_id", "subscriptions.id"),
        _pk("consent_events"),
    )
    op.create_index(
        "ix_consent_events_subscription_id", "consent_events", ["subscription_id", "id"]
    )


def _suppressions() -> None:
    op.create_table(
        "suppressions",
        _id(),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("newsletter_id", _ID),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("evidence", sa.Text()),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("lifted_at", _AT),
        _one_of("suppressions", "reason", "bounced complained left erased imported operator"),
        _fk("suppressions", "newsletter_id", "newsletters.id"),
        _pk("suppressions"),
    )
    op.create_index("ix_suppressions_address_hash", "suppressions", ["address_hash"])


def _readers() -> None:
    """Who reads, and how they came to."""
    _subscribers()
    _consent_batches()
    _subscriptions()
    _consent_events()
    _suppressions()


def _issues_table() -> None:
    op.create_table(
        "issues",
        _id(),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("slug", sa.String(length=64)),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("listed", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("approved_version_id", _ID),
        sa.Column("scheduled_at", _AT),
        sa.Column("planned_at", _AT),
        sa.Column("planned", sa.Integer()),
        sa.Column("finished_at", _AT),
        sa.Column("paused_reason", sa.Text()),
        sa.Column("created_at", _AT, nullable=False),
        _one_of("issues", "state", "draft approved sending paused finished cancelled"),
        sa.CheckConstraint("number IS NOT NULL OR slug IS NOT NULL", name=op.f("ck_issues_named")),
        _fk("issues", "newsletter_id", "newsletters.id"),
        _pk("issues"),
        _unique("issues", "newsletter_id", "number"),
        _unique("issues", "newsletter_id", "slug"),
    )
    op.create_index("ix_issues_state", "issues", ["state"])


def _versions() -> None:
    op.create_table(
        "versions",
        _id(),
        sa.Column("issue_id", _ID, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preview", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("plain", sa.Text(), nullable=False),
        sa.Column("web_html", sa.Text(), nullable=False),
        sa.Column("slots", _JSON, nullable=False),
        sa.Column("sections", _JSON, nullable=False),
        sa.Column("identity", _JSON, nullable=False),
        sa.Column("web_only", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("approved_at", _AT),
        sa.Column("approved_by", sa.String(length=320)),
        _fk("versions", "issue_id", "issues.id"),
        _pk("versions"),
        _unique("versions", "issue_id", "ordinal"),
    )


def _media() -> None:
    op.create_table(
        "media",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("extension", sa.String(length=8), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        _pk("media", "sha256"),
    )


def _version_media() -> None:
    op.create_table(
        "version_media",
        sa.Column("version_id", _ID, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        _fk("version_media", "sha256", "media.sha256"),
        _fk("version_media", "version_id", "versions.id"),
        _pk("version_media", "version_id", "sha256"),
    )


def _links() -> None:
    op.create_table(
        "links",
        _id(),
        sa.Column("canonical_url", sa.Text(), nullable=False),
        sa.Column("url_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("checked_at", _AT),
        _pk("links"),
        _unique("links", "url_sha256"),
    )


def _version_links() -> None:
    op.create_table(
        "version_links",
        sa.Column("version_id", _ID, nullable=False),
        sa.Column("link_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sponsor", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        _fk("version_links", "link_id", "links.id"),
        _fk("version_links", "version_id", "versions.id"),
        _pk("version_links", "version_id", "position"),
    )
    op.create_index("ix_version_links_link_id", "version_links", ["link_id"])


def _send_slots() -> None:
    op.create_table(
        "send_slots",
        _id(),
        sa.Column("newsletter_id", _ID, nullable=False),
        sa.Column("local_time", sa.String(length=32), nullable=False),
        sa.Column("due_at", _AT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("issue_id", _ID),
        _one_of("send_slots", "state", "open fired skipped held"),
        _fk("send_slots", "issue_id", "issues.id"),
        _fk("send_slots", "newsletter_id", "newsletters.id"),
        _pk("send_slots"),
        _unique("send_slots", "newsletter_id", "local_time"),
    )


def _issues() -> None:
    """What is sent."""
    _issues_table()
    _versions()
    _media()
    _version_media()
    _links()
    _version_links()
    _send_slots()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        _id(),
        sa.Column("issue_id", _ID, nullable=False),
        sa.Column("subscriber_id", _ID, nullable=False),
        sa.Column("ordinal", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version_id", _ID, nullable=False),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("destination_id", _ID, nullable=False),
        sa.Column("wave", sa.Integer(), server_default="0", nullable=False),
        *_handover(),
        _one_of("deliveries", "reason", "left stopped in_doubt poison breaker superseded"),
        _one_of(
            "deliveries",
            "state",
            "queued sending accepted deferred rejected expired cancelled suppressed skipped held",
        ),
        _pk("deliveries"),
        _unique("deliveries", "issue_id", "subscriber_id", "ordinal"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_deliveries_owner",
        "deliveries",
        ["owner"],
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_deliveries_relay_message_id",
        "deliveries",
        ["relay_message_id"],
        sqlite_where=sa.text("relay_message_id IS NOT NULL"),
        postgresql_where=sa.text("relay_message_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_to_do",
        "deliveries",
        ["issue_id", "wave", "not_before", "id"],
        sqlite_where=sa.text("state IN ('queued', 'deferred')"),
        postgresql_where=sa.text("state IN ('queued', 'deferred')"),
    )


def _notices() -> None:
    op.create_table(
        "notices",
        _id(),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("newsletter_id", _ID),
        sa.Column("subscription_id", _ID),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("params", _JSON, nullable=False),
        sa.Column("dedupe_key", sa.String(length=255)),
        sa.Column("expires_at", _AT),
        *_handover(),
        _one_of("notices", "reason", "left stopped in_doubt poison breaker superseded"),
        _one_of(
            "notices",
            "state",
            "queued sending accepted deferred rejected expired cancelled suppressed skipped held",
        ),
        _fk("notices", "newsletter_id", "newsletters.id"),
        _fk("notices", "subscription_id", "subscriptions.id"),
        _pk("notices"),
        _unique("notices", "dedupe_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_notices_owner",
        "notices",
        ["owner"],
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_notices_to_do",
        "notices",
        ["lane", "not_before", "id"],
        sqlite_where=sa.text("state IN ('queued', 'deferred')"),
        postgresql_where=sa.text("state IN ('queued', 'deferred')"),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        _id(),
        sa.Column("delivery_id", _ID),
        sa.Column("notice_id", _ID),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("relay_id", _ID),
        sa.Column("finished_at", _AT, nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("blame", sa.String(length=16), nullable=False),
        sa.Column("code", sa.Integer()),
        sa.Column("status", sa.String(length=16)),
        sa.Column("text", sa.Text()),
        sa.Column("relay_message_id", sa.String(length=255)),
        _pk("attempts"),
    )
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id"])
    op.create_index("ix_attempts_notice_id", "attempts", ["notice_id"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        _id(),
        sa.Column("dedupe_key", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("delivery_id", _ID),
        sa.Column("notice_id", _ID),
        sa.Column("subscriber_id", _ID),
        sa.Column("address", sa.String(length=320)),
        sa.Column("status", sa.String(length=16)),
        sa.Column("reply", sa.Text()),
        sa.Column("reason", sa.String(length=32)),
        sa.Column("hard", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("evidence", sa.Text()),
        sa.Column("quarantined", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("received_at", _AT, nullable=False),
        _pk("feedback"),
        _unique("feedback", "dedupe_key"),
    )
    op.create_index("ix_feedback_delivery_id", "feedback", ["delivery_id"])
    op.create_index("ix_feedback_subscriber_id", "feedback", ["subscriber_id", "received_at"])


def _mail() -> None:
    """One row per mail, and what came back."""
    _deliveries()
    _notices()
    _attempts()
    _feedback()


def _append_only() -> None:
    """What somebody agreed to is never changed afterwards, whatever the code does."""
    message = "consent_events is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER consent_events_no_{verb.lower()} BEFORE {verb} ON consent_events "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION consent_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON consent_events FOR EACH STATEMENT EXECUTE FUNCTION consent_events_append_only()"
    )
