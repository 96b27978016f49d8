"""What we decide: pure tables and functions; ``now`` is an argument, nothing is read or written."""
