"""A domain that a bounce calls gone is asked of DNS twice, an hour apart, before it is believed."""

from __future__ import annotations

import dns.asyncresolver
import pytest

from digest.audience.hosts import ask_hosts
from digest.mail.bounce import Reason
from digest.net.hosts import HostState, host_state
from digest.rules.feedback import Effect
from digest.store.session import Database
from tests.audience.came_back import ANNE, BART, CRIS, Scene, a_scene
from tests.fakes.names import NameServer

ZONE = {
    ("example.org", "MX"): ["10 mx.example.org."],
    ("example.net", "MX"): ["0 ."],
    ("a.example", "A"): ["192.0.2.1"],
}


@pytest.fixture
async def scene(database: Database) -> Scene:
    return await a_scene(database)


def resolver(names: NameServer) -> dns.asyncresolver.Resolver:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], names.port
    return made


async def test_dns_tells_a_domain_that_is_gone_from_one_that_is_there():
    with NameServer(ZONE) as names:
        asked = {
            domain: await host_state(domain, resolver(names))
            for domain in ("example.org", "example.net", "example.com", "a.example")
        }
    assert asked == {
        "example.org": HostState.THERE,
        "example.net": HostState.GONE,  # a null MX (RFC 7505)
        "example.com": HostState.GONE,  # no such name
        "a.example": HostState.THERE,
    }
    nobody = dns.asyncresolver.Resolver(configure=False)
    nobody.nameservers, nobody.port, nobody.timeout = ["127.0.0.1"], 9, 0.1
    assert await host_state("example.org", nobody) is HostState.UNKNOWN


async def test_only_who_dns_calls_gone_twice_is_suppressed(scene):
    sent = await scene.sent()
    for address in (ANNE, BART, CRIS):
        taken = await scene.bounce(sent[address], Reason.HOST_UNKNOWN)
        assert taken.effect is Effect.ASKING
    answers = {
        "example.org": [HostState.THERE],
        "example.net": [HostState.GONE, HostState.UNKNOWN, HostState.GONE],
        "example.com": [HostState.GONE, HostState.THERE],
    }

    async def ask(domain: str) -> HostState:
        return answers[domain].pop(0)

    found = []
    for minutes in (0, 30, 30, 60, 60):
        scene.clock.jump(minutes=minutes)
        await ask_hosts(scene.db, ask, scene.clock.now())
        found.append(await scene.suppressed())
    assert found == [set(), set(), set(), {BART}, {BART}]
    assert {row.effect for row in await scene.rows()} == {Effect.SCORED, Effect.SUPPRESSED}
