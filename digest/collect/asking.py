"""Asking pages and feeds: by a fetcher that says who asks, and behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING

from digest import __version__

if TYPE_CHECKING:
    from digest.net.fetch import Fetcher
    from digest.settings import Settings


@asynccontextmanager
async def asking(settings: Settings, purpose: str) -> AsyncIterator[Fetcher]:
    """A fetcher for ``purpose``, behind the guard, as the settings say (RFC 9110 §10.1.5)."""
    from digest.net.fetch import Fetcher
    from digest.net.guard import Guard

    more = "" if settings.loopback_only else f"; +{settings.public_url}"
    agent = f"digest/{__version__} ({purpose}{more})"
    allow = tuple(map(ip_network, settings.fetch.allow.split()))
    async with Fetcher(agent, guard=Guard(allow)) as fetcher:
        yield fetcher
