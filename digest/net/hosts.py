"""Whether a domain takes mail at all: asked before its readers are given up.

RFC 5321 §5.1 (MX, else the address itself), RFC 7505 (a null MX), RFC 2308 (NXDOMAIN). Only a clear
"there is no such domain" or "it takes no mail" is one; whatever is no answer is none.
"""

from __future__ import annotations

from enum import StrEnum

import dns.asyncresolver
import dns.exception
import dns.resolver

SECONDS = 10.0  # for all servers that are asked


class HostState(StrEnum):
    """What DNS says of a domain."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"  # no answer, or a broken one


async def host_state(domain: str, resolver: dns.asyncresolver.Resolver | None = None) -> HostState:
    """What DNS says of ``domain`` now."""
    try:
        asked = resolver or dns.asyncresolver.Resolver()
        asked.lifetime = SECONDS
        return await _state(domain, asked)
    except (dns.exception.DNSException, OSError):
        return HostState.UNKNOWN


async def _state(domain: str, resolver: dns.asyncresolver.Resolver) -> HostState:
    try:
        answer = await resolver.resolve(domain, "MX")
    except dns.resolver.NXDOMAIN:
        return HostState.GONE
    except dns.resolver.NoAnswer:
        return HostState.THERE  # its own address is the mail server, or was
    names = [str(one.exchange) for one in answer]
    return HostState.GONE if names == ["."] else HostState.THERE
