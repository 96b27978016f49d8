"""What must hold of every run, whatever happens in it: ten invariants, asked from outside.

The witnesses are the relay's ledger, the rows, the logs of all parts, the kernel, and for the
signatures a verifier that is not ours.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.shell import KEY
from tests.fakes.hosts import Host, Process
from tests.mail.verifiers import dkimpy, quick
from tests.scenarios.house import address
from tests.scenarios.oracle import UNRECORDED, judge, leave_by_command, mail_after, may_get_nothing
from tests.scenarios.town import Town

DOMAIN = "news.example.org"
MOST_MEMORY, MOST_FILES = 160, 100  # MB and open files of one process: bounded, not a figure
_PART = 2  # the part of the connections that one destination may hold where they are idle
_BY_DKIMPY = 200  # messages that the slow verifier looks at too


@dataclass
class Witness:
    """One run of a town: set up before anything starts, asked at its end."""

    town: Town
    connections: int
    rate: int  # messages a second
    record: str = ""  # of the key that signs
    never: frozenset[str] = frozenset()  # who must not get the issue
    left: dict[str, float] = field(default_factory=dict)  # who left on the way, and when
    files: int = 0  # that any part had open, at most

    @classmethod
    def of(cls, town: Town, *, connections: int, rate: int) -> Witness:
        """Make a key, and readers who did not ask, are suppressed or erased."""
        house = town.house
        house.settings["DIGEST_DKIM__FOLDER"] = str(house.folder / "dkim")
        record = house.json("dkim", "new", DOMAIN)["value"]
        return cls(town, connections, rate, record, may_get_nothing(house))

    def somebody_leaves(self, numbers: range) -> None:
        """These readers leave, by a process that sends nothing."""
        for number in numbers:
            self.left[address(number)] = leave_by_command(self.town.house, address(number))

    def look(self) -> None:
        """Count the files that the parts have open."""
        for process in self.town.processes:
            with suppress(OSError):  # it has ended
                self.files = max(self.files, len(list(_proc(process, "fd").iterdir())))

    def ask(self, *, recovered: float, victim: Host | None) -> dict[str, str]:
        """What each of the ten is, after assertions that it holds; and the second copies.

        ``victim``: the host that could not close its connections any more.
        """
        self.look()
        house = self.town.house
        finding = judge(house)
        return {
            "I1": f"{finding.lost} lost",
            "I2": f"{self._copies(finding.duplicates)} of {UNRECORDED} second copies",
            "I3": f"{self._after_leaving()} begun after leaving",
            "I4": f"{self._unasked()} to who did not ask",
            "I5": f"{self._signed():,} signatures hold",
            "I6": self._bounded(victim),
            "I7": self._others_go_on(),
            "I8": "the receipt is the ledger",
            "I9": f"on after {recovered:.1f} s, by itself",
            "I10": f"{self._told()} secrets or readers in logs",
        }

    @staticmethod
    def _copies(duplicates: int) -> int:
        assert duplicates <= UNRECORDED
        return duplicates

    def _after_leaving(self) -> int:
        assert self.left
        late = mail_after(self.town.house, self.left)
        assert not late, late
        return len(late)

    def _unasked(self) -> int:
        found = self.never & {event["rcpt"] for event in self.town.house.relay.events("rcpt")}
        assert not found, found
        return len(found)

    def _signed(self) -> int:
        relay = self.town.house.relay
        ledger = self.town.house.ledger
        assert all(quick((relay.message(taken) for taken in ledger), self.record))
        some = [relay.message(taken) for taken in ledger[:: max(1, len(ledger) // _BY_DKIMPY)]]
        assert all(dkimpy(some, self.record))
        return len(ledger)

    def _bounded(self, victim: Host | None) -> str:
        memory = max(self._memory())
        most = self._most_open(victim.address if victim else "")
        within = {seconds: self.town.house.relay.most_within(seconds) for seconds in (1, 60)}
        assert memory <= MOST_MEMORY
        assert self.files <= MOST_FILES
        assert most <= self.connections
        assert all(count <= seconds * self.rate for seconds, count in within.items()), within
        return (
            f"{memory} MB, {self.files} files, {most} of {self.connections} connections, "
            f"{within[1]:,} of {self.rate:,} in a second, {within[60]:,} in a minute"
        )

    def _memory(self) -> Iterator[int]:
        """MB that each part that lives has used at most."""
        for process in self.town.processes:
            if not process.ended:
                status = _proc(process, "status").read_text()
                yield int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) // 1024

    def _most_open(self, but: str) -> int:
        """Connections that the relay had open at a time, without those of one host."""
        now = most = 0
        for event in self.town.house.relay.events():
            if event["event"] in ("connect", "closed") and event["peer"] != but:
                now += 1 if event["event"] == "connect" else -1
                most = max(most, now)
        return most

    def _others_go_on(self) -> str:
        """While one destination was slow to answer, the others got theirs."""
        events: list[Mapping[str, Any]] = list(self.town.house.relay.events())
        slow = [event for event in events if event["event"] == "fault"]
        assert slow, "no destination was slow"
        taken = [event["at"] for event in events if event["event"] == "taken"]
        first, last = slow[0]["at"], slow[-1]["at"] + slow[-1]["seconds"]
        meanwhile = bisect_left(taken, last) - bisect_left(taken, first)
        held = sum(event["seconds"] for event in slow) / (last - first)
        assert held <= self.connections / _PART, f"{held} connections waited for it"
        rate = meanwhile / (last - first)
        usual = len(taken) / (taken[-1] - taken[0])
        return (
            f"{rate:,.0f} messages/s while a fifth is slow, {usual:,.0f} on the whole, "
            f"{held:.1f} connections waited for it"
        )

    def _told(self) -> int:
        secrets = [KEY, *(path.read_text() for path in self._keys())]
        for process in self.town.processes:
            said = process.out + process.err
            assert not [one for one in secrets if one in said]
            assert not re.search(r"\breader\d+@", said)
        return 0

    def _keys(self) -> list[Path]:
        found = list((self.town.house.folder / "dkim").rglob("*.pem"))
        assert found
        return found


def _proc(process: Process, name: str) -> Path:
    return Path("/proc") / str(process.popen.pid) / name


def until_settled(town: Town, seconds: float) -> Counter[str]:
    """The states of all rows, once none is open and none is to come; asked once a second."""
    deadline, states = time.monotonic() + seconds, Counter[str]()
    planning = "SELECT count(*) FROM issues WHERE planning"
    while town.house.query(planning) != [(0,)] or (
        (states := Counter(town.house.states())).keys() & {"queued", "sending", "deferred"}
    ):
        assert time.monotonic() < deadline, states
        time.sleep(1)
    return states
