"""Webhooks on the command line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.shell import Shell
from tests.fakes.listener import Listener

URL = "https://crm.example.com/hooks/digest"


def test_a_webhook_is_added_listed_and_removed(installed: Shell) -> None:
    made = installed("webhook", "add", URL, "--events", "left", "bounced", "--json").json
    assert made["secret"].startswith("whsec_")
    installed("webhook", "add", URL)
    first, second = installed("webhook", "list", "--json").rows
    assert (first["events"], first["state"], first["waiting"]) == (["left", "bounced"], "hears", 0)
    assert second["events"] == ["confirmed", "left", "bounced", "complained"]
    assert made["secret"] not in installed("webhook", "list").out
    installed("reader", "add", "anne@example.org", "--consent", "by phone")
    installed("reader", "leave", "anne@example.org")
    assert [row["waiting"] for row in installed("webhook", "list", "--json").rows] == [1, 1]
    assert installed("webhook", "remove", "1", "--json").json["removed"] is True
    assert [row["id"] for row in installed("webhook", "list", "--json").rows] == [2]
    for verb in ("remove", "enable", "test"):
        assert installed("webhook", verb, "1").code == 2


@pytest.mark.parametrize(
    "url",
    [
        *("http://crm.example.com/", "ftp://crm.example.com/", "crm.example.com", "https:///x", ""),
        *("https://u:p@crm.example.com/", "https://crm.example.com/#x", "https://[x/"),
        *("https://crm.example.com/a b", "https://crm.example.com/\n", "https://é.example.com/"),
        *(
            "https://crm.example.com:99999/",
            "javascript:alert(1)",
            f"https://x.example/{'x' * 2000}",
        ),
    ],
)
def test_what_is_no_place_to_tell_is_refused(on_sqlite: Shell, url: str) -> None:
    said = on_sqlite("webhook", "add", url)
    assert (said.code, said.out) == (2, "")
    assert on_sqlite("webhook", "list", "--json").rows == []


def test_an_event_that_is_none_is_refused(on_sqlite: Shell) -> None:
    for event in ("opened", "test", "Left"):
        assert on_sqlite("webhook", "add", URL, "--events", event).code == 2


@contextmanager
def listening(status: int) -> Iterator[Listener]:
    """A listener in a loop of its own, as the command has one of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listener = Listener([status])
    try:
        asyncio.run_coroutine_threadsafe(listener.__aenter__(), loop).result(30)
        yield listener
        asyncio.run_coroutine_threadsafe(listener.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize(("status", "code"), [(204, 0), (500, 1)])
def test_a_test_says_whether_it_was_heard(
    on_sqlite: Shell, monkeypatch: pytest.MonkeyPatch, status: int, code: int
) -> None:
    monkeypatch.setenv("DIGEST_WEBHOOKS__ALLOW", "127.0.0.0/8")
    with listening(status) as listener:
        assert on_sqlite("webhook", "add", listener.url).code == 0
        said = on_sqlite("webhook", "test", "1", "--json")
        assert said.code == code
        assert said.json == {"id": 1, "heard": code == 0, "status": status}
        assert listener.kinds == ["test"]
        assert listener.heard[0].json["data"]["address"] is None
