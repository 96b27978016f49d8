"""The editor: the text of an issue as its file has it, beside what readers will see of it.

A page without JavaScript is a form: save, and the page shows what was saved. With it, the findings
and the letter follow the typing. The letter is fetched by a form into a sandboxed frame, since what
is not saved has no address; nothing is kept of a look. A save says which version it was made of,
and is refused, with the difference, where somebody saved since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from starlette.responses import Response

from digest.content.uploads import UPLOAD_MAX
from digest.delivery.publish import Prepared, prepare_issue, store_issue
from digest.delivery.readiness import what_is_next
from digest.delivery.writing import (
    PATH,
    Look,
    begin_text,
    clean_text,
    draft_text,
    known_of,
    look_at_text,
    pictures_of,
    saved_since,
)
from digest.errors import (
    ConflictError,
    DigestError,
    IssueFileError,
    NotFoundError,
    RefusedError,
)
from digest.rules.delivery import UNPLANNED
from digest.rules.rights import Right
from digest.store.issue_tests import test_shown
from digest.store.issues import (
    StoredIssue,
    StoredVersion,
    get_issue,
    issue_by_id,
    latest_version,
)
from digest.store.newsletters import Newsletter, get_newsletter
from digest.store.session import Session
from digest.web.desk.doors import Door, refused
from digest.web.desk.issues import LIST, ONE, issue_of, local_time_of
from digest.web.desk.letters import looked, unsaved_letter
from digest.web.desk.visit import HOME, Visit

WRITE: Final = f"{LIST}/write"
FORM_MAX: Final = 4 << 20  # bytes: a text of a megabyte, as a form encodes it
_CONTEXT: Final = 2  # lines round a difference
_DIFF_MAX: Final = 4_000  # lines of each text


@dataclass(frozen=True, slots=True)
class Written:
    """What a form of the editor brought. ``based_on`` is the hash of a version, "" for none."""

    newsletter: Newsletter
    text: str
    based_on: str
    base: StoredVersion | None
    pictures: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference: theirs, mine, same or a gap."""

    kind: str
    text: str


class _SavedSinceError(Exception):
    """Somebody saved ``theirs`` meanwhile: nothing is stored, and the difference is shown."""

    def __init__(self, theirs: StoredVersion) -> None:
        super().__init__()
        self.theirs = theirs


async def new(visit: Visit) -> Response:
    """Begin the next issue, or with ``?from=links`` make it of the links that were kept."""
    site, now = visit.site, visit.site.clock.now()
    async with site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        made = draft_text if visit.asked("from") == "links" else begin_text
        try:
            text = await made(session, newsletter, now=now)
        except RefusedError as error:
            return refused(visit, error)
        pictures = await pictures_of(session, None, text)
    return await look_again(visit, Written(newsletter, text, "", None, pictures))


async def edit(visit: Visit) -> Response:
    """The latest version of an issue, to be written on."""
    async with visit.site.db.read() as session:
        newsletter, issue = await issue_of(session, visit)
        version = await latest_version(session, issue.id)
        pictures = await pictures_of(session, version, version.source if version else "")
    if version is None:
        raise NotFoundError
    if issue.state not in UNPLANNED:
        return visit.see(f"{HOME}/n/{newsletter.slug}/i/{issue.name}")
    written = Written(newsletter, version.source, version.hash, version, pictures)
    return await look_again(visit, written)


async def look(visit: Visit) -> Response:
    """What the text of a form looks like: the part of the page that follows the typing."""
    written = await written_of(visit)
    values = looked(written.newsletter, written.text, await _look(visit, written))
    return visit.page("_look.html", values)


async def letter(visit: Visit) -> Response:
    """The letter that the text of a form makes."""
    written = await written_of(visit)
    form = visit.form
    line = form.one("line")
    at = int(line) if line.isascii() and line.isdigit() and len(line) < 8 else 0
    return unsaved_letter(visit.site, await _look(visit, written), view=form.one("view"), line=at)


async def save(visit: Visit) -> Response:
    """Store the text as the next version, unless somebody else did so meanwhile."""
    site, written = visit.site, await written_of(visit)
    newsletter = written.newsletter
    try:
        prepared = await _prepared(visit, written)
        async with visit.site.db.begin() as session:
            name = str(prepared.issue.name)
            theirs = await saved_since(session, newsletter, name, written.based_on)
            if theirs is not None and theirs.source != written.text:
                raise _SavedSinceError(theirs)
            stored = await store_issue(session, newsletter, prepared, now=site.clock.now())
    except _SavedSinceError as since:
        return await _since(visit, written, since.theirs)
    except (IssueFileError, ConflictError) as error:
        return await look_again(visit, written, error=error, status=422)
    return visit.see(f"{HOME}/n/{newsletter.slug}/i/{stored.issue.name}/write", done="saved")


