"""What the commands print: results on standard output, everything else on standard error.

With ``--json`` a result is one compact line of ASCII, a list one line per row. Text of others
(titles, names, replies of servers) is shown without control characters: it cannot drive a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TextIO, cast

from digest.errors import DigestError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Row = Mapping[str, object]

# C0, DEL, C1, the marks that turn the writing direction, line and paragraph separators.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)


def prepare_streams() -> None:
    """Whatever a name holds and whatever the terminal can show, printing it never fails.

    A stream the caller has closed leads nowhere. Left closed, its number would go to the next file
    that is opened, such as the database, and what is meant to be read would be written into that.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", Path(os.devnull).open(mode, encoding="utf-8"))


def printable(text: object) -> str:
    """``text`` on one line, without anything that moves a cursor or turns the writing direction."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(text).replace("\n", " "))


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def json_line(data: object) -> str:
    """Compact JSON in ASCII: one line under every definition of a line."""
    return json.dumps(data, separators=(",", ":"), default=_plain)


def result(data: Row, *, as_json: bool, text: str | None = None) -> None:
    """Print one result: ``data`` as JSON, or ``text`` (else ``data`` as names and values)."""
    if as_json:
        _write(json_line(data))
    elif text is not None:
        _write(text)
    else:
        width = max((len(_label(key)) for key in data), default=0)
        for key, value in data.items():
            _write(f"{_label(key):<{width}}  {_shown(value)}".rstrip())


def tell_started(data: Row, *, as_json: bool, text: str) -> None:
    """Say that it works now: on standard error, or as JSON, at once and not when it ends."""
    if as_json:
        result(data, as_json=True)
        sys.stdout.flush()
    else:
        note(text)


def document(content: str) -> None:
    """Print a document that is itself the result."""
    sys.stdout.write(content)


def rows(found: Iterable[Row], *, as_json: bool, columns: Sequence[str], empty: str = "") -> None:
    """Print a list: one JSON line per row, or a table of ``columns`` (``empty`` where none)."""
    if as_json:
        for row in found:
            _write(json_line(row))
        return
    cells = [[_shown(row.get(column)) for column in columns] for row in found]
    if not cells:
        note(empty or "Nothing there.")
        return
    titles = [_label(column) for column in columns]
    widths = [max(len(line[i]) for line in (titles, *cells)) for i in range(len(columns))]
    for line in (titles, *cells):
        _write("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip())


def _label(key: str) -> str:
    return key.replace("_", " ")


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, list | tuple):
        return ", ".join(_shown(part) for part in value) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(part)}" for key, part in value.items()) or "–"
    return printable(value.value if isinstance(value, Enum) else value)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")


def counted(number: int, noun: str) -> str:
    """``1 item``, ``2,000 items``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def note(text: str) -> None:
    """Tell a person something that is no result: standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def agreed(question: str) -> bool:
    """Ask on the terminal; without one nothing is asked, and the answer is yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def error_code(error: DigestError) -> str:
    """The name of the error in JSON: ``IssueFileError`` is ``issue_file``."""
    words = re.findall(r"[A-Z][a-z]+", type(error).__name__.removesuffix("Error"))
    return "_".join(words).lower()


def tell_error(error: DigestError, *, code: str, as_json: bool) -> None:
    """What is wrong, where, and what to do.

    The last line on standard error is JSON whenever a program may be reading: with ``--json``, and
    where standard error is no terminal.
    """
    if not as_json:
        _tell_person(error)
    if as_json or not sys.stderr.isatty():
        message = f"{error.message} {error.fix}".strip()
        note(json_line({"error": code, "message": message, "where": error.where}))


def _tell_person(error: DigestError) -> None:
    from rich.text import Text

    text = Text.assemble(
        ("error ", "bold red"),
        (f"{printable(error.where)}\n" if error.where else "", "bold"),
        ("      " if error.where else "") + printable(error.message),
    )
    if error.fix:
        text.append(f"\n      {printable(error.fix)}", style="cyan")
    stderr_console().print(text, soft_wrap=True)


def tell_fault(error: Exception, *, as_json: bool) -> None:
    """An error nobody foresaw: with its traceback, because it is ours to repair."""
    import traceback

    from digest.logs import redact

    note(redact("".join(traceback.format_exception(error))).rstrip())
    summary = redact(f"{type(error).__name__}: {error}")
    told = DigestError(f"This is a fault of digest itself: {summary}")
    tell_error(told, code="fault", as_json=as_json)


def stderr_console() -> Console:
    """Rich, on standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@dataclass(slots=True)
class Bar:
    """A progress bar; does nothing where standard error is no terminal."""

    progress: Progress | None = None
    task: TaskID | None = None

    def __call__(self, done: int, total: int | None = None) -> None:
        """Show ``done`` of ``total``; ``None`` leaves the total as it is."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, completed=done, total=total)


@contextmanager
def progress_bar(title: str, *, total: int | None = None, quiet: bool = False) -> Iterator[Bar]:
    """A bar on standard error while the block runs; only on a terminal and not when ``quiet``."""
    if quiet or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=stderr_console(), transient=True) as shown:
        yield Bar(shown, shown.add_task(title, total=total))
