"""From an approved version to a settled row per reader: publish, plan, send, record."""
