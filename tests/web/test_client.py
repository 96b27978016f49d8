"""Who asks: forwarded addresses are believed from proxies we were told of, and from nobody else."""

from __future__ import annotations

import pytest

from digest.web.client import Turnstile, client_address, networks

PROXIES = networks("127.0.0.1 10.0.0.0/8 2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # anybody can write that
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),  # what the client made up comes first
        ("127.0.0.1", "1.2.3.4, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "[2a00::1]", "2a00::1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, ", "127.0.0.1"),
        ("127.0.0.1", "unknown", "unknown"),
        ("2001:db8::1", "203.0.113.9", "203.0.113.9"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_client_is_the_last_one_a_known_proxy_has_seen(peer, forwarded, client):
    assert client_address(peer, forwarded, PROXIES) == client


def test_without_proxies_the_header_says_nothing():
    assert client_address("127.0.0.1", "203.0.113.9", ()) == "127.0.0.1"


def test_a_turnstile_lets_so_many_through_and_then_waits():
    turnstile = Turnstile(most=3, seconds=10)
    assert [turnstile.passes("a", 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert turnstile.passes("b", 0.0)
    assert turnstile.passes("a", 10.0)
