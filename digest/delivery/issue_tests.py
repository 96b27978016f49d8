"""Tests of an issue: the notices that send a version to a few addresses before its readers get it.

Each test has the next number of its issue and says what changed since the one before; what is sent
is the stored version, whose hash an approval names. Editors and operators of the newsletter get a
button that approves it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.content.issue_file import parse_issue
from digest.content.lint import check_issue
from digest.delivery.known import what_is_known
from digest.errors import NotFoundError
from digest.store.issue_tests import IssueTest, key_of_test, last_test
from digest.store.issues import StoredIssue, StoredVersion, get_version, latest_version
from digest.store.newsletters import Newsletter, people
from digest.store.notices import OPERATOR_LANE, Notice, write_notice
from digest.store.session import Session

HASH_SHOWN = 12  # digits; an approval asks for 8 at least
_SHOWN = 8  # changed lines or findings in the strip
_LINE = 100  # characters of one


@dataclass(frozen=True, slots=True)
class Asked:
    """A test that was written: its number, the version, and its notices, one for each address."""

    number: int
    version: StoredVersion
    notice_ids: tuple[int, ...]


async def write_tests(
    session: Session,
    newsletter: Newsletter,
    issue: StoredIssue,
    addresses: Sequence[str],
    *,
    now: datetime,
) -> Asked:
    """Put a test of the latest version in the queue for each of ``addresses`` (parsed before).

    It may be a draft. Raises NotFoundError where the issue has no version yet.
    """
    version = await latest_version(session, issue.id)
    if version is None:
        raise NotFoundError(f"Issue {issue.name} has no text yet.", fix="Add it: digest issue add.")
    before = await last_test(session, issue.id)
    number = 1 if before is None else before.number + 1
    params = {
        "issue": str(issue.name),
        "number": number,
        "version_id": version.id,
        "version": version.ordinal,
        "hash": version.hash[:HASH_SHOWN],
        "findings": await _findings(session, newsletter, version, now=now),
        "approve": f"digest issue approve {issue.name} {version.hash[:HASH_SHOWN]}"
        f" --newsletter {newsletter.slug}",
        **await _changes(session, version, before),
    }
    staff = {person.address for person in await people(session, newsletter.id)}
    written = []
    for address in dict.fromkeys(addresses):
        notice = Notice(
            kind="test",
            lane=OPERATOR_LANE,
            address=address,
            language=newsletter.language,
            params={**params, "may_approve": address in staff},
            newsletter_id=newsletter.id,
            dedupe_key=key_of_test(issue.id, number, address),
        )
        written.append(await write_notice(session, notice, now))
    return Asked(number, version, tuple(one for one in written if one is not None))


async def _changes(
    session: Session, version: StoredVersion, before: IssueTest | None
) -> dict[str, object]:
    if before is None:
        return {"since": "It is the first test of this issue.", "changes": []}
    if before.version_id == version.id:
        since = f"The text is the same as in test {before.number}."
        return {"since": since, "changes": []}
    old = await get_version(session, before.version_id)
    lines = [
        f"{line[0]} {line[1:].strip()}"[:_LINE]
        for line in difflib.unified_diff(
            old.source.splitlines(), version.source.splitlines(), n=0, lineterm=""
        )
        if line[:1] in "+-" and line[:3] not in ("+++", "---") and line[1:].strip()
    ]
    if not lines:
        since = f"Since test {before.number} only blank lines, sender or look have changed."
        return {"since": since, "changes": []}
    more = [f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    since = f"Since test {before.number} (version {old.ordinal}) these lines have changed:"
    return {"since": since, "changes": lines[:_SHOWN] + more}


async def _findings(
    session: Session, newsletter: Newsletter, version: StoredVersion, *, now: datetime
) -> list[str]:
    text = parse_issue(version.source)
    known = await what_is_known(session, newsletter, text, now=now)
    found = check_issue(text, known=known)
    more = [f"… and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return [f"Line {one.place.line}: {one.message}" for one in found[:_SHOWN]] + more
