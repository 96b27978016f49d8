"""What the RFCs say: bytes and values in, bytes and values out; no I/O, no settings, no clock."""
