"""The JSON API under ``/api/v1``: readers, subscriptions, newsletters, suppressions."""
