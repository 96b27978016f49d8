"""Asking pages and feeds: by a fetcher that says who asks, and behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Self

from digest import __version__

if TYPE_CHECKING:
    from digest.net.fetch import Fetcher
    from digest.settings import Settings

__all__ = ["Asker"]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: where one can read about it, and which private networks it may enter."""

    home: str = ""
    allow: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say; an address nobody else can open is not shown around."""
        return cls("" if settings.loopback_only else settings.public_url, settings.fetch.allow)

    @asynccontextmanager
    async def fetcher(self, purpose: str) -> AsyncIterator[Fetcher]:
        """A fetcher for ``purpose``, which its User-Agent names (RFC 9110 §10.1.5)."""
        from digest.net.fetch import Fetcher
        from digest.net.guard import Guard

        more = f"; +{self.home}" if self.home else ""
        agent = f"digest/{__version__} ({purpose}{more})"
        async with Fetcher(agent, guard=Guard(tuple(map(ip_network, self.allow.split())))) as found:
            yield found
