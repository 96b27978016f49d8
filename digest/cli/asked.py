"""Who asked for which command, as the log of acts has it: ``anne (command line)``, ``issue send``.

The line goes with the first thing the command changes (``store.noting``); one that changes nothing,
refused or not, leaves none. What it is about is taken from parameters that name something of ours,
never a reader's address, a word of a text or a secret.
"""

from __future__ import annotations

import inspect
import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from digest.store.session import Session

# What serves, sends and looks: what changes while they run is not what somebody did by asking.
NO_ACTS: Final = frozenset(
    {
        *("demo", "doctor", "run", "scheduler", "status", "web", "worker"),
        *("feedback read", "issue check", "message check"),
    }
)
_ABOUT: Final = ("newsletter", "slug", "issue", "id_", "ids", "number", "which", "name")


def who_calls() -> str:
    """The name of whoever runs this, or their number where there is no name for it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@contextmanager
def noted(command: str, bound: inspect.BoundArguments) -> Iterator[None]:
    """Run ``command``: the first thing it changes is written down with it."""
    if command in NO_ACTS:
        yield
        return
    from digest.store.noting import noting

    with noting(partial(_line, command, subject_of(command, bound))):
        yield


def subject_of(command: str, bound: inspect.BoundArguments) -> str:
    """What a command is about. Of people of the desk it is the address, as they sign in with it."""
    named = (*_ABOUT, "address", "role") if command.startswith("user ") else _ABOUT
    words = []
    for name in named:
        value = bound.arguments.get(name)
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        words += [str(one) for one in several if isinstance(one, str | int)]
    return " ".join(word for word in words if "@" not in word or "address" in named)


async def _line(command: str, subject: str, session: Session) -> None:
    from digest.clock import Clock
    from digest.store.audit import write_down

    who = f"{who_calls()} (command line)"
    await write_down(session, who, command, subject=subject, now=Clock().now())
