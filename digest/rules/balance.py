"""Which of several relays takes the next message: the one that is furthest behind its weight.

Weighted fair queueing (Demers, Keshav and Shenker, 1989) in its simplest form: every relay has a
virtual time, messages taken divided by weight, and none runs ahead of the others by more than
``LEAD`` messages. A relay that cannot take any (it is down, paused, at its rate or its quota, or
hangs) holds nobody back, and starts level with the others when it returns: what it missed is not
made up for, or it would get everything at once.

Time is monotonic seconds, given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAD = 8  # messages: a few connections' worth, so that nobody waits for a message under way
PATIENCE = 0.5  # seconds without taking anything after which a relay counts as hanging


@dataclass(slots=True)
class _Share:
    weight: int
    taken: float = 0.0  # messages by weight
    took_at: float = 0.0
    able: bool = False


class Balance:
    """The shares of the relays of one process."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def join(self, name: str, weight: int) -> None:
        """Add a relay; it takes part once it is able."""
        self._shares[name] = _Share(weight)

    def set_able(self, name: str, now: float, *, able: bool) -> None:
        """Say whether a relay could take a message; one that could not before starts level."""
        share = self._shares[name]
        if able and not share.able:
            self._level(share, now)
        share.able = able

    def may_take(self, name: str, now: float) -> bool:
        """Whether the next message may go to ``name``, or is another's turn."""
        share = self._shares[name]
        return share.taken - self._least(share, now) < LEAD / share.weight

    def took(self, name: str, now: float) -> None:
        """A message went to ``name``."""
        share = self._shares[name]
        if now - share.took_at > PATIENCE:
            self._level(share, now)
        share.taken += 1 / share.weight
        share.took_at = now

    def _level(self, share: _Share, now: float) -> None:
        share.taken = max(share.taken, self._least(share, now))
        share.took_at = now

    def _least(self, share: _Share, now: float) -> float:
        """The virtual time of the last of the others that take messages, else one's own."""
        others = [
            other.taken
            for other in self._shares.values()
            if other is not share and other.able and now - other.took_at <= PATIENCE
        ]
        return min(others, default=share.taken)
