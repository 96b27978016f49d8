"""When a newsletter's issue makes itself, and out of how much.

Only where its settings say so. Shortly before a send slot, and as long as a slot that was held may
still be used, the links that came since the last issue become the next one, unless an editor is at
work: an approved issue, or one begun in that time, always comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from digest.errors import InputError

__all__ = ["AHEAD", "AutomaticPolicy", "parse_automatic"]

AHEAD: Final = timedelta(minutes=30)
"""How long before its slot an issue is made: time to look at it, and to withdraw it."""
_MOST: Final = 500
_KEYS: Final = ("at_least", "per_source", "at_most")


@dataclass(frozen=True, slots=True)
class AutomaticPolicy:
    """How many items an issue has at least and at most, and at most of one source."""

    at_least: int = 3
    per_source: int = 5
    at_most: int = 30

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self | None:
        """What ``newsletters.settings`` says; None where no issue makes itself."""
        given = settings.get("automatic")
        return None if given is None else cls(**given)


def parse_automatic(text: str) -> dict[str, int]:
    """Read ``at-least=3,per-source=5,at-most=30``, any of them left out; InputError."""
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        key = name.strip().replace("-", "_")
        number = int(value) if value.strip().isdecimal() and value.strip().isascii() else 0
        if (key not in _KEYS and part != "yes") or (part != "yes" and not 1 <= number <= _MOST):
            raise InputError(
                f"{part[:40]!r} cannot be read.",
                where="--automatic",
                fix="Like 'at-least=3,per-source=5,at-most=30', or 'yes' for just that.",
            )
        if part != "yes":
            found[key] = number
    return found
