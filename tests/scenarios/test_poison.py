"""F23: a message that kills whoever sends it is held, and everybody else gets theirs."""

from __future__ import annotations

import signal
import time

from tests.fakes.relay_plan import At, Does, Plan, Rule
from tests.scenarios import results
from tests.scenarios.conftest import ON_SQLITE, MakeHouse
from tests.scenarios.house import address
from tests.scenarios.oracle import Doubt, judge
from tests.scenarios.prefork import Child
from tests.scenarios.relays import RelayProcess

READERS = 60
DEADLY = address(31)
MOST_DEATHS = 6  # two among others, two alone, and one each for a death that came too early


def died_of_it(child: Child, relay: RelayProcess, before: int) -> bool:
    """Kill the sender once it sends the deadly message; False when it ends without."""
    while not child.ended:
        if len(list(relay.events("fault"))) > before:
            child.signal(signal.SIGKILL)
            child.wait()
            return True
        time.sleep(0.002)
    return False


@ON_SQLITE
def test_a_message_that_kills_its_sender_is_held_and_the_rest_goes_out(
    make_house: MakeHouse, dialect: str
) -> None:
    # The relay is silent about it, so that it is under way when the sender dies.
    deadly = Rule(At.DOT, Does.SILENCE, recipient=DEADLY)
    house = make_house(READERS, Plan(pause=0.01, rules=(deadly,)), connections=4)
    doubt = Doubt(house)
    deaths = 0
    while died_of_it(child := house.begin_send(), house.relay, deaths):
        deaths += 1
        doubt.after_kill()
        assert deaths <= MOST_DEATHS, "it is sent again and again"
    assert deaths >= 2
    assert child.wait() == 1, child.err[-2000:]  # a delivery is held
    (held,) = (row for row in house.rows() if row.state == "held")
    assert (held.address, held.reason) == (DEADLY, "poison")
    assert house.states() == {"accepted": READERS - 1, "held": 1}
    found = judge(house, copies=doubt.copies, alerts=1)
    results.record(
        "F23 a message that kills its sender",
        dialect,
        kills=deaths,
        messages=READERS,
        duplicates=found.duplicates,
        bound=deaths * 500,
    )
