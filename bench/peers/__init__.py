"""Programs that send the same message to the same sink; each in a process of its own."""
