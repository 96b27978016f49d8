"""Whether a scheduler or sender may start here: the database beside what this machine remembers.

Each start counts one more, in the database first and then in a file of the machine. A database that
knows of fewer starts than the file was put back from a backup: what it says is still to be sent may
have been sent since. A machine without a file, while another one kept the schedule of late, may
hold a copy. The number detects copies and restores; it is no lease. Pure.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

ALIVE = timedelta(days=7)  # a scheduler that was seen within it may still be there
PRESENT = timedelta(minutes=5)  # a scheduler that was seen within it is there
SEEN_EVERY = timedelta(minutes=1)  # a scheduler says that it is there


class Start(StrEnum):
    """What a start finds."""

    USUAL = "usual"
    RESTORED = "restored"  # hold whatever may have been sent
    ELSEWHERE = "elsewhere"  # refuse, until an operator says that this is the one
    DOUBTED = "doubted"  # the same, since the database says of itself that it is a copy


def judge_start(
    *,
    epoch: int,
    seen: int | None,
    elsewhere: timedelta | None,
    take_over: bool,
    doubted: bool = False,
) -> Start:
    """``epoch`` is the database's number, ``seen`` the highest this machine has seen of it (None:
    it was never here), ``elsewhere`` how long ago another machine kept the schedule (None: none
    did), ``doubted`` whether the database was restored or copied and nobody has said since that it
    is the one.

    A machine that has seen no number cannot tell by it a backup, put back by other means, from the
    database itself. But in one that is in use, whoever keeps the schedule was seen just now.
    """
    if doubted:
        return Start.RESTORED if take_over else Start.DOUBTED
    if seen is not None:
        return Start.RESTORED if epoch < seen else Start.USUAL
    if elsewhere is None:
        return Start.USUAL
    if elsewhere <= ALIVE and not take_over:
        return Start.ELSEWHERE
    return Start.USUAL if elsewhere <= PRESENT else Start.RESTORED
