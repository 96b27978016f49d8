"""What we ask the network for: names and pages, politely, and never from inside it."""
