"""``digest export DIR``: everything that is yours, in files other programs can read.

Newsletters one after the other, readers page by page, issues one by one: memory does not grow with
them, and nobody who sends waits for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from digest.audience.reader_table import consent_lines, reader_table, suppressed_table
from digest.cli import output
from digest.cli.connection import Connection, connected
from digest.cli.export_folder import ExportFolder
from digest.cli.options import Json
from digest.content.issue_file import parse_issue
from digest.content.picture_names import picture_names
from digest.errors import IssueFileError
from digest.store.archive import list_entries, show_issue
from digest.store.issues import StoredIssue, StoredVersion, latest_version, list_issues
from digest.store.media import get_media, media_of_version
from digest.store.newsletters import Newsletter, get_newsletter, list_newsletters, people
from digest.store.session import Session
from digest.store.suppressions import count_suppressed
from digest.web.static_archive import (
    STYLE,
    pictures_in,
    static_index,
    static_issue,
    static_style,
)

_ENTRIES = 100_000  # of a list of issues
_README = """\
What digest knew on the day this was written. docs/how-to/move-away.md says what each file is for.

NEWSLETTER/newsletter.json   its settings and people
NEWSLETTER/issues/           every issue as Markdown, with its pictures, a folder each;
                             issues.jsonl says when they went out
NEWSLETTER/archive/          what readers see, as pages that need no server: open index.html
NEWSLETTER/readers.csv       readers with state, dates, tags and attributes
NEWSLETTER/consent.jsonl     how each of them agreed, and every change since
suppressed.csv               addresses that are never mailed, whichever newsletter
"""


async def export(
    folder: Path, /, *, newsletter: str | None = None, raw: bool = False, as_json: Json = False
) -> int:
    """Write issues, archive, readers, consents and settings into a folder, to move away with.

    The folder is new, empty, or one that an export was written into before: then it is written
    anew. It holds addresses, so only its owner can read it. Nothing waits for it while digest runs.

    Parameters
    ----------
    folder
        Where to write.
    newsletter
        Only this one.
    raw
        Write cells of tables as they are: for programs, not for spreadsheets, which would run some.
    """
    counts: Counter[str] = Counter()
    async with connected() as found:
        async with found.db.read() as session:
            chosen = (
                await list_newsletters(session)
                if newsletter is None
                else [await get_newsletter(session, newsletter)]
            )
        into = ExportFolder(folder)
        into.write("README.txt", _README.encode())
        for one in chosen:
            counts += await _newsletter(found, one, into, raw=raw)
        lines = await into.stream("suppressed.csv", suppressed_table(found.db, raw=raw))
        async with found.db.read() as session:
            hashed = await count_suppressed(session) - (lines - 1)
        into.finish()
    data = {
        "folder": str(folder),
        "newsletters": [one.slug for one in chosen],
        **{name: counts[name] for name in ("issues", "pages", "pictures", "readers")},
        "suppressed": lines - 1,
        "suppressed_by_hash_only": max(hashed, 0),
        "pictures_unnamed": counts["pictures_unnamed"],
    }
    output.result(data, as_json=as_json)
    return 0


async def _newsletter(
    found: Connection, newsletter: Newsletter, into: ExportFolder, *, raw: bool
) -> Counter[str]:
    slug, db = newsletter.slug, found.db
    async with db.read() as session:
        everyone = await people(session, newsletter.id)
        issues = await list_issues(session, newsletter.id)
    settings = {key: value for key, value in asdict(newsletter).items() if key != "id"}
    settings["people"] = [asdict(person) for person in everyone]
    into.write_json(f"{slug}/newsletter.json", settings)
    counts = Counter(issues=len(issues))
    records = []
    for issue in issues:
        async with db.read() as session:
            version = await latest_version(session, issue.id)
            if version is not None:
                folder = f"{slug}/issues/{issue.name}"
                counts += await _issue(session, version, into, folder, str(issue.name))
                records.append(_record(issue))
    into.write(f"{slug}/issues/issues.jsonl", "".join(records).encode())
    counts += await _archive(found, newsletter, issues, into)
    table = reader_table(db, newsletter.id, raw=raw)
    counts["readers"] += await into.stream(f"{slug}/readers.csv", table) - 1
    await into.stream(f"{slug}/consent.jsonl", consent_lines(db, newsletter.id))
    return counts


def _record(issue: StoredIssue) -> str:
    sent_at = issue.planned_at or issue.finished_at
    told = {
        "issue": issue.name,
        "file": f"{issue.name}/{issue.name}.md",
        "title": issue.title,
        "state": issue.state.value,
        "listed": issue.listed,
        "sent_at": None if sent_at is None else sent_at.isoformat(timespec="seconds"),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"


async def _issue(
    session: Session, version: StoredVersion, into: ExportFolder, folder: str, name: str
) -> Counter[str]:
    """The issue's file and, where it names them, its pictures: as ``issue add`` takes them."""
    into.write(f"{folder}/{name}.md", version.source.encode())
    stored = await media_of_version(session, version.id)
    if not stored:
        return Counter()
    try:
        issue = parse_issue(version.source, path=f"{name}.md")
        names = picture_names(issue, version.web_html, stored)
    except IssueFileError:
        names = {}
    for sha256 in stored:
        picture = await get_media(session, sha256)
        if picture is None:
            continue
        paths = [path for path, sha in names.items() if sha == sha256]
        for path in paths or [f"unnamed/{sha256}.{picture.extension}"]:
            into.write(f"{folder}/{path}", picture.data)
    unnamed = len(set(stored) - set(names.values()))
    return Counter(pictures=len(stored), pictures_unnamed=unnamed)


async def _archive(
    found: Connection, newsletter: Newsletter, issues: Sequence[StoredIssue], into: ExportFolder
) -> Counter[str]:
    folder = f"{newsletter.slug}/archive"
    async with found.db.read() as session:
        entries = await list_entries(session, newsletter.id, limit=_ENTRIES)
    into.write(f"{folder}/index.html", static_index(newsletter, entries).encode())
    into.write(f"{folder}/{STYLE}", static_style())
    names = {str(issue.name) for issue in issues}
    pages = 0
    written: set[tuple[str, str]] = set()
    for name in sorted(names):
        async with found.db.read() as session:
            shown = await show_issue(session, newsletter.id, name)
            if shown is None:
                continue
            html = static_issue(newsletter, shown, names)
            pictures = pictures_in(shown.web_html)
            for sha256, file in pictures - written:
                picture = await get_media(session, sha256)
                if picture is not None:
                    into.write(f"{folder}/media/{file}", picture.data)
            written |= pictures
        into.write(f"{folder}/{name}.html", html.encode())
        pages += 1
    return Counter(pages=pages)
