"""One destination is slow to answer, and the mail of all others goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from digest.clock import Clock
from digest.delivery.destinations import Destinations
from digest.store.session import Database
from tests.build import a_reader
from tests.delivery.stage import Stage, set_stage
from tests.fakes.relay import FakeRelay

Spend = Callable[[float], None]


@pytest.fixture
def spend(monkeypatch: pytest.MonkeyPatch) -> Spend:
    """Let seconds pass."""
    now = [1000.0]
    monkeypatch.setattr(Clock, "monotonic", staticmethod(lambda: now[0]))

    def passed(seconds: float) -> None:
        now[0] += seconds

    return passed


def answered(destinations: Destinations, key: int | str, seconds: float, times: int = 1) -> None:
    for _ in range(times):
        destinations.began(key)
        destinations.ended(key, seconds)


def late(destinations: Destinations, key: int, spend: Spend) -> bool:
    """It takes ten seconds, while the first is answered at once; whether that is news."""
    destinations.began(key)
    spend(8)
    answered(destinations, 1, 0.1)
    spend(2)
    return destinations.ended(key, 10.0)


def begun(destinations: Destinations, key: int | str, times: int) -> None:
    for _ in range(times):
        destinations.began(key)


def yes() -> bool:
    return True


def no() -> bool:
    return False


@pytest.fixture
def used(spend: Spend) -> Destinations:
    """Destinations of a relay that usually answers after 0.1 seconds."""
    destinations = Destinations()
    answered(destinations, 1, 0.1, times=100)
    return destinations


def test_a_destination_that_was_late_has_one_message_under_way(
    used: Destinations, spend: Spend
) -> None:
    late(used, 2, spend)
    begun(used, 1, 9)
    assert not used.crowds(2, 16, no), "one tries whether it answers in time again"
    used.began(2)
    assert used.crowds(2, 16, no)
    used.ended(2, 0.1)
    used.began(2)
    assert not used.crowds(2, 16, yes), "it does"


def test_a_late_destination_may_have_what_is_idle_up_to_half(
    used: Destinations, spend: Spend
) -> None:
    late(used, 2, spend)
    begun(used, 2, 7)
    assert not used.crowds(2, 16, no)
    used.began(2)
    assert used.crowds(2, 16, no)


def test_a_destination_that_was_never_answered_keeps_a_part_of_the_connections(
    used: Destinations,
) -> None:
    begun(used, 2, 4)
    assert used.crowds(2, 16, yes)
    assert not used.crowds(2, 20, yes)
    assert not used.crowds(2, 16, no), "nobody else wants them"
    used.ended(2, 0.1)
    begun(used, 2, 4)
    assert not used.crowds(2, 16, yes), "it does answer"


def test_so_does_one_that_answers_no_more(used: Destinations, spend: Spend) -> None:
    begun(used, 2, 2)
    used.ended(2, 0.1)
    begun(used, 2, 4)
    spend(0.2)
    assert not used.crowds(2, 16, yes)
    spend(0.2)
    assert used.crowds(2, 16, yes)
    assert not used.crowds(2, 16, no)


def test_that_a_destination_is_late_is_told_once(used: Destinations, spend: Spend) -> None:
    assert late(used, 2, spend)
    answered(used, 2, 0.1)
    assert not late(used, 2, spend)
    assert late(used, 3, spend)


def test_where_everybody_is_slow_nobody_is_late(used: Destinations, spend: Spend) -> None:
    for _ in range(100):
        spend(1)
        answered(used, 3, 5.0)
    begun(used, 1, 9)
    answered(used, 4, 7.0)
    used.began(4)
    assert not used.crowds(4, 16, yes)


def test_where_the_relay_stood_still_nobody_is_late(used: Destinations, spend: Spend) -> None:
    begun(used, 1, 9)
    begun(used, 2, 2)
    begun(used, 3, 1)
    spend(30)
    for key in (*[1] * 9, 2, 3):  # also the last, when nobody waits any more
        used.ended(key, 30.0)
    begun(used, 1, 9)
    for key in (1, 2, 3):
        used.began(key)
        assert not used.crowds(key, 16, yes)


def test_whoever_holds_all_connections_and_is_late_gives_others_a_turn(
    used: Destinations, spend: Spend
) -> None:
    begun(used, 2, 16)
    spend(10)
    used.ended(2, 10.0)
    assert used.crowds(2, 16, no)


def test_a_slow_destination_of_half_the_mail_is_told_from_the_others(
    used: Destinations, spend: Spend
) -> None:
    for _ in range(200):
        late(used, 2, spend)
    begun(used, 1, 9)
    used.began(2)
    assert used.crowds(2, 16, yes)


def test_rows_that_are_put_off_come_back_as_fast_as_their_destination_answers(
    used: Destinations, spend: Spend
) -> None:
    late(used, 2, spend)
    assert [used.put_off(2, 4).total_seconds() for _ in range(7)] == [5, 10, 15, 20, 25, 30, 30]
    spend(30)
    assert used.put_off(2, 4).total_seconds() == 5, "as many again"
    begun(used, 3, 9)
    assert [used.put_off(3, 4).total_seconds() for _ in range(2)] == [0.1, 0.1]


def test_a_destination_of_single_messages_is_not_kept_in_memory(used: Destinations) -> None:
    for key in range(10_000):
        answered(used, key, 0.1)
    assert not used._known


async def to_two_places(db: Database, slow: int, others: int, *, mixed: bool = True) -> Stage:
    stage = await set_stage(db, 1)
    step = others // slow if mixed else 1
    addresses = [f"reader{number}@example.net" for number in range(others)]
    for number in range(slow):
        addresses.insert(number * (step + 1), f"reader{number}@slow.example")
    for address in addresses:
        await a_reader(db, stage.newsletter, address=address)
    return stage


@pytest.mark.parametrize("queues", ["yes", "no"])
async def test_a_destination_that_does_not_answer_holds_up_nobody_else(
    database: Database, queues: str
) -> None:
    """Far more mail to it than connections, and no answer before everybody else has theirs."""
    stage = await to_two_places(database, slow=30, others=119)
    async with FakeRelay() as relay:
        gate = asyncio.Event()
        for number in range(30):
            to = f"reader{number}@slow.example"
            relay.fault("DOT", "250 2.0.0 Ok", to=to, taken=True, gate=gate)
        await stage.start(relay_url=relay.url())
        url = relay.url(connections=12, queues=queues, timeout=100)
        sending = asyncio.create_task(stage.sender(url=url).send_issue(stage.issue_id))
        # A message to the others may stand behind one of them on its connection.
        await asyncio.wait_for(stage.until_at_least("accepted", 120 - 12), 60)
        gate.set()
        report = await asyncio.wait_for(sending, 120)
    assert report.totals.accepted == 150
    assert set(relay.recipients.values()) == {1}


async def answer_late(relay: FakeRelay, to: str) -> None:
    gate = asyncio.Event()
    fault = relay.fault("DOT", "250 2.0.0 Ok", to=to, taken=True, gate=gate)
    await fault.reached.wait()
    await asyncio.sleep(2.1)
    gate.set()


async def test_the_readers_of_a_late_destination_wait_until_all_others_have_theirs(
    sqlite_url: str,
) -> None:
    """All of it comes first: it had every connection once."""
    async with await Database.open(sqlite_url) as db:
        stage = await to_two_places(db, slow=16, others=200, mixed=False)
        async with FakeRelay(extensions=("8BITMIME",)) as relay:
            await stage.start(relay_url=relay.url())
            async with asyncio.TaskGroup() as answers:
                for number in range(16):
                    answers.create_task(answer_late(relay, f"reader{number}@slow.example"))
                url = relay.url(connections=9, timeout=100)
                with capture_logs() as logs:
                    report = await stage.sender(url=url).send_issue(stage.issue_id)
    late_ones = [line["domain"] for line in logs if line["event"] == "a destination answers late"]
    assert late_ones == ["slow.example"]
    assert report.totals.accepted == 217
    order = [taken.recipient.partition("@")[2] for taken in relay.ledger]
    first = order.index("slow.example")
    last_of_others = max(place for place, domain in enumerate(order) if domain == "example.net")
    assert order[first:last_of_others].count("slow.example") <= 8 + 1
