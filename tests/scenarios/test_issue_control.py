"""An issue taken in hand from another process while it is sent: exact, and nobody is lost.

``since`` in the relay's ledger is when it had last found nothing more in its sockets: the command
came later. So no command after an acknowledgement can pass for one before it.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from email import message_from_bytes

from tests.cli.shell import ISSUE
from tests.fakes.relay_plan import Plan
from tests.scenarios import results
from tests.scenarios.conftest import ON_POSTGRESQL, ON_SQLITE, MakeHouse
from tests.scenarios.house import House
from tests.scenarios.oracle import judge

READERS = 250
SLOW = Plan(pause=0.02)
OF_182 = ("182", "--newsletter", "weekly")


def begun_after(house: House, moment: float) -> list[str]:
    """Those to whom a MAIL command came after ``moment``."""
    return [event["rcpt"] for event in house.relay.events("rcpt") if event["since"] > moment]


def read_text(message: bytes) -> str:
    parts = message_from_bytes(message).walk()
    return "".join(str(part.get_payload(decode=True)) for part in parts)


def test_paused_by_another_process_nothing_more_begins_and_resumed_nobody_is_lost(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, SLOW, connections=4)
    sender = house.begin_send()
    house.relay.until_taken(50)
    paused = house.json("issue", "pause", *OF_182, "--reason", "a wrong link")
    acknowledged = time.monotonic()
    assert sender.wait() == 1, sender.err[-2000:]
    assert begun_after(house, acknowledged) == []
    assert paused["state"] == "paused"
    states = house.states()
    assert set(states) <= {"queued", "accepted"}
    assert 0 < states["queued"] <= paused["waiting"] < READERS
    house.run("issue", "send", *OF_182, "--wait", code=1)
    resumed = house.json("issue", "resume", *OF_182)
    assert resumed["waiting"] == states["queued"]
    house.send()
    judge(house, copies=Counter())
    results.record("Pause and resume from another process", dialect, messages=READERS)


@ON_SQLITE
def test_cancelled_by_another_process_nothing_more_begins_and_the_sums_hold(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, SLOW, connections=4)
    sender = house.begin_send()
    house.relay.until_taken(50)
    cancelled = house.json("issue", "cancel", *OF_182)
    acknowledged = time.monotonic()
    sender.wait()
    assert begun_after(house, acknowledged) == []
    receipt = house.json("issue", "receipt", *OF_182)
    assert receipt["state"] == "cancelled"
    assert receipt["planned"] == READERS
    assert receipt["accepted"] == len(house.ledger)
    assert receipt["cancelled"] == READERS - receipt["accepted"]
    assert cancelled["cancelled"] <= receipt["cancelled"]


@ON_POSTGRESQL
def test_an_amended_text_reaches_those_not_tried_and_the_receipt_says_who_got_which(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(READERS, SLOW, connections=4)
    better = house.folder / "better.md"
    better.write_text(ISSUE.replace("What it does.", "What it really does."))
    sender = house.begin_send()
    house.relay.until_taken(50)
    amended = house.json("issue", "amend", "182", str(better), "--newsletter", "weekly")
    assert 0 < amended["amended"] < READERS
    assert amended["amended"] + amended["earlier"] == READERS
    assert sender.wait() == 0, sender.err[-2000:]
    receipt = house.json("issue", "receipt", *OF_182)
    said = {one["version"]: one["accepted"] for one in receipt["versions"]}
    assert said == {1: amended["earlier"], 2: amended["amended"]}
    rows = house.run("delivery", "list", "--issue", *OF_182, "--json").splitlines()
    version = {row["address"]: row["version"] for row in map(json.loads, rows)}
    for taken in house.ledger:
        better_text = "What it really does." in read_text(house.relay.message(taken))
        assert version[taken.recipient] == (2 if better_text else 1), taken.recipient
    judge(house, copies=Counter())
    results.record("Amended on its way", dialect, messages=READERS)


@ON_SQLITE
def test_a_worker_sends_what_was_started_and_ends_at_sigterm(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(60, connections=4)
    worker = house.start("worker", "--json")
    house.run("issue", "send", *OF_182)
    looks = house.run("issue", "status", *OF_182, "--watch", "--json").splitlines()
    assert json.loads(looks[-1])["state"] == "finished"
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.err[-2000:]
    assert len(json.loads(worker.out)["relays"]) == 1
    judge(house, copies=Counter())