async def _prepared(visit: Visit, written: Written) -> Prepared:
    site = visit.site
    async with site.db.read() as session:
        known = await known_of(session, written.newsletter, written.text, now=site.clock.now())
    return await asyncio.to_thread(
        prepare_issue,
        written.newsletter,
        written.text,
        path=PATH,
        media=written.pictures,
        public_url=site.public_url,
        themes=site.themes,
        known=known,
    )


async def _since(visit: Visit, written: Written, theirs: StoredVersion) -> Response:
    """The text again, what is different, and the choice: mine over theirs, theirs, or both."""
    lines = await asyncio.to_thread(differing, theirs.source, written.text)
    mine = Written(written.newsletter, written.text, theirs.hash, theirs, written.pictures)
    return await look_again(visit, mine, theirs=theirs, lines=lines, status=409)


def differing(theirs: str, mine: str) -> list[Line]:
    """What two texts do not share, with the lines round it; empty for texts that are too long."""
    one, other = theirs.splitlines(), mine.splitlines()
    if max(len(one), len(other)) > _DIFF_MAX:
        return []
    found: list[Line] = []
    groups = SequenceMatcher(None, one, other, autojunk=False).get_grouped_opcodes(_CONTEXT)
    for group in groups:
        if found:
            found.append(Line("gap", "…"))
        for tag, first, last, begin, end in group:
            if tag == "equal":
                found += [Line("same", text) for text in one[first:last]]
            else:
                found += [Line("theirs", text) for text in one[first:last]]
                found += [Line("mine", text) for text in other[begin:end]]
    return found


async def written_of(visit: Visit) -> Written:
    """What a form of the editor brought, with the pictures that its text may show."""
    form, text = visit.form, clean_text(visit.form.raw("text"))
    async with visit.site.db.read() as session:
        newsletter = await get_newsletter(session, visit.part("newsletter"))
        base = await _base(session, newsletter, form.one("issue"))
        pictures = await pictures_of(session, base, text)
    return Written(newsletter, text, form.one("based_on"), base, pictures)


async def _base(session: Session, newsletter: Newsletter, name: str) -> StoredVersion | None:
    """The latest version of the issue that the form was opened for."""
    if not name or not name.isprintable():
        return None
    try:
        issue = await get_issue(session, newsletter.id, name)
    except NotFoundError:
        return None
    return await latest_version(session, issue.id)


async def _look(visit: Visit, written: Written) -> Look:
    site = visit.site
    return await look_at_text(
        site.db,
        written.newsletter,
        written.text,
        media=written.pictures,
        public_url=site.public_url,
        themes=site.themes,
        now=site.clock.now(),
    )


async def look_again(
    visit: Visit,
    written: Written,
    *,
    theirs: StoredVersion | None = None,
    lines: list[Line] | None = None,
    error: DigestError | None = None,
    unusable: DigestError | None = None,
    added: str = "",
    status: int = 200,
) -> Response:
    """The page with the text, and what there is to say about it: what ``theirs`` has that it has
    not, the ``error`` that keeps it from being stored, why a picture is ``unusable``, or the line
    that shows the one ``added``.
    """
    newsletter, base = written.newsletter, written.base
    values: dict[str, Any] = {
        "newsletter": newsletter,
        "text": written.text,
        "based_on": written.based_on,
        "version": base,
        "theirs": theirs,
        "lines": lines or [],
        "error": error,
        "unusable": unusable,
        "added": added,
        "upload_max": UPLOAD_MAX,
        "path": visit.site.path(f"{HOME}/n/{newsletter.slug}"),
        **await _around(visit, newsletter, base),
        **looked(newsletter, written.text, await _look(visit, written)),
    }
    return visit.page("write.html", values, current="issues", status=status)


async def _around(
    visit: Visit, newsletter: Newsletter, base: StoredVersion | None
) -> dict[str, Any]:
    """Where the issue stands that is written on."""
    issue: StoredIssue | None = None
    tested = None
    async with visit.site.db.read() as session:
        coming = await what_is_next(session, newsletter, visit.site.clock.now())
        if base is not None:
            issue = await issue_by_id(session, base.issue_id)
            tested = await test_shown(session, base.issue_id)
    return {
        "coming": coming,
        "issue": issue,
        "tested": tested is not None and base is not None and tested.version_id == base.id,
        "approved": issue is not None and base is not None and issue.approved_version_id == base.id,
        "local": local_time_of(newsletter, issue) if issue and issue.scheduled_at else None,
    }


DOORS = (
    Door("GET", WRITE, Right.WRITE, new),
    Door("GET", f"{ONE}/write", Right.WRITE, edit),
    Door("POST", WRITE, Right.WRITE, save, "write issue", FORM_MAX),
    Door("POST", f"{WRITE}/look", Right.WRITE, look, body_limit=FORM_MAX),
    Door("POST", f"{WRITE}/letter", Right.WRITE, letter, body_limit=FORM_MAX),
)
