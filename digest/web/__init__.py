"""What a browser or a mailbox provider may ask for: pages, pictures of issues, health."""
