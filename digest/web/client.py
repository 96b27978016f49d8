"""Who asks: the client's address, and a turnstile for those who ask too often.

``X-Forwarded-For`` is what anybody can write. Only what a proxy we were told of
(``DIGEST_TRUSTED_PROXIES``) has added is believed: from the right, as far as each address names
such a proxy. RFC 7239 §8.1.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.requests import Request

from digest.rules.signup import net_of

Networks: TypeAlias = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_HOPS = 20  # of a header that is looked at
_NETS = 20_000  # that are remembered


def networks(text: str) -> Networks:
    """The networks of a setting; ValueError where one is none."""
    return tuple(ipaddress.ip_network(name, strict=False) for name in text.split())


def client_net(request: Request, proxies: Networks) -> str:
    """The network ``request`` comes from, as the caps and the proof of a consent name it."""
    peer = request.client.host if request.client is not None else ""
    header = ",".join(request.headers.getlist("x-forwarded-for"))
    return net_of(client_address(peer, header, proxies))


def client_address(peer: str, forwarded: str, proxies: Networks) -> str:
    """The address of the client behind ``peer``, from an ``X-Forwarded-For`` header."""
    client = peer
    for hop in reversed(forwarded.split(",")[-_HOPS:]):
        if not _among(client, proxies):
            return client
        named = hop.strip().strip("[]")
        if not named:
            return client
        client = named
    return client


def _among(address: str, proxies: Networks) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in proxies if network.version == ip.version)


@dataclass(slots=True)
class Turnstile:
    """Lets so many requests of a network through within ``seconds``, and then none for a while.

    In this process only: it keeps a flood out of the database; who is mailed is decided there.
    """

    most: int = 60
    seconds: float = 600.0
    _seen: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def passes(self, net: str, now: float) -> bool:
        """Whether one more request of ``net`` may pass; ``now`` is in monotonic seconds."""
        since, count = self._seen.pop(net, (now, 0))
        if now - since >= self.seconds:
            since, count = now, 0
        self._seen[net] = (since, count + 1)
        while len(self._seen) > _NETS:
            self._seen.popitem(last=False)
        return count < self.most
