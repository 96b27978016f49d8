"""What stands in a backup: lines of JSON, compressed (RFC 1950), to be sealed.

In this order: what it is of; the keys that sign; the files of the DKIM keys; every table with its
columns, its rows and a fingerprint of them; the last ids; the end. A reader trusts none of it more
than it has to: names of files are of one form, lines have a length, and what is missing is noticed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from digest.errors import InputError
from digest.store.row_values import ColumnOf, Fingerprint, Row, row_bytes
from digest.store.whole import BATCH

FORMAT = 1
_LONGEST = 1 << 28  # bytes of a line: pictures have at most 1 MB, versions a few
_AT_ONCE = 1 << 20  # bytes decompressed in one go
# <domain>/<file>: no dots alone, no slash inside, nothing hidden.
_FILE = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}/(?:selectors\.json|[A-Za-z0-9][A-Za-z0-9_-]*\.pem)")
_KINDS = ("time", "date", "bytes", "json", "word", "plain")


@dataclass(frozen=True, slots=True)
class About:
    """What a backup is of. ``made_at`` is ISO 8601, ``epoch`` how many starts there had been."""

    made_at: str
    version: str
    revision: str
    dialect: str
    installation_id: str
    epoch: int
    key_fingerprint: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its rows, to be read before the next one is asked for."""

    name: str
    columns: tuple[ColumnOf, ...]
    batches: Iterator[list[Row]] = field(repr=False)


class ArchiveWriter:
    """Writes a backup, part by part, in the order of the methods."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._packer = zlib.compressobj(3)
        self._tables: dict[str, int] = {}

    def begin(self, about: About, keys: Sequence[str], files: Mapping[str, bytes]) -> None:
        """What it is of, the keys that sign, and the files of the DKIM keys."""
        facts = {name: getattr(about, name) for name in About.__slots__}
        self._line({"format": FORMAT, "about": facts})
        self._line({"keys": list(keys)})
        named = {name: base64.b64encode(data).decode() for name, data in files.items()}
        self._line({"files": named})

    def table(
        self, name: str, columns: Sequence[ColumnOf], batches: Iterable[list[Row]]
    ) -> Iterator[int]:
        """A table; gives the number of rows after each batch."""
        self._line({"table": name, "columns": [[one.name, one.kind] for one in columns]})
        mark = Fingerprint()
        for batch in batches:
            mark = mark.with_rows(batch)
            self._pack(b"".join(row_bytes(row) + b"\n" for row in batch))
            yield len(batch)
        self._line({"rows": mark.rows, "sum": f"{mark.sum:064x}"})
        self._tables[name] = mark.rows

    def end(self, last_ids: Mapping[str, int]) -> None:
        """The last ids, and how many rows there were of each table."""
        self._line({"last_ids": dict(last_ids)})
        self._line({"end": self._tables})
        self._write(self._packer.flush())

    def _line(self, data: object) -> None:
        self._pack(json.dumps(data, separators=(",", ":")).encode() + b"\n")

    def _pack(self, data: bytes) -> None:
        packed = self._packer.compress(data)
        if packed:
            self._write(packed)


class ArchiveReader:
    """Reads a backup; InputError, which names it as ``name``, for whatever is not as it should be.

    What comes before the tables is there at once; ``tables`` goes through the rest, to the end.
    """

    def __init__(self, content: Iterable[bytes], *, name: str) -> None:
        self._name = name
        self._lines = _lines(content, name)
        self.about = self._about(self._next())
        self.keys: list[str] = self._part("keys", list)
        self.files = {
            self._safe(file): self._bytes(data) for file, data in self._part("files", dict).items()
        }
        self.last_ids: dict[str, int] = {}
        self.rows: dict[str, int] = {}

    def tables(self) -> Iterator[Table]:
        """Every table; each has to be read before the next one."""
        line = self._next()
        while isinstance(line, dict) and "table" in line:
            name = str(line["table"])
            if name in self.rows:
                raise self._wrong(f"the table {name} comes twice")
            yield Table(name, self._columns(line), self._batches(name))
            if name not in self.rows:
                raise ValueError("the rows of a table were not read")
            line = self._next()
        self.last_ids = self._of(line, "last_ids", dict)
        if not all(isinstance(one, int) for one in self.last_ids.values()):
            raise self._wrong("its last ids are no numbers")
        if self._part("end", dict) != self.rows:
            raise self._wrong("it ends with other counts than it holds")
        if next(self._lines, None) is not None:
            raise self._wrong("something follows its end")

    def _batches(self, name: str) -> Iterator[list[Row]]:
        mark, batch = Fingerprint(), []
        line = self._next()
        while isinstance(line, list):
            batch.append(line)
            if len(batch) == BATCH:
                mark = mark.with_rows(batch)
                yield batch
                batch = []
            line = self._next()
        mark = mark.with_rows(batch)
        if batch:
            yield batch
        wanted = (self._of(line, "rows", int), self._of(line, "sum", str))
        if wanted != (mark.rows, f"{mark.sum:064x}"):
            raise self._wrong(f"the rows of {name} are not those that were written")
        self.rows[name] = mark.rows

    def _about(self, line: Any) -> About:
        if self._of(line, "format", int) != FORMAT:
            raise InputError(
                "This backup has another form than this version of digest reads.",
                where=self._name,
                fix="Use the version it was made with, or a newer one.",
            )
        facts = self._of(line, "about", dict)
        try:
            return About(**facts)
        except TypeError:
            raise self._wrong("it does not say what it is of") from None

    def _columns(self, line: dict[str, Any]) -> tuple[ColumnOf, ...]:
        try:
            columns = tuple(ColumnOf(str(name), str(kind)) for name, kind in line["columns"])
        except (KeyError, TypeError, ValueError):
            columns = ()
        if not columns or any(one.kind not in _KINDS for one in columns):
            raise self._wrong("the columns of a table cannot be read")
        return columns

    def _safe(self, file: str) -> str:
        if not _FILE.fullmatch(file) or ".." in file or PurePosixPath(file).is_absolute():
            raise self._wrong(f"{file[:80]!r} is no name of a DKIM key")
        return file

    def _bytes(self, data: Any) -> bytes:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise self._wrong("the files of its keys cannot be read") from None

    def _part(self, name: str, kind: type) -> Any:
        return self._of(self._next(), name, kind)

    def _of(self, line: Any, name: str, kind: type) -> Any:
        value = line.get(name) if isinstance(line, dict) else None
        if not isinstance(value, kind):
            raise self._wrong(f"its part {name!r} is not where it should be")
        return value

    def _next(self) -> Any:
        line = next(self._lines, None)
        if line is None:
            raise self._wrong("it ends too early")
        return line

    def _wrong(self, what: str) -> InputError:
        return InputError(f"This backup cannot be used: {what}.", where=self._name)


def _lines(content: Iterable[bytes], name: str) -> Iterator[Any]:
    buffer = b""
    for data in _unpacked(content, name):
        *lines, buffer = (buffer + data).split(b"\n")
        if len(buffer) > _LONGEST:
            raise InputError("This backup has a line without an end.", where=name)
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                raise InputError("This backup has a line that is no JSON.", where=name) from None
    if buffer:
        raise InputError("This backup ends within a line.", where=name)


def _unpacked(content: Iterable[bytes], name: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    try:
        for data in content:
            rest = data
            while rest:
                yield unpacker.decompress(rest, _AT_ONCE)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error:
        raise InputError("This backup cannot be unpacked.", where=name) from None
    if not unpacker.eof or unpacker.unused_data:
        raise InputError("This backup is not packed as a whole.", where=name)
