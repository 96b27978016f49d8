"""People are told from machines by what a request says, and by what its visitor does."""

from __future__ import annotations

from collections import Counter

import pytest

from digest.rules.click import (
    MEMORY,
    SETTLE,
    SIGNALS,
    TRAP,
    VISITORS,
    Clicker,
    Hit,
    Link,
    Watch,
    betrayed_by,
)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 15_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/15.6 Mobile/15E148 Safari/604.1"
)
PERSON = {
    "user-agent": FIREFOX,
    "accept-language": "de,en;q=0.5",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}
LINKS = [Link(7, position) for position in range(8)]
ANNE, BART, GATEWAY = b"anne", b"bart", b"gateway"


def hit(method: str = "GET", since: float | None = 3_600.0, **said: str) -> Hit:
    headers = PERSON | {name.replace("_", "-"): value for name, value in said.items()}
    return Hit(method, {name: value for name, value in headers.items() if value}, since)


@pytest.mark.parametrize(
    "asked",
    [
        hit(),
        hit(user_agent=SAFARI, sec_fetch_mode="", sec_fetch_dest=""),
        Hit("GET", PERSON | {"sec-fetch-mode": "", "sec-fetch-dest": ""}, 60.0, secure=False),
    ],
    ids=["a browser", "an older phone", "a browser where there is no https"],
)
def test_a_person_is_taken_for_one(asked: Hit) -> None:
    assert betrayed_by(asked) is None


MACHINES = {
    "asks for the head alone": [hit("HEAD")],
    "fetches ahead": [
        hit(sec_purpose="prefetch;prerender"),
        hit(purpose="prefetch"),
        hit(x_purpose="preview"),
        hit(x_moz="prefetch"),
    ],
    "says who it is, or nothing": [
        hit(user_agent=""),
        hit(user_agent="python-requests/2.32"),
        hit(user_agent="Mozilla/5.0 (compatible; SomeBot/1.0; +https://example.com/bot)"),
        hit(user_agent="Mozilla/5.0 HeadlessChrome/120.0"),
    ],
    "speaks no language": [hit(accept_language="")],
    "is no navigation": [hit(sec_fetch_dest="image"), hit(sec_fetch_mode="no-cors")],
    "hides what its browser would say": [hit(sec_fetch_mode="", sec_fetch_dest="")],
    "comes before anybody can have read it": [hit(since=None), hit(since=4.0)],
}


def test_each_signal_tells_a_machine() -> None:
    assert set(MACHINES) == set(SIGNALS)
    for name, hits in MACHINES.items():
        for one in hits:
            assert betrayed_by(one) == name


def counts(watch: Watch, now: float = SETTLE * 100) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_, clicker), number in watch.take(now).items():
        found[clicker.value] += number
    return dict(found)


def test_a_click_counts_once_it_is_certain_and_only_once() -> None:
    watch = Watch()
    watch.note(ANNE, LINKS[0], machine=False, now=0.0)
    assert watch.take(SETTLE - 1) == {}
    assert watch.take(SETTLE) == {(LINKS[0], Clicker.HUMAN): 1}
    assert watch.take(SETTLE + 1) == {}
    assert not watch.empty
    watch.take(MEMORY + 1)
    assert watch.empty


def test_who_opens_a_link_again_is_counted_once_and_somebody_else_anew() -> None:
    watch = Watch()
    for visitor, now in ((ANNE, 0.0), (ANNE, 2.0), (BART, 3.0), (ANNE, 90.0)):
        watch.note(visitor, LINKS[0], machine=False, now=now)
    assert counts(watch) == {"human": 2}


@pytest.mark.parametrize("gap", [0.01, 0.5, 2.0])
def test_who_opens_many_links_at_once_is_a_machine_from_the_first(gap: float) -> None:
    watch = Watch()
    for number, link in enumerate(LINKS):
        watch.note(GATEWAY, link, machine=False, now=number * gap)
    watch.note(ANNE, LINKS[0], machine=False, now=1.0)
    assert counts(watch) == {"scanner": 8, "human": 1}


def test_who_reads_link_after_link_is_a_person() -> None:
    watch = Watch()
    for number, link in enumerate(LINKS):
        watch.note(ANNE, link, machine=False, now=number * 6.0)
    assert counts(watch) == {"human": 8}


def test_who_opens_the_trap_is_a_machine_and_the_trap_is_no_click() -> None:
    watch = Watch()
    watch.note(GATEWAY, LINKS[0], machine=False, now=0.0)
    watch.note(GATEWAY, Link(7, TRAP), machine=False, now=5.0)
    watch.note(GATEWAY, LINKS[1], machine=False, now=100.0)
    assert counts(watch) == {"scanner": 2}


def test_a_machine_that_was_quiet_for_long_is_forgotten_and_memory_is_bounded() -> None:
    watch = Watch()
    watch.note(GATEWAY, LINKS[0], machine=True, now=0.0)
    watch.take(MEMORY + SETTLE)
    watch.note(GATEWAY, LINKS[0], machine=False, now=MEMORY + 100)
    assert counts(watch) == {"human": 1}
    for number in range(VISITORS + 10):
        watch.note(b"%d" % number, LINKS[0], machine=False, now=5_000.0)
    assert len(watch._visitors) == VISITORS
    assert watch.take(5_000.0) == {(LINKS[0], Clicker.HUMAN): 10}  # pushed out, and still counted


def test_at_the_end_nothing_waits() -> None:
    watch = Watch()
    watch.note(ANNE, LINKS[0], machine=False, now=0.0)
    assert watch.take(0.0, all_of_them=True) == {(LINKS[0], Clicker.HUMAN): 1}
