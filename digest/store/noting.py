"""The line of an act in the transaction that does it, whoever writes that transaction.

A door (of the desk, of the API, of the command line) says once who does what (``noting(line)``).
The first transaction within that changes anything writes the line as its last statement: both are
there, or neither. What an act does only on its way goes ``aside``. Nothing here knows SQL, so that
a command that opens no database loads none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from digest.store.session import Session

Line: TypeAlias = "Callable[[Session], Awaitable[None]]"


@dataclass(slots=True)
class Noting:
    """An act that is under way; ``written`` once its line is committed."""

    line: Line
    written: bool = False
    over: bool = False


_ACT: ContextVar[Noting | None] = ContextVar("act", default=None)


@contextmanager
def noting(line: Line) -> Iterator[Noting]:
    """An act whose ``line`` goes with what it changes; afterwards nothing writes it any more, tasks
    that it left behind included.
    """
    act = Noting(line)
    token = _ACT.set(act)
    try:
        yield act
    finally:
        act.over = True
        _ACT.reset(token)


@contextmanager
def aside() -> Iterator[None]:
    """What is done within is not the act: it was due anyhow, or prepares it."""
    token = _ACT.set(None)
    try:
        yield
    finally:
        _ACT.reset(token)


def act_under_way() -> Noting | None:
    """The act whose line is not written yet."""
    act = _ACT.get()
    return None if act is None or act.over or act.written else act
