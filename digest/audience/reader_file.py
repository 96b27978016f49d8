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
from dataclasses import replace
from datetime import datetime
from typing import IO

from digest.audience.reader_formats import Field
from digest.audience.reader_layout import Layout, Reading, lay_out
from digest.audience.reader_rows import BadRow, RowReader
from digest.errors import InputError, ReaderFileError
from digest.store.reader_import import ImportedReader

COLUMNS_MAX = 64
CELL_MAX = 64 * 1024  # characters
_LINE_MAX = COLUMNS_MAX * CELL_MAX
_BLOCK = 1 << 16
_IN_MEMORY = 1 << 20
_DELIMITERS = ",;\t"
_UNCLOSED = "its quotation marks do not match, or a line breaks off in it"


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

    def __init__(self, data: IO[bytes], *, path: str, now: datetime, reading: Reading) -> None:
        """Look through the whole of ``data`` (a binary file, read from where it stands).

        Raises ReaderFileError with the line for what is no CSV with an address column in UTF-8.
        """
        self.path = path
        self._own = None if data.seekable() else spooled(data)
        self._data = self._own or data
        self._start = self._data.tell()
        try:
            self.sha256 = self._look_at_bytes()
            self._delimiter, self.layout = self._read_header(reading)
            self._reader = RowReader(self.layout, now=now)
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
            row = BadRow(line, cells) if isinstance(cells, str) else self._reader(line, cells)
            yield replace(row, file=self.path) if isinstance(row, BadRow) else row

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

    def _read_header(self, reading: Reading) -> tuple[str, Layout]:
        first = next(self._lines(), "")
        if "\r" in first.rstrip("\r\n"):
            raise self._error(
                1, "The lines of this file end in CR alone.", "Save it as CSV in UTF-8."
            )
        for delimiter in _DELIMITERS:
            names = next(csv.reader([first], delimiter=delimiter), [])
            try:
                layout = lay_out(names, reading, name=self.path)
            except InputError as error:
                raise self._error(1, error.message, error.fix) from None
            if layout is None:
                continue
            if len(names) > COLUMNS_MAX:
                raise self._error(1, f"More than {COLUMNS_MAX} columns.")
            return delimiter, layout
        raise self._error(
            1,
            "There is no column called email.",
            "The first line names the columns: email, and name if there is one. "
            "Another one is named with --map COLUMN=email.",
        )

    def _look_at_rows(self) -> int:
        return sum(1 for _ in self._records())

    def _records(self) -> Iterator[tuple[int, list[str] | str]]:
        """Every row but the header and empty ones, with the line it starts on.

        Words in place of cells say why a row is none. A quotation mark that is not closed would
        take the rows below into its cell: only its own line is left out, and the next ones count.
        """
        lines = _Lines(self._lines())
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
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
                reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
                yield line, flaw
            elif line > 1 and cells:
                self._check_limits(line, cells)
                yield line, cells

    def _took_rows(self, cells: Sequence[str]) -> bool:
        """Whether an address or a name holds a whole row: no person is called like that."""
        columns = (self.layout.at[Field.EMAIL], self.layout.at.get(Field.NAME))
        below = [
            text
            for column in columns
            if column is not None and column < len(cells)
            for text in cells[column].splitlines()[1:]
        ]
        rows = csv.reader(below, delimiter=self._delimiter)
        return any(isinstance(self._reader(0, row), ImportedReader) for row in rows if row)

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


def spooled(data: IO[bytes]) -> IO[bytes]:
    """A copy that can be read twice, of what comes through a pipe."""
    # Lives as long as the ReaderFile that reads it, which closes it.
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (see above)
    while block := data.read(_BLOCK):
        copy.write(block)
    copy.seek(0)
    return copy
