"""Where mail and events come in: mailboxes, LMTP, pipes, webhooks of providers."""
