"""Events that providers post, each provider's words in a table of its own."""

from digest.inbound.webhooks.base import Event, EventType, Hook, HookRefusedError, Posted

__all__ = ["Event", "EventType", "Hook", "HookRefusedError", "Posted"]
