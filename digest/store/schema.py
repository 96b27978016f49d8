"""Every table, for SQLite and PostgreSQL alike.

Times are UTC and end in ``_at`` (``not_before`` and ``paused_until`` too); ids end in ``_id``.
States are text with a CHECK. The two tables that grow with readers times issues are ``deliveries``
and ``attempts``; every query on them goes through an index named here.
"""

from __future__ import annotations

from digest.store.tables.answers import feedback, feedback_rules
from digest.store.tables.collecting import bookmarklets, candidates, feeds
from digest.store.tables.columns import metadata
from digest.store.tables.issues import (
    issues,
    link_clicks,
    links,
    media,
    version_links,
    version_media,
    versions,
)
from digest.store.tables.newsletters import (
    installation,
    newsletter_breaks,
    newsletter_people,
    newsletters,
    schedulers,
    send_slots,
)
from digest.store.tables.people import (
    audit,
    sign_in_tries,
    user_identities,
    user_links,
    user_sessions,
    users,
)
from digest.store.tables.programs import api_keys, webhook_deliveries, webhooks
from digest.store.tables.readers import (
    consent_batches,
    consent_events,
    passes,
    reader_days,
    signups,
    subscribers,
    subscription_tags,
    subscriptions,
    suppressions,
    wordings,
)
from digest.store.tables.sending import (
    attempts,
    budgets,
    deliveries,
    destinations,
    notices,
    relay_usage,
    relays,
    rolled_up,
    workers,
)

__all__ = [
    "api_keys",
    "attempts",
    "audit",
    "bookmarklets",
    "budgets",
    "candidates",
    "consent_batches",
    "consent_events",
    "deliveries",
    "destinations",
    "feedback",
    "feedback_rules",
    "feeds",
    "installation",
    "issues",
    "link_clicks",
    "links",
    "media",
    "metadata",
    "newsletter_breaks",
    "newsletter_people",
    "newsletters",
    "notices",
    "passes",
    "reader_days",
    "relay_usage",
    "relays",
    "rolled_up",
    "schedulers",
    "send_slots",
    "sign_in_tries",
    "signups",
    "subscribers",
    "subscription_tags",
    "subscriptions",
    "suppressions",
    "user_identities",
    "user_links",
    "user_sessions",
    "users",
    "version_links",
    "version_media",
    "versions",
    "webhook_deliveries",
    "webhooks",
    "wordings",
    "workers",
]
