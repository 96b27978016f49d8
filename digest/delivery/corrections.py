"""Correcting what the archive shows of an issue that is out: a version for the web alone."""

from __future__ import annotations

from datetime import datetime

from digest.delivery.publish import Prepared, refuse_unfinished, store_pictures
from digest.errors import InputError, RefusedError
from digest.mail.headers import clean_line
from digest.rules.delivery import IssueState
from digest.store.archive import add_correction
from digest.store.issues import StoredIssue, StoredVersion, latest_version
from digest.store.session import Session
from digest.store.versions import store_version

NOTE_MAX = 500  # characters
_OUT = frozenset({IssueState.SENDING, IssueState.PAUSED, IssueState.FINISHED})


async def correct_issue(
    session: Session,
    issue: StoredIssue,
    prepared: Prepared,
    *,
    note: str,
    by: str,
    now: datetime,
) -> StoredVersion:
    """Show another text of an issue on the web from now on, with a note of what was corrected.

    Raises RefusedError where it is not out, or where an approval of the text would be refused;
    InputError for the text of another issue, and without a note.
    """
    words = clean_line(note)
    if not words or len(words) > NOTE_MAX:
        raise InputError(
            f"A correction says what it corrects, in 1 to {NOTE_MAX} characters.", where="--note"
        )
    if prepared.issue.name != issue.name:
        raise InputError(
            f"This is the text of issue {prepared.issue.name}, not of issue {issue.name}.",
            where="number" if prepared.issue.number is not None else "slug",
            fix="Check the number in the file.",
        )
    if issue.state not in _OUT:
        raise RefusedError(
            f"Issue {issue.name} is {issue.state}: there is nothing to correct on the web.",
            where=f"issue {issue.name}",
            fix="Add its text again: digest issue add FILE.",
        )
    latest = await latest_version(session, issue.id)
    await store_pictures(session, prepared, now=now)
    ordinal = 1 if latest is None else latest.ordinal + 1
    version = await store_version(session, issue.id, ordinal, prepared.draft, now=now)
    if latest is not None and latest.hash == version.hash:
        words = "is corrected to this already" if latest.web_only else "has this text"
        raise RefusedError(
            f"Issue {issue.name} {words}: version {latest.ordinal}.", where=f"issue {issue.name}"
        )
    refuse_unfinished(issue, version)
    await add_correction(session, version, note=words, by=by, now=now)
    return version
