"""``digest reader import``: readers from a file, of one's own or of another tool's making."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from digest.audience.reader_file import ReaderFile
from digest.audience.reader_formats import PLAIN
from digest.audience.reader_layout import Reading, parse_map
from digest.audience.reader_rows import BadRow, safe_cell
from digest.audience.transfer import ImportReport, ImportWatch, import_readers
from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.files import open_file, unreadable, unwritable
from digest.cli.options import Json, Many, OfNewsletter
from digest.errors import InputError
from digest.rules.subscription import Standing
from digest.store.newsletters import Newsletter, get_newsletter

LEFT_ELSEWHERE = "left before, elsewhere"
SHOWN_BAD_ROWS = 20  # for people; JSON has as many as the report keeps

_Tool = Literal["mailchimp", "substack", "buttondown", "ghost", "listmonk", "digest"]


async def import_file(
    file: Path,
    /,
    *,
    slug: OfNewsletter = None,
    consent: str = "",
    tool: Annotated[_Tool | None, Parameter(name="--from")] = None,
    as_: Annotated[Literal["active", "ended", "suppressed"] | None, Parameter(name="--as")] = None,
    columns: Annotated[tuple[str, ...], Many, Parameter(name="--map")] = (),
    errors: Path | None = None,
    dry_run: bool = False,
    as_json: Json = False,
) -> int:
    """Import readers from a CSV file, or from the file another tool exports.

    A list of your own needs a column "email", and may have one called "name". Rows that cannot be
    used are listed with their line and left out. Who left before, and who is suppressed or erased,
    is never brought back. After a crash, import the same file again: nobody is added twice.

    Parameters
    ----------
    file
        A CSV file in UTF-8, or the zip file of Mailchimp or Substack.
    consent
        How these readers agreed, such as 'asked for it at the fair in May'; it is kept.
    tool
        Which tool exported the file. May be left out where its columns say so. The tool's own
        states decide who becomes a reader, who has left and whose address is kept out.
    as_
        Import them all as readers (active), as people who left elsewhere (ended), or as addresses
        that are never mailed (suppressed), whatever the file says.
    columns
        What a column is, like 'Joined=created' or 'Company=attribute.company'; 'Notes=' leaves one
        out.
    errors
        Write every row that was left out to this file: CSV, with file, line, reason and address.
    dry_run
        Say what would happen, and change nothing.
    """
    standing = None if as_ is None else Standing(as_)
    if standing not in (Standing.ENDED, Standing.SUPPRESSED) and not consent.strip():
        raise without_consent("these readers")
    reading = Reading(tool, parse_map(columns), standing)
    async with connected() as found:
        async with found.db.read() as session:
            newsletter = await get_newsletter(session, slug)
        files: list[ReaderFile] = []
        watch = ImportWatch(files=files.extend)
        agreed = consent or LEFT_ELSEWHERE
        with _errors_file(errors) as bad_row:
            watch = replace(watch, bad_row=bad_row)
            report = await _import(
                found, newsletter, file, agreed, reading=reading, dry_run=dry_run, watch=watch
            )
    data = _counts(newsletter, report, files, dry_run=dry_run)
    output.result(data, as_json=as_json, text=_in_words(report, files, file, dry_run=dry_run))
    return 0


def without_consent(who: str) -> InputError:
    """Nobody becomes a reader without a word about how they agreed."""
    return InputError(
        f"It must be known how {who} agreed.",
        where="--consent",
        fix="Say it in a sentence: --consent 'asked for it at the fair in May'.",
    )


async def _import(
    found: Connection,
    newsletter: Newsletter,
    file: Path,
    consent: str,
    *,
    reading: Reading,
    dry_run: bool,
    watch: ImportWatch,
) -> ImportReport:
    try:
        with open_file(file) as data, output.progress_bar("Importing") as bar:
            return await import_readers(
                found.db,
                newsletter,
                data,
                path=str(file),
                consent=consent,
                clock=found.clock,
                reading=reading,
                dry_run=dry_run,
                watch=replace(watch, progress=bar),
            )
    except OSError as error:
        raise unreadable(file, error) from None


@contextmanager
def _errors_file(path: Path | None) -> Iterator[Callable[[BadRow], None]]:
    """Whom to tell of bad rows; a file for its owner alone, since there are addresses in it."""
    if path is None:
        yield lambda _row: None
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(path, error) from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "line", "reason", "address"))

        def write(row: BadRow) -> None:
            cells = (row.file, str(row.line), row.reason, row.address)
            table.writerow([safe_cell(cell) for cell in cells])

        yield write


def _counts(
    newsletter: Newsletter, report: ImportReport, files: Sequence[ReaderFile], *, dry_run: bool
) -> dict[str, object]:
    return {
        "newsletter": newsletter.slug,
        "dry_run": dry_run,
        "files": [
            {
                "file": one.path,
                "rows": one.rows,
                "from": one.layout.format.name,
                "unused_columns": one.layout.unused,
            }
            for one in files
        ],
        "rows": report.rows,
        "imported": report.imported,
        "left": report.left,
        "kept_out": report.kept_out,
        "already": report.already,
        "left_since": report.left_since,
        "duplicates": report.duplicates,
        "ended": report.ended,
        "suppressed": report.suppressed,
        "unconfirmed": report.unconfirmed,
        "invalid_count": report.invalid_count,
        "invalid": [
            {"file": bad.file, "line": bad.line, "reason": bad.reason} for bad in report.invalid
        ],
    }


def _in_words(
    report: ImportReport, files: Sequence[ReaderFile], file: Path, *, dry_run: bool
) -> str:
    counts = {
        "imported": report.imported,
        "imported as people who left": report.left,
        "kept out from now on": report.kept_out,
        "there already": report.already,
        "of them left since, and ended": report.left_since,
        "twice in the file": report.duplicates,
        "had left": report.ended,
        "suppressed": report.suppressed,
        "never confirmed, not taken": report.unconfirmed,
        "cannot be used": report.invalid_count,
    }
    told = ", ".join(f"{number:,} {words}" for words, number in counts.items() if number)
    tried = "Nothing is changed. This would happen:\n" if dry_run else ""
    lines = [f"{tried}{report.rows:,} rows: {told or 'nothing in them'}"]
    for one in files:
        unused = ", ".join(map(output.printable, one.layout.unused))
        if one.layout.format is not PLAIN:
            lines.append(f"  {output.printable(one.path)}: read as {one.layout.format.title}")
        if unused:
            lines.append(f"  columns left behind: {unused}")
    shown = report.invalid[:SHOWN_BAD_ROWS]
    lines += [
        f"  {output.printable(bad.file or file)}:{bad.line}: {output.printable(bad.reason)}"
        for bad in shown
    ]
    if report.invalid_count > SHOWN_BAD_ROWS:
        more = report.invalid_count - SHOWN_BAD_ROWS
        lines.append(f"  and {more:,} more; --errors FILE names them all")
    return "\n".join(lines)
