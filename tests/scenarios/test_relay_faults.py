"""Relays that fail in every way: F7 to F11, F14 and F15 of the faults.

None of it loses a reader, none sends a copy more than the relay's own behaviour explains.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.fakes.relay_plan import At, Does, Plan, Rule
from tests.scenarios import results
from tests.scenarios.conftest import ON_POSTGRESQL, ON_SQLITE, MakeHouse, short
from tests.scenarios.house import House
from tests.scenarios.oracle import judge

RETRY = 400.0  # seconds after which a first retry is due, whatever the jitter
READERS, CONNECTIONS = 100, 4
FEW = 50  # where a relay asks to be slower, and is sent to as slowly
MANY = 16  # connections; the rate a relay is thought to bear grows with them, and halves at a 421
NONE: Counter[str] = Counter()


def faults(house: House) -> list[dict]:
    """What the relay did on purpose."""
    return list(house.relay.events("fault"))


def complete(house: House, *, copies: Counter[str] = NONE) -> int:
    """Let the relay be well, let time pass, and send the rest; the second copies."""
    house.relay.does(Plan())
    house.let_pass(RETRY)
    totals = house.send()
    assert totals["accepted"] == house.readers, totals
    return judge(house, copies=copies).duplicates


@ON_POSTGRESQL
@pytest.mark.parametrize("pipelining", short([True, False], True), ids=["pipelined", "stepwise"])
@pytest.mark.parametrize("at", short([At.CONNECT, At.MAIL, At.RCPT, At.DATA, At.DOT], At.DOT))
def test_a_421_costs_one_message_one_attempt_at_most(
    make_house: MakeHouse, dialect: str, at: At, *, pipelining: bool
) -> None:
    rule = Rule(at, reply="421 4.7.0 too much of you", hang_up=True, begin=20, times=3)
    plan = Plan(pipelining=pipelining, rules=(rule,))
    # A connection takes three messages, so that new ones are made in the middle.
    house = make_house(FEW, plan, connections=MANY, per_connection=3)
    child = house.begin_send("--no-retries")
    assert child.wait() == 0, child.err
    rows = house.rows()
    said = len(faults(house))
    assert said > 0
    assert at is At.CONNECT or "the relay asks to be slower" in child.err
    deferred = [row for row in rows if row.state == "deferred"]
    assert len(deferred) <= said
    assert sum(row.attempts for row in rows) == len(rows)  # in one round nobody was tried twice
    assert {row.state for row in rows} <= {"accepted", "deferred"}
    assert not [row for row in rows if row.maybe_sent]
    duplicates = complete(house)
    results.record("F7 421 at every phase", dialect, messages=FEW, duplicates=duplicates)


@ON_POSTGRESQL
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
@pytest.mark.parametrize("does", short([Does.RESET, Does.CLOSE], Does.RESET))
def test_a_connection_cut_after_the_dot_makes_a_second_copy_only_of_what_was_taken(
    make_house: MakeHouse, dialect: str, does: Does, *, taken: bool
) -> None:
    rule = Rule(At.DOT, does, begin=20, times=6, taken=taken)
    house = make_house(READERS, Plan(rules=(rule,)), connections=CONNECTIONS)
    house.send("--no-retries")
    cut = Counter(fault["rcpt"] for fault in faults(house))
    assert sum(cut.values()) == 6
    in_doubt = {row.address for row in house.rows() if row.maybe_sent}
    assert in_doubt == set(cut)
    duplicates = complete(house, copies=cut if taken else NONE)
    assert duplicates == (6 if taken else 0)
    name = "F8 cut after the dot, " + ("taken" if taken else "not taken")
    bound = 6 if taken else 0
    results.record(name, dialect, messages=READERS, duplicates=duplicates, bound=bound)


@ON_SQLITE
def test_a_250_after_our_patience_is_credited_to_nobody_else(
    make_house: MakeHouse, dialect: str
) -> None:
    late = Rule(At.DOT, Does.LATE, seconds=2.5, begin=20, times=4, taken=True)
    house = make_house(READERS, Plan(rules=(late,)), connections=CONNECTIONS, timeout=1)
    house.send("--no-retries")
    answered_late = Counter(fault["rcpt"] for fault in faults(house))
    assert {row.address for row in house.rows() if row.maybe_sent} == set(answered_late)
    duplicates = complete(house, copies=answered_late)
    assert duplicates == 4
    results.record(
        "F9 250 after our patience", dialect, messages=READERS, duplicates=duplicates, bound=4
    )


@ON_SQLITE
def test_a_destination_that_drips_holds_up_nobody_else(make_house: MakeHouse, dialect: str) -> None:
    rules = (
        Rule(At.CONNECT, Does.SILENCE, times=1),
        Rule(At.RCPT, Does.DRIP, seconds=0.5, domain="slow.example"),
    )
    house = make_house(30, Plan(rules=rules), connections=CONNECTIONS, timeout=1)
    house.send("--no-retries")
    states = {row.address.partition("@")[2]: set[str]() for row in house.rows()}
    for row in house.rows():
        states[row.address.partition("@")[2]].add(row.state)
    assert states.pop("slow.example") == {"deferred"}
    assert all(found == {"accepted"} for found in states.values()), states
    duplicates = complete(house)
    results.record("F10 slow drip, tarpit banner", dialect, messages=30, duplicates=duplicates)


GARBAGE = {
    "a line of 10 MB": (Does.LONG, ""),
    "lines for ever": (Does.ENDLESS, ""),
    "no code": (Does.RAW, "hello there\r\n"),
    "a code nobody knows": (Does.RAW, "999 what\r\n"),
    "a code that promises more": (Does.RAW, "100 go on\r\n"),
    "other lines, other codes": (Does.RAW, "250-one\r\n550 two\r\n"),
    "no text": (Does.RAW, "\xff\xfe\x00\x80\r\n"),
    "text that is none": (Does.RAW, "450 4.2.0 \xff\xfe\x00\x80 \xed\xa0\x80\r\n"),
    "nothing": (Does.CLOSE, ""),
}
_RAM = 5 * 1024  # KiB


@ON_SQLITE
@pytest.mark.parametrize("what", short(list(GARBAGE), "a line of 10 MB", "text that is none"))
def test_garbage_for_an_answer_costs_a_try_and_no_memory(
    make_house: MakeHouse, dialect: str, what: str
) -> None:
    does, said = GARBAGE[what]
    places = (At.EHLO, At.MAIL, At.RCPT, At.DATA, At.DOT)
    house = make_house(READERS, connections=CONNECTIONS, timeout=5, per_connection=10)
    # Messages go out between two of them: a relay that fails three times running is given up.
    with_garbage = Plan(
        rules=tuple(
            Rule(at, does, said, begin=15 * number, times=1)
            for number, at in enumerate(places, start=1)
        )
    )
    house.relay.does(with_garbage)
    child = house.begin_send("--no-retries")
    assert child.wait() == 0, child.err
    assert len(faults(house)) == len(places)
    assert "Traceback" not in child.err
    rows = house.rows()
    assert {row.state for row in rows} <= {"accepted", "deferred"}
    assert len([row for row in rows if row.state == "deferred"]) <= len(places)
    complete(house)
    again = make_house(READERS, connections=CONNECTIONS, per_connection=10)
    plain = again.begin_send("--no-retries")
    assert plain.wait() == 0
    assert child.peak - plain.peak < _RAM
    results.record("F11 garbage for an answer", dialect, messages=READERS)


@ON_POSTGRESQL
def test_greylisting_costs_exactly_one_retry_after_five_minutes(
    make_house: MakeHouse, dialect: str
) -> None:
    grey = Rule(At.RCPT, reply="451 4.7.1 Greylisted, please try again later", tries=1)
    house = make_house(READERS, Plan(rules=(grey,)), connections=CONNECTIONS)
    assert house.send("--no-retries")["deferred"] == READERS
    house.let_pass(235)  # 5 minutes less a fifth are 240 seconds
    assert house.send("--no-retries")["deferred"] == READERS
    assert len(faults(house)) == READERS
    house.let_pass(130)  # 5 minutes and a fifth are 360
    assert house.send()["accepted"] == READERS
    assert {row.attempts for row in house.rows()} == {2}
    judge(house, copies=NONE)
    results.record("F14 greylisting", dialect, messages=READERS)


MIXED = (
    Rule(At.RCPT, reply="450 4.2.0 mailbox busy", share=0.07),
    Rule(At.RCPT, reply="552 too much for it", share=0.07),
    Rule(At.RCPT, reply="550 5.1.1 nobody here", share=0.02),
    Rule(At.RCPT, reply="421 4.3.2 come back", share=0.07, times=1, hang_up=True),
    Rule(At.RCPT, reply="451 4.3.0 a problem", share=0.07),
)
_LAST_TRY = """
SELECT d.id, d.attempts, d.not_before, max(a.finished_at) FROM deliveries d
JOIN attempts a ON a.delivery_id = d.id AND a.number = d.attempts
WHERE d.state = 'deferred' GROUP BY d.id, d.attempts, d.not_before
"""
ROUNDS = 3


@ON_SQLITE
def test_whatever_the_answers_every_row_says_the_last_one(
    make_house: MakeHouse, dialect: str, seed: int
) -> None:
    house = make_house(300, Plan(seed=seed, rules=MIXED), connections=MANY)
    for _ in range(ROUNDS):
        house.send("--no-retries")
        _rows_say_what_was_said(house)
        _retries_follow_the_schedule(house)
        house.let_pass(5 * 3600)  # the longest pause and its fifth
    house.relay.does(Plan())
    totals = house.send()
    assert totals["accepted"] + totals["rejected"] == 300
    judge(house, copies=NONE)
    results.record("F15 mixed answers", dialect, messages=300)


def _rows_say_what_was_said(house: House) -> None:
    last = {}
    for event in house.relay.events():
        if event["event"] in ("fault", "taken"):
            last[event["rcpt"]] = event.get("said", "250")
    for row in house.rows():
        said = last.get(row.address)
        if said is None:
            continue
        expected = {"250": "accepted", "550": "rejected"}.get(said[:3], "deferred")
        assert row.state == expected, (row, said)
        assert row.reply_code == int(said[:3]), (row, said)


def _retries_follow_the_schedule(house: House) -> None:
    found = house.query(_LAST_TRY)
    assert found or not house.states().get("deferred")
    for _, attempts, not_before, finished_at in found:
        gap = _time(not_before) - _time(finished_at)
        plain = min(timedelta(minutes=5 * 2 ** (attempts - 1)), timedelta(hours=4))
        assert plain * 0.8 <= gap <= plain * 1.2, (attempts, gap)


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
