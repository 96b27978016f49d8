"""A file of readers: CSV (RFC 4180) with a header, read line by line within limits.

The whole file is looked at before anything is taken from it, so that a file that is no table of
readers is refused with nothing stored; a row that cannot be used is only left out. Limits: 64
columns, 64 KB a cell, UTF-8 with or without a byte order mark (RFC 3629 §6).
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from digest.errors import AddressError, ReaderFileError
from digest.mail.address import address_key, clean_name, parse_address
from digest.store.reader_import import ImportedReader

COLUMNS_MAX = 64
CELL_MAX = 64 * 1024  # characters
_LINE_MAX = COLUMNS_MAX * CELL_MAX
_BLOCK = 1 << 16
_IN_MEMORY = 1 << 20
_ADDRESS_COLUMNS = ("email", "e-mail", "email address", "address")
_DELIMITERS = ",;\t"
_UNCLOSED = "its quotation marks do not match, or a line breaks off in it"
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out: the line it starts on, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Layout:
    delimiter: str
    columns: int
    address: int
    name: int | None


class _Lines:
    """The lines of a file, of which those of a row that turned out to be none can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.row: list[str] = []  # taken since the row began
        self._lines = lines
        self._returned: deque[str] = deque()
        self._before = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.row.append(line)
        return line

    def next_row(self) -> int:
        """Begin a row; the number of its first line."""
        self._before += len(self.row)
        self.row.clear()
        return self._before + 1

    def give_back(self) -> None:
        """All lines of this row but the first are to be read again."""
        self._returned.extendleft(reversed(self.row[1:]))
        del self.row[1:]


