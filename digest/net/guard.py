"""Which addresses a page may be fetched from: none that only we could reach.

Whoever writes a link or a feed's address must not make this machine ask its own network (SSRF). A
name is resolved once, every address is looked up in the registries of special-purpose addresses
(RFC 6890 and its successors at IANA), and the connection goes to an address that was checked: a
second answer of the name server, or a redirect, never gets around it. ``allow`` opens single
networks again, with every port: an intranet's, or a test's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from digest.errors import FetchError
from digest.rules.link import Trouble

__all__ = ["Guard", "Resolve", "refusal", "system_resolve"]

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_PORTS: Final = frozenset({80, 443, 8080, 8443})

# network → what it is. Everything of IPv6 outside of 2000::/3 is refused besides.
_SPECIAL: Final = tuple(
    (ip_network(network), words)
    for network, words in {
        "0.0.0.0/8": "this host (RFC 791)",
        "10.0.0.0/8": "private (RFC 1918)",
        "100.64.0.0/10": "behind a carrier's NAT (RFC 6598)",
        "127.0.0.0/8": "this machine (RFC 1122)",
        "169.254.0.0/16": "link-local, where clouds keep secrets (RFC 3927)",
        "172.16.0.0/12": "private (RFC 1918)",
        "192.0.0.0/24": "for protocols (RFC 6890)",
        "192.0.2.0/24": "an example (RFC 5737)",
        "192.88.99.0/24": "a relay of 6to4 (RFC 7526)",
        "192.168.0.0/16": "private (RFC 1918)",
        "198.18.0.0/15": "for measurements (RFC 2544)",
        "198.51.100.0/24": "an example (RFC 5737)",
        "203.0.113.0/24": "an example (RFC 5737)",
        "224.0.0.0/4": "multicast (RFC 5771)",
        "240.0.0.0/4": "reserved (RFC 1112)",
        "2001::/23": "for protocols, Teredo among them (RFC 2928, 4380)",
        "2001:db8::/32": "an example (RFC 3849)",
        "2002::/16": "6to4, which hides an address of IPv4 (RFC 3056)",
        "3fff::/20": "an example (RFC 9637)",
    }.items()
)
_GLOBAL_IPV6: Final = ip_network("2000::/3")  # ::1, ::ffff:0:0/96, 64:ff9b::/96, fc00::/7 … are not


def refusal(address: Address) -> str:
    """What is special about an address nobody is sent to; empty where it is one of the internet."""
    if address.version == 6 and address not in _GLOBAL_IPV6:
        return "no address of the internet (RFC 4291)"
    return next((words for network, words in _SPECIAL if address in network), "")


async def system_resolve(host: str) -> Sequence[str]:
    """The addresses of a name, as the system finds them; FetchError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise FetchError(f"nobody has the name {host}", trouble=Trouble.NAME) from None
        raise FetchError(f"{host} cannot be looked up", trouble=Trouble.RESOLVER) from None
    except UnicodeError:  # a label of more than 63 characters
        raise FetchError(f"{host[:80]} is no name of a host", trouble=Trouble.NAME) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides where a connection may go. ``allow`` holds networks that are open with all ports."""

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    resolve: Resolve = system_resolve

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Where ``host`` may be reached: its addresses that are not refused; FetchError."""
        found = [ip_address(name.partition("%")[0]) for name in await self.resolve(host)]
        fine = [address for address in found if self._allowed(address) or not refusal(address)]
        if not fine:
            words = refusal(found[0]) if found else "nowhere"
            raise FetchError(f"{host} leads to an address that is {words}", trouble=Trouble.PRIVATE)
        if port not in _PORTS:
            fine = [address for address in fine if self._allowed(address)]
        if not fine:
            raise FetchError(f"port {port} is not asked for pages", trouble=Trouble.PORT)
        return tuple(map(str, fine))

    def _allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


def unreachable(error: OSError) -> bool:
    """Whether it was our own way out that failed, not the other side."""
    return error.errno in (errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH)
