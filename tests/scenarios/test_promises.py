"""Promises 3, 4, 5 and 7, with an issue in flight.

Leaving is immediate, who did not ask gets nothing, our fault is not theirs, and what was approved
goes out. Promises 1 and 2 are shown by every scenario of faults; see test_crash.py first.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from email import message_from_bytes

from tests.cli.shell import ISSUE
from tests.fakes.relay_plan import At, Plan, Rule
from tests.scenarios import results
from tests.scenarios.conftest import ON_POSTGRESQL, ON_SQLITE, MakeHouse
from tests.scenarios.house import House, address
from tests.scenarios.oracle import judge, leave_by_command, mail_after, may_get_nothing
from tests.scenarios.service import Service

READERS, LEAVERS = 400, 20
SLOW = Plan(pause=0.02)


def nobody_wrote_to(house: House, left: dict[str, float]) -> None:
    """After their acknowledgement none of them was begun, and the receipt says so."""
    assert mail_after(house, left) == []
    taken = {one.recipient for one in house.ledger}
    for row in house.rows():
        if row.address in left and row.address not in taken:
            assert (row.state, row.reason) == ("cancelled", "left"), row
    judge(house, copies=Counter())


@ON_SQLITE
def test_who_leaves_by_one_click_while_run_sends_gets_no_mail_any_more(
    make_house: MakeHouse, dialect: str, seed: int
) -> None:
    house = make_house(READERS, SLOW, connections=4)
    service = Service.start(house)
    house.run("issue", "send", "182", "--newsletter", "weekly")
    house.relay.until_taken(50)
    left = {}
    for number in random.Random(seed).sample(range(READERS), LEAVERS):
        answer = service.leave(address(number))
        assert answer.status == 200
        left[address(number)] = answer.at
    house.until_states(lambda states: not set(states) & {"queued", "sending", "deferred"})
    house.until_over()
    service.stop()
    assert len({one.recipient for one in house.ledger} & set(left)) < LEAVERS
    nobody_wrote_to(house, left)
    results.record("Promise 3: one-click to the sender", dialect, messages=READERS)


@ON_POSTGRESQL
def test_who_leaves_in_another_process_gets_no_mail_any_more(
    make_house: MakeHouse, dialect: str, seed: int
) -> None:
    house = make_house(READERS, SLOW, connections=4)
    sender = house.begin_send()
    house.relay.until_taken(50)
    left = {}
    for number in random.Random(seed).sample(range(READERS), LEAVERS // 2):
        left[address(number)] = leave_by_command(house, address(number))
    assert sender.wait() == 0, sender.err[-2000:]
    nobody_wrote_to(house, left)
    results.record("Promise 3: leaving in another process", dialect, messages=READERS)


@ON_SQLITE
def test_who_has_not_confirmed_is_suppressed_or_is_erased_on_the_way_gets_no_issue(
    make_house: MakeHouse, dialect: str, seed: int
) -> None:
    """Promise 4, with the issue in flight: three kinds before it is planned, two while it goes."""
    house = make_house(READERS, SLOW, connections=4)
    never = may_get_nothing(house)
    sender = house.begin_send()
    house.relay.until_taken(50)
    late = {}
    for number in random.Random(seed).sample(range(9, READERS), 3):
        house.run("reader", "erase", address(number))
        late[address(number)] = time.monotonic()
    assert sender.wait() == 0, sender.err[-2000:]
    assert not never & {event["rcpt"] for event in house.relay.events("rcpt")}
    assert mail_after(house, late) == []
    taken = {one.recipient for one in house.ledger}
    assert len(taken) == len(house.ledger) >= READERS - len(never) - len(late)
    results.record("Promise 4: no mail to who did not ask", dialect, messages=READERS)


@ON_SQLITE
def test_what_was_approved_goes_out_whatever_is_written_meanwhile(
    make_house: MakeHouse, dialect: str
) -> None:
    house = make_house(60, SLOW, connections=4)
    (house.folder / "later.md").write_text(ISSUE.replace("What it does.", "What nobody approved."))
    house.run("issue", "add", str(house.folder / "later.md"), "--newsletter", "weekly")
    sender = house.begin_send()
    house.relay.until_taken(20)
    refused = house.start(
        "issue", "add", str(house.folder / "later.md"), "--newsletter", "weekly", "--json"
    )
    assert refused.wait() != 0, "a planned issue takes no other text"
    assert sender.wait() == 0, sender.err
    for taken in house.ledger:
        text = message_from_bytes(house.relay.message(taken))
        parts = [str(part.get_payload(decode=True)) for part in text.walk()]
        assert any("What it does." in part for part in parts)
        assert not any("nobody approved" in part for part in parts)
    judge(house, copies=Counter())


OURS = "550 5.7.515 Access denied, sending domain does not meet the required authentication level"


@ON_POSTGRESQL
def test_a_rejection_of_all_we_send_pauses_it_and_counts_against_nobody(
    make_house: MakeHouse, dialect: str
) -> None:
    """F13: everybody's server says that our domain is not authenticated."""
    refuse = Rule(At.RCPT, reply=OURS)
    house = make_house(READERS, Plan(rules=(refuse,)), connections=4)
    totals = house.send(code=1)
    assert 0 < totals["rejected"] <= 50
    assert house.json("issue", "status", "182", code=1)["state"] == "paused"
    disabled = house.query(
        "SELECT count(*) FROM subscribers WHERE suppressed_at IS NOT NULL"
    ) + house.query("SELECT count(*) FROM subscriptions WHERE state <> 'active'")
    assert disabled == [(0,), (0,)]
    assert house.relay.ledger == []
    house.relay.does(Plan())
    house.run("issue", "resume", "182", "--newsletter", "weekly")
    rest = house.send()
    assert rest["accepted"] == READERS - totals["rejected"]
    judge(house, copies=Counter())
    results.record("F13 550 5.7.515 to everyone", dialect, messages=READERS)
