"""What ``digest doctor`` says of what it was told: pure judgments, each ending in a row."""
