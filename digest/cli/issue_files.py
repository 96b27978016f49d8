"""``digest issue new|fmt|import``: issue files before anybody else sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from digest.cli import output
from digest.cli.files import read_bytes, write_text
from digest.cli.options import Json, Many, OfNewsletter
from digest.content.issue_file import decode_issue, parse_issue
from digest.content.issue_format import format_issue, new_issue
from digest.content.plain_text_import import Imported, import_plain_text
from digest.errors import ConflictError, InputError
from digest.rules.schedule import parse_schedule

USUAL_SECTIONS = ("News", "Code", "Papers")
_HTML = frozenset({".html", ".htm", ".xhtml"})


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of the next issue before a word of it is written."""

    number: int
    title: str
    date: date | None
    sections: tuple[str, ...]
    previous: str | None


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
    return _after_text(text, path=str(path))


def _after_text(text: str, *, path: str) -> Beginning:
    last = parse_issue(text, path=path)
    if last.number is None:
        raise InputError("The last issue has no number.", where=path, fix="Give --number.")
    title = last.title.replace(str(last.number), str(last.number + 1))
    headings = tuple(section.heading for section in last.rendered_sections)
    return Beginning(last.number + 1, title, None, headings or USUAL_SECTIONS, text)


async def _after_database(slug: str | None) -> Beginning:
    # Only here, so that the other verbs of this module start without a database.
    from digest.cli.connection import connected
    from digest.store.issues import latest_version, list_issues
    from digest.store.newsletters import get_newsletter

    async with connected() as found, found.db.read() as session:
        newsletter = await get_newsletter(session, slug)
        issues = [
            one for one in await list_issues(session, newsletter.id) if one.number is not None
        ]
        last = max(issues, key=lambda one: one.number or 0, default=None)
        version = None if last is None else await latest_version(session, last.id)
        day = _next_day(newsletter.schedule, newsletter.timezone, found.clock.now())
    usual = tuple(newsletter.settings.get("sections", ()))
    if version is None:
        return Beginning(1, f"{newsletter.name} #1", day, usual or USUAL_SECTIONS, None)
    begun = _after_text(version.source, path="the last issue")
    return Beginning(begun.number, begun.title, day, usual or begun.sections, version.source)


def _next_day(schedule: str | None, zone: str, now: datetime) -> date | None:
    """The date, in the newsletter's zone, of the first slot after ``now``."""
    if not schedule:
        return None
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    slot = parse_schedule(schedule).next_after(local)
    return None if slot is None else slot.date()


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
        if out.exists() and out.samefile(file):
            raise InputError("This is the file that is read.", where=str(out), fix="Give another.")
        write_text(out, imported.markdown)
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