class ReaderFile:
    """A file of readers that was found to be one; iterate to get its rows, as often as needed."""

    def __init__(self, data: IO[bytes], *, path: str) -> None:
        """Look through the whole of ``data`` (a binary file, read from where it stands).

        Raises ReaderFileError with the line for what is no CSV with an address column in UTF-8.
        """
        self.path = path
        self._own = None if data.seekable() else _spooled(data)
        self._data = self._own or data
        self._start = self._data.tell()
        try:
            self.sha256 = self._look_at_bytes()
            self._layout = self._read_header()
            self.rows = self._look_at_rows()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give back what was made to read a pipe twice; the file itself is its owner's to close."""
        if self._own is not None:
            self._own.close()

    def __iter__(self) -> Iterator[ImportedReader | BadRow]:
        for line, cells in self._records():
            if isinstance(cells, str):
                yield BadRow(line, cells)
            else:
                yield _reader(line, cells, self._layout)

    def _look_at_bytes(self) -> str:
        """The hash; refuses what does not look like text in UTF-8."""
        self._data.seek(self._start)
        first = self._data.read(4)
        if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in first:
            raise ReaderFileError(
                "This file is in UTF-16, or no text at all.",
                where=self.path,
                fix="Save it as CSV in UTF-8.",
            )
        digest = hashlib.sha256(first)
        while block := self._data.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest()

    def _lines(self) -> Iterator[str]:
        self._data.seek(self._start)
        number = 0
        while raw := self._data.readline(_LINE_MAX + 1):
            number += 1
            if len(raw) > _LINE_MAX:
                raise self._error(number, f"This line has more than {_LINE_MAX} bytes.")
            try:
                # Line by line, since a line break is never part of another character in UTF-8.
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise self._error(
                    number, "This line is not in UTF-8.", "Save the file as CSV in UTF-8."
                ) from error

    def _read_header(self) -> _Layout:
        first = next(self._lines(), "")
        if "\r" in first.rstrip("\r\n"):
            raise self._error(
                1, "The lines of this file end in CR alone.", "Save it as CSV in UTF-8."
            )
        for delimiter in _DELIMITERS:
            cells = next(csv.reader([first], delimiter=delimiter), [])
            names = [cell.strip().lower() for cell in cells]
            found = [name for name in _ADDRESS_COLUMNS if name in names]
            if not found:
                continue
            if len(names) > COLUMNS_MAX:
                raise self._error(1, f"More than {COLUMNS_MAX} columns.")
            if names.count(found[0]) > 1:
                raise self._error(1, f"There are two columns called {found[0]!r}.")
            name = names.index("name") if "name" in names else None
            return _Layout(delimiter, len(names), names.index(found[0]), name)
        raise self._error(
            1,
            "There is no column called email.",
            "The first line names the columns: email, and name if there is one.",
        )

    def _look_at_rows(self) -> int:
        return sum(1 for _ in self._records())

    def _records(self) -> Iterator[tuple[int, list[str] | str]]:
        """Every row but the header and empty ones, with the line it starts on.

        Words in place of cells say why a row is none. A quotation mark that is not closed would
        take the rows below into its cell: only its own line is left out, and the next ones count.
        """
        lines = _Lines(self._lines())
        reader = csv.reader(lines, delimiter=self._layout.delimiter, strict=True)
        while True:
            line = lines.next_row()
            try:
                cells = next(reader)
                flaw = _UNCLOSED if len(lines.row) > 1 and self._took_rows(cells) else ""
            except StopIteration:
                return
            except csv.Error as error:
                if "limit" in str(error):
                    advice = "Check the quotation marks from here on."
                    raise self._error(line, f"This is no CSV: {error}.", advice) from error
                flaw = _UNCLOSED
            if flaw:
                lines.give_back()
                reader = csv.reader(lines, delimiter=self._layout.delimiter, strict=True)
                yield line, flaw
            elif line > 1 and cells:
                self._check_limits(line, cells)
                yield line, cells

    def _took_rows(self, cells: Sequence[str]) -> bool:
        """Whether an address or a name holds a whole row: no person is called like that."""
        columns = (self._layout.address, self._layout.name)
        below = [
            text
            for column in columns
            if column is not None and column < len(cells)
            for text in cells[column].splitlines()[1:]
        ]
        rows = csv.reader(below, delimiter=self._layout.delimiter)
        return any(isinstance(_reader(0, row, self._layout), ImportedReader) for row in rows if row)

    def _check_limits(self, line: int, cells: Sequence[str]) -> None:
        if len(cells) > COLUMNS_MAX:
            raise self._error(line, f"More than {COLUMNS_MAX} columns.")
        if max(map(len, cells)) > CELL_MAX:
            raise self._error(
                line,
                f"A cell has more than {CELL_MAX} characters.",
                "Check the quotation marks from here on.",
            )

    def _error(self, line: int, message: str, fix: str = "") -> ReaderFileError:
        return ReaderFileError(message, where=f"{self.path}:{line}", fix=fix)


def _spooled(data: IO[bytes]) -> IO[bytes]:
    """A copy that can be read twice, of what comes through a pipe."""
    # Lives as long as the ReaderFile that reads it, which closes it.
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (see above)
    while block := data.read(_BLOCK):
        copy.write(block)
    copy.seek(0)
    return copy


def _reader(line: int, cells: list[str], layout: _Layout) -> ImportedReader | BadRow:
    if len(cells) > layout.columns and any(cells[layout.columns :]):
        return BadRow(line, f"{len(cells)} columns where the header has {layout.columns}")
    text = _cell(cells, layout.address).strip()
    if not text:
        return BadRow(line, "no address")
    try:
        address = parse_address(text)
    except AddressError as error:
        return BadRow(line, error.message)
    name = "" if layout.name is None else clean_name(_cell(cells, layout.name))
    return ImportedReader(str(address), address_key(address), address.domain, name)


def _cell(cells: list[str], column: int) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from running it as a formula."""
    if column >= len(cells):
        return ""
    cell = cells[column]
    if cell.startswith("'") and cell[1:].startswith(FORMULA_SIGNS):
        return cell[1:]
    return cell
