"""What an operator hands over as a list of readers: one CSV, or the zip a tool made of several.

Of a zip only the files of readers are read, from where they lie; nothing is ever unpacked onto a
disk, and what it would unpack to is limited before and while it is read (zip bombs). Who has left
comes before who has not.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import IO

from digest.audience.reader_file import ReaderFile, spooled
from digest.audience.reader_formats import TOOLS
from digest.audience.reader_layout import Reading
from digest.errors import ReaderFileError

ARCHIVE_MAX = 10 << 20  # bytes
UNPACKED_MAX = 200 << 20
_ENTRIES_MAX = 10_000
_ZIP = b"PK\x03\x04"
_UNPACK = "Unpack it and import its CSV files one by one, those of who left first."
# RuntimeError: encrypted, or packed in a way Python does not know.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)


@contextmanager
def reader_files(
    data: IO[bytes], *, path: str, now: datetime, reading: Reading
) -> Iterator[list[ReaderFile]]:
    """The files of readers in ``data``, each looked through; ReaderFileError where one is none."""
    with ExitStack() as held:
        if not data.seekable():
            data = held.enter_context(spooled(data))
        start = data.tell()
        packed = data.read(len(_ZIP)) == _ZIP
        data.seek(start)
        members = _members(held, data, path, reading) if packed else [(path, data)]
        files = []
        for name, member in members:
            with _undamaged(name):
                files.append(ReaderFile(member, path=name, now=now, reading=reading))
            held.callback(files[-1].close)
        yield files


def _members(
    held: ExitStack, data: IO[bytes], path: str, reading: Reading
) -> Sequence[tuple[str, IO[bytes]]]:
    size = data.seek(0, 2)
    if size > ARCHIVE_MAX:
        raise _refused(f"A zip file of {size >> 20} MB is not read.", path)
    with _undamaged(path):
        archive = held.enter_context(zipfile.ZipFile(data))
        entries = archive.infolist()
        if len(entries) > _ENTRIES_MAX:
            raise _refused(f"There are {len(entries):,} files in it.", path)
        wanted = _wanted(entries, reading)
        if not wanted:
            raise _refused("There is no CSV file of readers in it.", path)
        if sum(entry.file_size for entry in wanted) > UNPACKED_MAX:
            raise _refused(f"It unpacks to more than {UNPACKED_MAX >> 20} MB.", path)
        return [
            (f"{path}/{entry.filename}", held.enter_context(archive.open(entry)))
            for entry in wanted
        ]


def _wanted(entries: Sequence[zipfile.ZipInfo], reading: Reading) -> list[zipfile.ZipInfo]:
    """The files whose names begin as a tool's do, in the order of its table; else any CSV."""
    tables = [one for one in entries if one.filename.lower().endswith(".csv") and not one.is_dir()]
    tables = [one for one in tables if "__macosx/" not in one.filename.lower()]
    tools = [TOOLS[reading.tool]] if reading.tool else TOOLS.values()
    for tool in tools:
        found = [
            entry
            for begins in tool.archived
            for entry in tables
            if entry.filename.lower().rpartition("/")[2].startswith(begins)
        ]
        if found:
            return found
    return tables


@contextmanager
def _undamaged(path: str) -> Iterator[None]:
    """Whatever a broken or encrypted zip file raises, as a ReaderFileError."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the file
        raise _refused(f"This zip file cannot be read ({error}).", path) from error


def _refused(message: str, path: str) -> ReaderFileError:
    return ReaderFileError(message, where=path, fix=_UNPACK)
