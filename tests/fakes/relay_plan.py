"""What the scripted relay does: a plan of rules, as JSON between two processes.

The first rule that fits a command decides. Chance is a hash of the plan's seed and of what the rule
is asked about, so the same run of commands gets the same answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class At(StrEnum):
    """What the client just did."""

    CONNECT = "CONNECT"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "DOT"  # the message and its final dot


class Does(StrEnum):
    """What the relay does instead of its usual answer."""

    REPLY = "reply"  # says ``reply``
    LATE = "late"  # says ``reply``, or the usual, after ``seconds``
    DRIP = "drip"  # the same, a byte every ``seconds``
    RAW = "raw"  # writes ``reply`` as it is, in Latin-1
    RESET = "reset"  # cuts the connection, so that the client sees a TCP reset
    CLOSE = "close"  # closes it
    SILENCE = "silence"  # says nothing more, and stays
    ENDLESS = "endless"  # a reply with lines for ever
    LONG = "long"  # a line of ten megabytes
    STALL = "stall"  # at STARTTLS: agrees, and then never shakes hands
    DROP = "drop"  # at STARTTLS: shakes hands, and then closes


@dataclass(frozen=True, slots=True)
class Rule:
    """Where it applies, and what happens there."""

    at: At
    does: Does = Does.REPLY
    reply: str = ""
    seconds: float = 0.0
    share: float = 1.0  # of the cases that fit otherwise
    domain: str | None = None  # of the recipient
    recipient: str | None = None
    times: int | None = None  # in all
    tries: int | None = None  # of one recipient: the first so many
    begin: int = 0  # once so many messages were taken
    end: int | None = None  # until so many were taken
    taken: bool = False  # at DOT: the message counts as taken all the same
    hang_up: bool = False  # closes after the reply


@dataclass(frozen=True, slots=True)
class Plan:
    """How the relay behaves, until it is given another plan."""

    seed: int = 0
    pipelining: bool = True
    starttls: bool = False
    login: bool = False
    pause: float = 0.0  # seconds before each usual answer to a message
    synced: bool = True  # a message is on the disk before it is answered, else with the kernel
    rules: tuple[Rule, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        rules = tuple(
            Rule(**{**rule, "at": At(rule["at"]), "does": Does(rule["does"])})
            for rule in data["rules"]
        )
        return cls(**{**data, "rules": rules})


@dataclass(slots=True)
class Rules:
    """A plan at work: counts what ``times`` and ``tries`` need."""

    plan: Plan
    _used: dict[int, int] = field(default_factory=dict)
    _asked: dict[tuple[int, str], int] = field(default_factory=dict)

    def find(self, at: At, *, who: str, taken: int) -> Rule | None:
        """The rule for this command. ``who``: the recipient, or a name of the connection."""
        for number, rule in enumerate(self.plan.rules):
            if rule.at is at and self._fits(number, rule, who=who, taken=taken):
                self._used[number] = self._used.get(number, 0) + 1
                return rule
        return None

    def _fits(self, number: int, rule: Rule, *, who: str, taken: int) -> bool:
        if taken < rule.begin or (rule.end is not None and taken >= rule.end):
            return False
        if rule.recipient not in (None, who):
            return False
        if rule.domain is not None and who.rpartition("@")[2] != rule.domain:
            return False
        asked = self._asked[number, who] = self._asked.get((number, who), 0) + 1
        if rule.tries is not None and asked > rule.tries:
            return False
        if rule.times is not None and self._used.get(number, 0) >= rule.times:
            return False
        return rule.share >= 1 or chance(self.plan.seed, number, who, asked) < rule.share


def chance(*what: object) -> float:
    """A number from 0 up to 1 that is always the same for the same ``what``."""
    digest = hashlib.sha256(json.dumps([str(part) for part in what]).encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)
