"""Pages, sign-ups and one-click leaving, asked of a real ``digest run`` while and after it sends.

Rates are requests per second of the server's own processor time, so that whoever asks beside it on
the same cores is not counted. 0 mails after an acknowledgement means: of those whose POST was
answered, none had a MAIL command begun later (promise 3). Arguments: ``--readers 12000``,
``--leaves 5000``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median, quantiles

from bench.asking import Asked, ask_all
from bench.result import Figure, Result
from digest.mail.tokens import KeyRing, TokenKind
from tests.cli.shell import KEY
from tests.fakes.relay_plan import Plan
from tests.scenarios.house import House, Houses, address
from tests.scenarios.prefork import Prefork
from tests.scenarios.relays import RelayProcess
from tests.scenarios.service import Service

_CONNECTIONS = 16
_PAGES = {"home": "/n/weekly", "archive": "/n/weekly/archive", "issue": "/i/weekly/182"}
_ROUNDS = 2_000  # requests of a kind of page
_SIGNUPS = 1_000  # of each kind of address
_IDLE_LEAVES = 2_000
_FORM_AGE = 4.0  # seconds: a form that comes back sooner was sent by a machine
_nets = count(1)


def run(args: Sequence[str]) -> Result:
    """All figures of one installation on SQLite."""
    parser = argparse.ArgumentParser(prog="bench web")
    parser.add_argument("--readers", type=int, default=12_000)
    parser.add_argument("--leaves", type=int, default=5_000)
    given = parser.parse_args(list(args))
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="digest-bench-") as name,
        Prefork(Path(name) / "commands", {}) as prefork,
        RelayProcess(Path(name) / "relay", Plan(pause=0.004)) as relay,
        Houses(Path(name) / "houses", prefork).house("sqlite", given.readers, relay) as house,
    ):
        house.settings["DIGEST_TRUSTED_PROXIES"] = "127.0.0.0/8"
        service = Service.start(house)
        try:
            figures = _measured(house, service, given.leaves)
        finally:
            service.stop()
    notes = {"readers": given.readers, "connections": _CONNECTIONS, "load before": load}
    return Result("web", tuple(figures), notes=notes)


def _measured(house: House, service: Service, leaves: int) -> list[Figure]:
    house.run("issue", "send", "182", "--newsletter", "weekly")
    house.relay.until_taken(200)
    tokens = _leave_tokens(house)
    in_flight = list(tokens)[-leaves:]  # the last in the queue, and so most of them still unsent
    left = ask_all(service.url, [_leave(tokens[one]) for one in in_flight], _CONNECTIONS)
    sending = sum(house.states().get(one, 0) for one in ("queued", "sending"))
    house.until_states(lambda states: not set(states) & {"queued", "sending", "deferred"})
    late = _mails_after(house, dict(zip(in_flight, left, strict=True)))
    idle = _timed(service, [_leave(tokens[one]) for one in list(tokens)[:_IDLE_LEAVES]])
    return [
        Figure("one-click while sending, p99", _p99(left), "ms", 250),
        Figure("one-click while sending, median", _median(left), "ms"),
        Figure("mails begun after an acknowledgement", late, "mails", 0),
        Figure("answered otherwise than 200", sum(one.status != 200 for one in left), "", 0),
        Figure("readers still to be mailed at the last POST", sending, "readers"),
        Figure("leaves per core", idle.rate, "1/s", 500, at_least=True),
        *_pages(service),
        *_sign_ups(house, service),
    ]


def _pages(service: Service) -> list[Figure]:
    """As a crowd asks for them, and each made anew, as for a question that nobody else has."""
    figures = []
    for name, path in _PAGES.items():
        crowd = _timed(service, [_get(path)] * _ROUNDS).rate
        figures.append(Figure(f"pages per core, {name}", crowd, "1/s", 1_000, at_least=True))
    for name, path in _PAGES.items():
        anew = [_get(f"{path}?n={number}") for number in range(_ROUNDS // 4)]
        figures.append(Figure(f"made anew, {name}", _timed(service, anew).rate, "1/s"))
    return figures


def _sign_ups(house: House, service: Service) -> list[Figure]:
    """The same question for addresses we know differently, in turns so that all meet one load."""
    house.run("suppression", "add", "known-angry@example.org")
    stamp = json.loads(service.ask("/n/weekly/subscribe.json").body)["stamp"]
    time.sleep(_FORM_AGE)
    kinds = {
        "new": lambda number: f"new{number}@example{number % 97}.org",
        "active": lambda number: address(_IDLE_LEAVES + number),
        "suppressed": lambda _: "known-angry@example.org",
    }
    requests = [
        _sign_up(kind(number), stamp) for number in range(_SIGNUPS) for kind in kinds.values()
    ]
    asked = ask_all(service.url, requests, 1)
    medians = {name: _median(asked[start :: len(kinds)]) for start, name in enumerate(kinds)}
    burst = [_sign_up(f"burst{n}@example{n % 97}.org", stamp) for n in range(_SIGNUPS)]
    together = ask_all(service.url, burst, _CONNECTIONS)
    refused = sum(one.status != 303 for one in (*asked, *together))
    return [
        Figure("sign-up, p99", _p99(asked), "ms", 100),
        Figure(f"sign-up, {_CONNECTIONS} at once, p99", _p99(together), "ms", 100),
        Figure(
            "sign-up, difference of medians by what is known of the address",
            max(medians.values()) - min(medians.values()),
            "ms",
            2,
        ),
        Figure("sign-ups answered otherwise than 303", refused, "", 0),
    ]


@dataclass(frozen=True, slots=True)
class _Timed:
    rate: float


def _timed(service: Service, requests: list[bytes]) -> _Timed:
    """Requests per second of the server's processor time."""
    before = _processor_seconds(service.child.pid)
    answers = ask_all(service.url, requests, _CONNECTIONS)
    assert all(one.status == 200 for one in answers)
    return _Timed(len(requests) / (_processor_seconds(service.child.pid) - before))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _leave_tokens(house: House) -> dict[str, str]:
    keys = KeyRing(KEY)
    return {row.address: keys.sign(TokenKind.LEAVE, row.subscription_id) for row in house.rows()}


def _mails_after(house: House, left: dict[str, Asked]) -> int:
    """Those begun later than the end of their leave: the relay had looked for more in between."""
    return sum(
        1
        for event in house.relay.events("rcpt")
        if event["rcpt"] in left and event["since"] > left[event["rcpt"]].at
    )


def _leave(token: str) -> bytes:
    return _post(f"/u/{token}", b"List-Unsubscribe=One-Click")


def _sign_up(text: str, stamp: str) -> bytes:
    form = f"email={text.replace('@', '%40')}&website=&stamp={stamp}"
    return _post("/n/weekly/subscribe", form.encode())


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def _post(path: str, body: bytes) -> bytes:
    number = next(_nets)  # a network of its own each time: one may not ask so often
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-Forwarded-For: 10.{number >> 8 & 255}."
        f"{number & 255}.7\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _median(answers: Sequence[Asked]) -> float:
    return 1_000 * median(one.seconds for one in answers)


def _p99(answers: Sequence[Asked]) -> float:
    return 1_000 * quantiles([one.seconds for one in answers], n=100)[98]
