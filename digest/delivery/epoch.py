"""A start on this machine: a restored backup sends nothing, and a copy asks first.

What a machine remembers of an installation stands in ``DIGEST_STATE_DIR``, which no backup of the
database holds: how many starts the database knew of, and an id of this folder. ``rules.epoch``
decides what the comparison means.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from digest.delivery.alerts import tell_restored
from digest.errors import DatabaseError, RefusedError, SettingsError
from digest.rules.epoch import Start, judge_start
from digest.store.installation import (
    Installation,
    allow_sending,
    get_installation,
    next_epoch,
    note_scheduler,
    scheduler_elsewhere,
)
from digest.store.restored import HeldBack, hold_restored
from digest.store.session import Database, Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest epoch a machine has seen of an installation, and the machine's id."""

    epoch: int
    machine: str


@dataclass(frozen=True, slots=True)
class Began:
    """A start that was counted; ``held`` is what a restored database may not send."""

    machine: str
    held: HeldBack | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What this machine remembers of one installation."""

    file: Path

    @classmethod
    def of(cls, state_dir: Path, installation_id: str) -> Memory:
        """The memory that lies in ``state_dir``."""
        return cls(state_dir / f"epoch-{installation_id}")

    def read(self) -> Seen | None:
        """None where this machine has never seen it; SettingsError where it cannot be told."""
        try:
            epoch, machine = self.file.read_text(encoding="ascii").split()
            return Seen(int(epoch), machine)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._unusable(error) from None

    def write(self, seen: Seen) -> None:
        """Remember it; what is there is never lowered."""
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                before = self.read()
                if before is None or before.epoch < seen.epoch:
                    self._replace(seen)
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _replace(self, seen: Seen) -> None:
        fresh = self.file.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{seen.epoch} {seen.machine}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.file)

    def _unusable(self, error: Exception) -> SettingsError:
        return SettingsError(
            f"What this machine remembers in {self.file} cannot be used: {error}.",
            where="DIGEST_STATE_DIR",
            fix="Set it to a folder this user may write to, and keep what lies in there.",
        )


async def begin_here(
    db: Database,
    state_dir: Path,
    *,
    now: datetime,
    scheduler: bool = False,
    take_over: bool = False,
) -> Began:
    """Count a start of a scheduler, or of who sends an issue.

    In a database that was put back from a backup, whatever may have been sent is held, in the same
    transaction, and the operators are told. Raises RefusedError where another machine kept the
    schedule of late, or the database was restored or copied, and nobody said that this one takes
    over.
    """
    memory, found = await _known(db, state_dir)
    seen = memory.read()  # before the database: it is no newer than that
    machine = seen.machine if seen else str(uuid.uuid4())
    host = socket.gethostname()
    async with db.begin() as session:
        now_there = (await get_installation(session)) or found
        elsewhere = await scheduler_elsewhere(session, host=host)
        start = judge_start(
            epoch=now_there.epoch,
            seen=seen.epoch if seen else None,
            elsewhere=now - elsewhere[1] if elsewhere else None,
            take_over=take_over,
            doubted=now_there.take_over_reason is not None,
        )
        if start is Start.ELSEWHERE:
            raise _refusal(elsewhere[0] if elsewhere else host)
        if start is Start.DOUBTED:
            raise _doubted(now_there.take_over_reason)
        epoch = await next_epoch(session, above=seen.epoch if seen else 0)
        held = await _hold(session, now) if start is Start.RESTORED else None
        await allow_sending(session)
        if scheduler:
            await note_scheduler(session, machine, host=host, now=now)
    memory.write(Seen(epoch, machine))
    return Began(machine, held)


async def follow(db: Database, state_dir: Path) -> None:
    """For who only sends what others start: RefusedError where the database was put back from a
    backup and nobody has held yet what may have been sent.
    """
    memory, _ = await _known(db, state_dir)
    seen = memory.read()
    async with db.read() as session:
        found = await get_installation(session)
    if found is not None and found.take_over_reason is not None:
        raise _doubted(found.take_over_reason)
    if found is None or seen is None:
        return
    if found.epoch < seen.epoch:
        raise RefusedError(
            "The database was put back from a backup; what it holds may have been sent since.",
            where="DIGEST_DATABASE_URL",
            fix="Start `digest run` on this machine: it holds that, and says what to do.",
        )
    memory.write(Seen(found.epoch, seen.machine))


async def _known(db: Database, state_dir: Path) -> tuple[Memory, Installation]:
    async with db.read() as session:
        found = await get_installation(session)
    if found is None:
        raise DatabaseError("This installation has no row yet.", fix="Run: digest db upgrade.")
    return Memory.of(state_dir, found.installation_id), found


async def _hold(session: Session, now: datetime) -> HeldBack:
    held = await hold_restored(session, now)
    log.warning(
        "the database was put back from a backup: what may have been sent is held",
        paused=held.paused,
        unapproved=held.unapproved,
        deliveries=held.deliveries,
    )
    await tell_restored(session, held, now=now)
    return held


def _doubted(reason: str | None) -> RefusedError:
    return RefusedError(
        f"{reason} What it holds as still to be sent may have been sent since.",
        where="DIGEST_DATABASE_URL",
        fix="If this is the one to go on with, start `digest run` once with --take-over: what may "
        "have been sent is held, and you are told what.",
    )


def _refusal(host: str) -> RefusedError:
    return RefusedError(
        f"The schedule of this database was kept on {host} within a week, and this machine has "
        "never seen it.",
        where="DIGEST_STATE_DIR",
        fix="If this one is to send from now on, stop the other, and start once with --take-over.",
    )
