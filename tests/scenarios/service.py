"""``digest run`` as a scenario sees it: its pages, asked as a mailbox provider or a watch asks."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from digest.mail.tokens import KeyRing, TokenKind
from tests.cli.shell import KEY
from tests.scenarios.house import House
from tests.scenarios.prefork import Child

PATIENCE = 120.0  # seconds
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page answered, and when it had."""

    status: int
    retry_after: str | None
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Service:
    """A ``digest run`` that serves."""

    house: House
    child: Child
    url: str
    subscriptions: dict[str, int] = field(default_factory=dict)  # by address

    @classmethod
    def start(cls, house: House) -> Self:
        """Begin it, and wait until it serves."""
        child = house.start("run", "--port", "0", "--json")
        child.until(lambda: child.out.endswith("\n"))
        return cls(house, child, json.loads(child.out)["url"])

    def stop(self) -> None:
        """SIGTERM; it ends by itself, and well."""
        self.child.signal(signal.SIGTERM)
        assert self.child.wait() == 0, self.child.err[-3000:]

    def ask(self, path: str, form: bytes | None = None) -> Answer:
        """GET, or POST where there is a form."""
        request = urllib.request.Request(self.url + path, data=form, headers=_FORM if form else {})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return _answer(answer)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)

    def leave(self, reader: str) -> Answer:
        """One-click, as a mailbox provider does it (RFC 8058)."""
        if reader not in self.subscriptions:  # asked once: the database may be away
            for row in self.house.rows():
                self.subscriptions[row.address] = row.subscription_id
        token = KeyRing(KEY).sign(TokenKind.LEAVE, self.subscriptions[reader])
        return self.ask(f"/u/{token}", b"List-Unsubscribe=One-Click")

    def until_ready(self, fits: Callable[[Answer], bool]) -> Answer:
        """Return what ``/readyz`` says, once it fits."""
        deadline = time.monotonic() + PATIENCE
        while not fits(answer := self.ask("/readyz")):
            assert time.monotonic() < deadline, answer
            assert not self.child.ended, self.child.err[-3000:]
            time.sleep(0.02)
        return answer


def _answer(answer: Any) -> Answer:
    body = answer.read()
    return Answer(answer.status, answer.headers["Retry-After"], body, time.monotonic())
