"""Every table, by room; ``store.schema`` has them all."""
