"""``digest issue new|fmt|import``: issue files before anybody else sees them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from digest.cli import output
from digest.cli.files import read_bytes, write_new, write_text
from digest.cli.options import Json, Many, OfNewsletter
from digest.content.issue_file import decode_issue, parse_issue
from digest.content.issue_format import (
    USUAL_SECTIONS,
    Beginning,
    begin_after,
    format_issue,
    new_issue,
)
from digest.content.plain_text_import import Imported, import_plain_text
from digest.errors import ConflictError

_HTML = frozenset({".html", ".htm", ".xhtml"})


async def new(
    *,
    slug: OfNewsletter = None,
    number: int | None = None,
    title: str | None = None,
    on: Annotated[datetime | None, Parameter(name="--date")] = None,
    previous: Path | None = None,
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Begin the next issue: number, date of the next slot, usual sections, what was kept for later.

    Parameters
    ----------
    number
        Its number; one more than the last, when not given.
    title
        Its title.
    on
        Its date; that of the next send slot, when not given.
    previous
        The file of the last issue, when it is not to be looked up in the database.
    out
        The file to write; issue-NUMBER.md, when not given. Nothing is ever overwritten.
    """
    begun = (
        _after_file(previous)
        if previous is not None
        else await _after_database(slug)
        if number is None or slug is not None
        else Beginning(number, f"Issue #{number}", None, USUAL_SECTIONS, None)
    )
    number = begun.number if number is None else number
    text = new_issue(
        number=number,
        title=title or begun.title.replace(str(begun.number), str(number)),
        date=on.date() if on is not None else begun.date,
        sections=begun.sections,
        previous=begun.previous,
    )
    target = out or Path(f"issue-{number}.md")
    if target.exists():
        raise ConflictError(
            "This file is there already.", where=str(target), fix="Name another: --out FILE."
        )
    write_text(target, text)
    written = output.printable(target)
    output.result({"issue": number, "out": target}, as_json=as_json, text=f"Written: {written}")
    return 0


def _after_file(path: Path) -> Beginning:
    text = decode_issue(read_bytes(path), path=str(path))
    return begin_after(text, path=str(path))


async def _after_database(slug: str | None) -> Beginning:
    # Only here, so that the other verbs of this module start without a database.
    from digest.cli.connection import connected
    from digest.collect.upcoming import upcoming_issue
    from digest.store.newsletters import get_newsletter

    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        return await upcoming_issue(session, newsletter, now=found.clock.now())


def fmt(
    files: Annotated[tuple[Path, ...], Many], /, *, check: bool = False, as_json: Json = False
) -> int:
    """Bring issue files into their normal form, in place.

    Parameters
    ----------
    files
        Issue files.
    check
        Write nothing; exit 1 when a file would change.
    """
    texts = [(path, decode_issue(read_bytes(path), path=str(path))) for path in files]
    formatted = [(path, text, format_issue(text, path=str(path))) for path, text in texts]
    changed = [path for path, text, normal in formatted if text != normal]
    if not check:
        for path, text, normal in formatted:
            if text != normal:
                write_text(path, normal)
    verb = "Would change" if check else "Changed"
    for path in files:
        if as_json:
            output.result({"file": path, "changed": path in changed}, as_json=True)
        elif path in changed:
            output.note(f"{verb}: {output.printable(path)}")
    return 1 if check and changed else 0


def import_file(file: Path, /, *, out: Path | None = None, as_json: Json = False) -> int:
    """Make an issue file from a plain-text, HTML or .eml newsletter.

    Links that the text does not have become (TODO) and are listed by their line.

    Parameters
    ----------
    file
        FILE.txt, FILE.html or FILE.eml.
    out
        The issue file to write; standard output, when not given.
    """
    imported = _imported(file)
    issue = parse_issue(imported.markdown, path=str(out or file))
    if out is not None:
        write_new(out, imported.markdown)
    elif not as_json:
        output.document(imported.markdown)
    data = {
        "issue": issue.name,
        "sections": imported.sections,
        "items": imported.items,
        "missing_links": list(imported.missing_links),
        "out": out,
    }
    if as_json:
        output.result(data, as_json=True)
    else:
        _tell_import(imported, out)
    return 0


def _imported(file: Path) -> Imported:
    data, path, suffix = read_bytes(file), str(file), file.suffix.lower()
    if suffix == ".eml" or suffix in _HTML:
        # Only here, so that the other verbs start without a parser of HTML.
        from digest.content.html_import import import_eml, import_html

        return (import_eml if suffix == ".eml" else import_html)(data, path=path)
    return import_plain_text(decode_issue(data, path=path), path=path)


def _tell_import(imported: Imported, out: Path | None) -> None:
    where = f" → {output.printable(out)}" if out is not None else ""
    output.note(
        f"{output.counted(imported.sections, 'section')}, "
        f"{output.counted(imported.items, 'item')}{where}"
    )
    missing = imported.missing_links
    if missing:
        lines = ", ".join(str(line) for line in missing)
        output.note(f"{len(missing)} links are missing; each is (TODO), in line {lines}.")
