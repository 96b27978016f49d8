"""Promises of the guard: nothing that only this machine or its network reaches is ever asked."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from digest.errors import FetchError
from digest.net.fetch import Fetcher, Limits
from digest.net.guard import Guard, refusal, system_resolve
from digest.rules.link import Trouble
from tests.fakes.pages import Pages, answer

REFUSED = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254
192.168.1.1 169.254.169.254 169.254.0.1 100.64.0.1 100.127.255.254 192.0.0.1 192.0.0.192 192.0.2.1
192.88.99.1 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1
64:ff9b::808:808 64:ff9b:1::1 100::1 fc00::1 fd12:3456::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1
2001::1 2001:db8::1 2002:7f00:1::1 2002:a00:1::1 3fff::1 5f00::1 4000::1
""".split()
FINE = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1
198.17.255.255 198.20.0.1 223.255.255.255 2606:4700:4700::1111 2a00:1450:4001::1 2001:4860::8888
""".split()


def names(table: dict[str, list[str]]) -> Guard:
    """A guard whose names are those of ``table``."""

    async def resolve(host: str) -> Sequence[str]:
        return table.get(host) or await system_resolve(host)

    return Guard(resolve=resolve)


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_of_the_internet_is_refused(address: str) -> None:
    assert refusal(ip_address(address))


@pytest.mark.parametrize("address", FINE)
def test_an_address_of_the_internet_is_not_refused(address: str) -> None:
    assert refusal(ip_address(address)) == ""


# What a URL can say for 127.0.0.1 without a letter of it: the system's resolver reads all of these.
DISGUISES = """
127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0x7f.1 localhost [::1] [::ffff:127.0.0.1]
[::ffff:7f00:1] [::127.0.0.1] 0 [::]
""".split()


@pytest.mark.parametrize("host", DISGUISES)
async def test_no_disguise_of_this_machine_gets_through(host: str) -> None:
    async with Pages({"/": answer()}) as pages, Fetcher("test") as fetcher:
        with pytest.raises(FetchError) as refused:
            await fetcher.fetch(pages.url(host=host))
        assert refused.value.trouble in (Trouble.PRIVATE, Trouble.NAME, Trouble.URL)
        assert pages.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://1.1.1.1/a",
        "gopher://1.1.1.1/",
        "javascript:1",
        "//1.1.1.1/",
        "http://",
        "http://anne:secret@1.1.1.1/",
        "http://[::1",
    ],
)
async def test_only_plain_addresses_of_pages_are_asked(url: str) -> None:
    async with Fetcher("test") as fetcher:
        with pytest.raises(FetchError) as refused:
            await fetcher.fetch(url)
    assert refused.value.trouble == Trouble.URL


@pytest.mark.parametrize("port", [22, 25, 6379, 5432, 8000])
async def test_only_ports_that_pages_have_are_asked(port: int) -> None:
    async with Fetcher("test") as fetcher:
        with pytest.raises(FetchError) as refused:
            await fetcher.fetch(f"http://1.1.1.1:{port}/")
    assert refused.value.trouble == Trouble.PORT


async def test_a_redirect_is_checked_like_the_first_address() -> None:
    async with Pages({"/secret": answer()}) as inside, Pages({}) as outside:
        outside.answers["/"] = answer(302, Location=inside.url("/secret", host="inside.example"))
        table = {"outside.example": ["127.0.0.1"], "inside.example": ["127.0.0.2"]}
        allowed = Guard((ip_network("127.0.0.1/32"),), names(table).resolve)
        async with Fetcher("test", guard=allowed) as fetcher:
            with pytest.raises(FetchError) as refused:
                await fetcher.fetch(outside.url(host="outside.example"))
        assert refused.value.trouble == Trouble.PRIVATE
        assert (len(outside.asked), inside.asked) == (1, [])


async def test_a_name_that_changes_its_mind_gets_nowhere() -> None:
    """DNS rebinding: what was checked is what is connected to, and the name is asked once."""
    answers = [["198.18.0.1", "127.0.0.1"], ["127.0.0.3"]]

    async def resolve(_host: str) -> Sequence[str]:
        return answers.pop(0)

    guard = Guard((ip_network("127.0.0.1/32"),), resolve)
    async with Pages({"/": answer()}) as pages, Fetcher("test", guard=guard) as fetcher:
        found = await fetcher.fetch(pages.url(host="twice.example"))
    assert found.status == 200
    assert len(answers) == 1
    assert pages.asked[0].fields["host"] == f"twice.example:{pages.port}"


async def test_addresses_that_are_refused_are_left_out_of_many() -> None:
    guard = names({"both.example": ["10.0.0.1", "1.1.1.1", "::1"]})
    assert await guard.addresses("both.example", 443) == ("1.1.1.1",)


async def test_a_network_that_was_opened_is_open_with_every_port() -> None:
    guard = Guard((ip_network("10.1.0.0/16"),))
    assert await guard.addresses("10.1.2.3", 3000) == ("10.1.2.3",)
    with pytest.raises(FetchError):
        await guard.addresses("10.2.2.3", 443)


async def test_nothing_of_the_environment_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pages({"/": answer()}) as pages, Pages({}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        guard = Guard((ip_network("127.0.0.0/8"),))
        async with Fetcher("test", guard=guard, limits=Limits(pause=0)) as fetcher:
            assert (await fetcher.fetch(pages.url())).status == 200
        assert proxy.asked == []
