"""The oracle: compares what the relay took with what the database says and what was acknowledged.

Promises 1, 2 and 4 in one place. The ledger is another program's; the rows are read past our own
code; the receipt is what the command line tells.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.scenarios.house import House, address

OPEN = {"queued", "sending", "deferred"}
UNRECORDED = 500  # the default of DIGEST_SENDER__UNRECORDED
_ACTIVE = """
SELECT s.address FROM subscriptions b JOIN subscribers s ON s.id = b.subscriber_id
WHERE b.state = 'active' AND s.suppressed_at IS NULL
"""


@dataclass(slots=True)
class Doubt:
    """What the relay had taken and the database did not know when processes were killed."""

    house: House
    copies: Counter[str] = field(default_factory=Counter)  # by recipient: that many too many
    most_at_once: int = 0
    _seen: int = 0

    def after_kill(self) -> int:
        """Call it after each kill, before anything else runs; how many messages are in doubt."""
        self.house.relay.until_quiet()
        self.house.until_alone()
        ledger = self.house.ledger
        taken = Counter(one.recipient for one in ledger[self._seen :])
        self._seen = len(ledger)
        twice = [recipient for recipient, copies in taken.items() if copies > 1]
        assert not twice, f"one process sent two copies to {twice[:5]}"
        recorded = {row.address for row in self.house.rows() if row.state == "accepted"}
        unknown = set(taken) - recorded
        self.copies.update(unknown)
        self.most_at_once = max(self.most_at_once, len(unknown))
        return len(unknown)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run shows, for the table of results."""

    lost: int
    duplicates: int


def judge(
    house: House,
    *,
    copies: Counter[str] | None = None,
    open_states: Collection[str] = (),
    left: Collection[str] = (),
    alerts: int = 0,
) -> Finding:
    """Assert that nobody is lost and every second copy is one of ``copies``, exactly.

    ``open_states``: rows may still wait in these, because the scenario leaves them there. ``left``:
    readers who left or may not get it; they have no message. ``alerts``: so many incidents the
    operator was told of, each once.
    """
    rows = house.rows()
    ledger = house.ledger
    taken = Counter(one.recipient for one in ledger)

    eligible = {str(found[0]) for found in house.query(_ACTIVE)}
    assert eligible <= {row.address for row in rows}, "somebody was never planned"
    assert len(rows) == len({row.address for row in rows}), "somebody was planned twice"
    unsettled = [row for row in rows if row.state in OPEN and row.state not in open_states]
    assert not unsettled, f"not settled: {unsettled[:3]}"
    accepted = {row.address for row in rows if row.state == "accepted"}
    lost = accepted - set(taken)
    assert not lost, f"accepted, but the relay never took it: {sorted(lost)[:5]}"
    known = accepted | {row.address for row in rows if row.maybe_sent}
    unknown = set(taken) - known
    assert not unknown, f"taken by the relay, but not accepted: {sorted(unknown)[:5]}"

    repeated = Counter({who: count - 1 for who, count in taken.items() if count > 1})
    if copies is not None:
        expected = Counter({who: count for who, count in copies.items() if who in taken})
        assert repeated == expected, f"second copies: {repeated - expected}, {expected - repeated}"
    _same_copies(house)
    assert not set(taken) & set(left), "mail to somebody who left"
    told = [one.message_id for one in house.alerts]
    assert len(set(told)) == len(told) == alerts, f"the operator was told {len(told)} times"
    _receipt_adds_up(house, complete=not open_states)
    return Finding(lost=len(lost), duplicates=sum(repeated.values()))


def _same_copies(house: House) -> None:
    """Every copy has the Message-ID, the Date and the bytes of the first."""
    first: dict[str, tuple[str, str, str]] = {}
    for one in house.ledger:
        identity = (one.message_id, one.date, one.sha256)
        assert first.setdefault(one.recipient, identity) == identity, one.recipient
    ids = [message_id for message_id, _, _ in first.values()]
    assert len(ids) == len(set(ids)), "two readers got the same Message-ID"


def _receipt_adds_up(house: House, *, complete: bool) -> None:
    receipt = house.json("issue", "receipt", "182")
    states = house.states()
    for state in ("accepted", "rejected", "deferred", "expired", "cancelled", "held", "queued"):
        assert receipt[state] == states.get(state, 0), (state, receipt, states)
    assert receipt["planned"] == sum(states.values()), "the receipt does not add up"
    waiting = sum(states.get(state, 0) for state in OPEN)
    assert (receipt["state"] == "finished") == (waiting == 0), receipt
    if complete:
        assert waiting == 0


def mail_after(house: House, left: dict[str, float]) -> list[str]:
    """Those to whom a MAIL command came after their leaving was acknowledged.

    ``since`` is when the relay had last found nothing more in its sockets: the command came later.
    """
    return [
        event["rcpt"]
        for event in house.relay.events("rcpt")
        if event["rcpt"] in left and event["since"] > left[event["rcpt"]]
    ]


def may_get_nothing(house: House) -> frozenset[str]:
    """The first nine readers from now on: three unconfirmed, three suppressed, three erased."""
    unconfirmed, suppressed, erased = ([address(n + k) for n in range(3)] for k in (0, 3, 6))
    named = ", ".join(f"'{one}'" for one in unconfirmed)
    house.query(
        "UPDATE subscriptions SET state = 'pending', confirmed_at = NULL WHERE subscriber_id IN "
        f"(SELECT id FROM subscribers WHERE address IN ({named}))"
    )
    for one in suppressed:
        house.run("suppression", "add", one)
    for one in erased:
        house.run("reader", "erase", one)
    return frozenset([*unconfirmed, *suppressed, *erased])


def leave_by_command(house: House, reader: str) -> float:
    """In another process than the sender's; when it was acknowledged."""
    house.run("reader", "leave", reader, "--newsletter", "weekly")
    return time.monotonic()
