"""Read a backup: to see that it is whole, or to put it back into an empty place.

Put back are the database, all or nothing, the DKIM keys and the key ring. A backup does not know
what was sent since it was made, so nothing is sent from it before an operator says so, with
``--take-over``: then ``delivery.epoch`` holds whatever may have gone out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from digest.backup.archive import About, ArchiveReader
from digest.backup.make import Progress
from digest.backup.sealed import Secret, unsealed
from digest.delivery.dkim_keys import KeyFolder
from digest.errors import ConflictError, DatabaseError, InputError, SettingsError
from digest.mail.tokens import KeyRing
from digest.store.whole import Filling, filling, known

REASON = "This database was put back from a backup made {made_at}."


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds: rows by table, the domains of its DKIM keys, its secret keys."""

    about: About
    rows: dict[str, int]
    domains: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backup is put back; ``keys`` are those set here, none where no key is."""

    database_url: str
    keys: tuple[str, ...]
    dkim_folder: Path


def verify_backup(file: Path, secret: Secret, *, progress: Progress) -> Contents:
    """Read all of ``file`` and write nothing: every piece, every count, every fingerprint.

    InputError where anything is not as it was written, DatabaseError where only a newer version of
    digest could put it back. Blocks: for a thread of its own.
    """
    with _opened(file, secret) as archive:
        for _ in _batches(archive, None, progress):
            pass
        return _contents(archive)


def restore_backup(
    file: Path, secret: Secret, target: Target, *, replace: bool = False, progress: Progress
) -> Contents:
    """Put ``file`` back, and bring its tables up to date; the caller keeps its keys.

    ConflictError where something is there already, unless ``replace``; SettingsError where another
    key is set here. Nothing is changed unless all of the file was read and is whole.
    """
    with _opened(file, secret) as archive:
        _check_keys(archive, target)
        folder = KeyFolder(target.dkim_folder)
        taken = folder.differing(archive.files)
        if taken and not replace:
            raise ConflictError(
                f"There are other DKIM keys here already: {', '.join(taken)}.",
                where=str(target.dkim_folder),
                fix="Move them away, or drop them with --replace.",
            )
        revision = archive.about.revision
        with filling(target.database_url, revision=revision, replace=replace) as database:
            for _ in _batches(archive, database, progress):
                pass
            database.set_last_ids(archive.last_ids)
            database.upgrade()
            database.forbid_sending(REASON.format(made_at=archive.about.made_at))
            folder.take_in(archive.files)
        return _contents(archive)


@contextmanager
def _opened(file: Path, secret: Secret) -> Iterator[ArchiveReader]:
    try:
        with file.open("rb") as source:
            archive = ArchiveReader(unsealed(source, secret, name=str(file)), name=str(file))
            if not known(archive.about.revision):
                raise DatabaseError(
                    f"A newer version of digest made this backup ({archive.about.version}).",
                    where=str(file),
                    fix="Install that version, or a newer one.",
                )
            yield archive
    except OSError as error:
        raise InputError(
            f"The backup cannot be read: {error.strerror or error}.", where=str(file)
        ) from error


def _batches(
    archive: ArchiveReader, database: Filling | None, progress: Progress
) -> Iterator[None]:
    """Read every row, into ``database`` where there is one."""
    done = 0
    for table in archive.tables():
        if database is not None:
            missing = {one.name for one in table.columns} - database.columns(table.name)
            if missing:
                raise InputError(
                    f"This backup has a table {table.name!r} that its version had not.",
                )
        for rows in table.batches:
            if any(len(row) != len(table.columns) for row in rows):
                raise InputError(f"This backup has a row of {table.name} of another length.")
            if database is not None:
                database.write(table.name, table.columns, rows)
            done += len(rows)
            progress(done, None)
            yield


def _check_keys(archive: ArchiveReader, target: Target) -> None:
    """A key that is set here has to be one of the backup's, else links in mail that is out die."""
    theirs = {KeyRing(key).fingerprint for key in archive.keys}
    ours = [KeyRing(key).fingerprint for key in target.keys]
    if ours and not theirs.issubset(ours):
        raise SettingsError(
            "This backup is of an installation with another secret key.",
            where="DIGEST_SECRET_KEY",
            fix="Unset it: the backup brings its own; or add the backup's to "
            "DIGEST_OLD_SECRET_KEYS.",
        )


def _contents(archive: ArchiveReader) -> Contents:
    domains = sorted({name.partition("/")[0] for name in archive.files})
    return Contents(archive.about, archive.rows, tuple(domains), tuple(archive.keys))


def env_lines(keys: Sequence[str]) -> str:
    """The key ring as lines of a ``.env``."""
    current, *old = keys
    lines = [f"DIGEST_SECRET_KEY='{current}'"]
    if old:
        lines.append(f"DIGEST_OLD_SECRET_KEYS='{' '.join(old)}'")
    return "\n".join(lines) + "\n"
