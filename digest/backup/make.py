"""Make a backup: everything an installation cannot be made again from, in one sealed file.

The database as of one moment, the keys that sign links, the DKIM keys; pictures are in the
database. It is written while the service works: readers of the snapshot hold nobody up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from digest import __version__
from digest.backup.archive import About, ArchiveWriter
from digest.backup.sealed import SealedWriter, Secret
from digest.delivery.dkim_keys import KeyFolder
from digest.delivery.machine import BACKUP_MARK
from digest.errors import ConflictError, InputError
from digest.store.whole import Snapshot, reading

Progress = Callable[[int, int | None], None]  # rows done, of how many where that is known


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an installation's parts are: ``keys`` are its secret keys, the one in use first."""

    database_url: str
    keys: tuple[str, ...]
    dkim_folder: Path


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made: its size, and how many rows it has of each table."""

    file: Path
    size: int
    made_at: datetime
    revision: str
    rows: dict[str, int]


def make_backup(
    origin: Origin, file: Path, secret: Secret, *, now: datetime, progress: Progress
) -> Made:
    """Write ``file``, which must not be there yet; it appears when it is whole.

    ``progress`` is told how many rows of how many are written. Blocks: for a thread of its own.
    """
    files = KeyFolder(origin.dkim_folder).export()
    with _new_file(file) as out, reading(origin.database_url) as snapshot:
        writer = SealedWriter(out, secret)
        archive = ArchiveWriter(writer.write)
        archive.begin(_about(snapshot, origin, now), origin.keys, files)
        rows = _write_tables(archive, snapshot, progress)
        archive.end(snapshot.last_ids())
        writer.close()
        size, revision = out.tell(), snapshot.revision
    return Made(file, size, now, revision, rows)


def _write_tables(archive: ArchiveWriter, snapshot: Snapshot, progress: Progress) -> dict[str, int]:
    done, total = 0, snapshot.count()
    rows: dict[str, int] = {}
    for name, columns in snapshot.tables.items():
        rows[name] = 0
        for written in archive.table(name, columns, snapshot.batches(name)):
            rows[name] += written
            done += written
            progress(done, total)
    return rows


def _about(snapshot: Snapshot, origin: Origin, now: datetime) -> About:
    known = snapshot.installation
    return About(
        made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        version=__version__,
        revision=snapshot.revision,
        dialect="sqlite" if origin.database_url.startswith("sqlite") else "postgresql",
        installation_id=known.get("installation_id", ""),
        epoch=known.get("epoch", 0),
        key_fingerprint=known.get("key_fingerprint", ""),
    )


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner alone that has its name only once it is whole and on the disk."""
    if path.exists():
        raise ConflictError(
            "There is a file of that name already.", where=str(path), fix="Name it by the date."
        )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"The backup cannot be written: {reason}.", where=str(path)) from error


# What `digest doctor` knows of backups.


def note_backup(state_dir: Path, file: Path, made_at: datetime) -> None:
    """Remember that there is a newer backup."""
    folder = state_dir / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = {"file": str(file.absolute()), "made_at": made_at.astimezone(UTC).isoformat()}
    fresh = folder / f".{BACKUP_MARK}.new"
    fresh.write_text(json.dumps(said) + "\n", encoding="utf-8")
    fresh.replace(folder / BACKUP_MARK)
