"""The desk: what those who work with digest see, once they are signed in."""
