"""Who of us may do what at the desk: roles, rights, and the table between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is here for."""

    OWNER = "owner"
    OPERATOR = "operator"
    EDITOR = "editor"
    VIEWER = "viewer"


class Right(StrEnum):
    """What one may do. None implies another."""

    LOOK = "look"  # issues, their numbers, how things stand; no reader's address
    WRITE = "write"  # texts and links, tests
    APPROVE = "approve"  # say what goes out, and when
    STEER = "steer"  # start, pause, resume, cancel what is on its way
    READERS = "readers"  # see who reads, who was not reached, what came back
    READERS_CHANGE = "readers-change"  # end a subscription, suppress, send once more
    SYSTEM = "system"  # relays, doctor: what is set up
    PEOPLE = "people"  # who works here, and what they did


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.OWNER: frozenset(Right),
    Role.OPERATOR: frozenset(Right) - {Right.PEOPLE, Right.APPROVE, Right.WRITE},
    Role.EDITOR: frozenset({Right.LOOK, Right.WRITE, Right.APPROVE, Right.STEER}),
    Role.VIEWER: frozenset({Right.LOOK}),
}


def may(role: Role, right: Right) -> bool:
    """Whether ``role`` has ``right``."""
    return right in RIGHTS[role]
