"""What we ask the network for: pages, politely, and never from inside it; and DNS."""
