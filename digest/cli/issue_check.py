"""``digest issue check``: everything that can be found out before anybody gets an issue.

The text and the mail are judged always; pages are asked unless that is switched off; the database
is opened with ``--newsletter`` only. What was not looked at is said.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from digest import __version__
from digest.cli import output
from digest.cli.findings import annotation_of_error, tell_findings, tell_verdict
from digest.cli.issue_look import message_of, read_file, rendered_file
from digest.cli.look import look_of
from digest.cli.options import Json
from digest.content.finding import Known, SpamScore
from digest.content.issue import Issue
from digest.content.lint import Finding, blocking, check_issue
from digest.content.lint_links import pages_to_ask
from digest.errors import InputError, IssueFileError, RefusedError
from digest.rules.link import LinkStatus, holds
from digest.settings import Settings, load_settings

NO_DATABASE = "no --newsletter was given"
NO_FILTER = "SpamAssassin is not installed"
SWITCHED_OFF = "it is switched off"


@dataclass(slots=True)
class Asking:
    """What is looked at beside the text, and what was left out: its name and why."""

    settings: Settings
    offline: bool
    quiet: bool
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    left_out: dict[str, str] = field(default_factory=dict)


async def check(
    file: Path,
    /,
    *,
    newsletter: str | None = None,
    offline: bool = False,
    annotate: bool = False,
    as_json: Json = False,
) -> int:
    """Read a file as strictly as sending does, and look for what readers would find.

    Pages it links to are asked whether they are there; answers are kept for a day. Where
    SpamAssassin is installed, it says what it thinks of the mail.

    Exit 0: nothing stands in the way of sending it. Exit 1: something does, and is listed.

    Parameters
    ----------
    file
        An issue file.
    newsletter
        Check it as an issue of this newsletter, and against the issues before it; without one
        neither a database nor a .env is read.
    offline
        Ask no pages; what they answered within the last day still counts.
    annotate
        Print each finding as an annotation for a pull request (a command of GitHub Actions).
    """
    if annotate and as_json:
        raise InputError("--annotate and --json are two forms of the same.", where="--annotate")
    try:
        return await _check(file, newsletter, offline=offline, annotate=annotate, as_json=as_json)
    except IssueFileError as error:
        if annotate:
            output.note(annotation_of_error(error, file=file))
        raise


async def _check(
    file: Path, newsletter: str | None, *, offline: bool, annotate: bool, as_json: bool
) -> int:
    if os.environ.get("DIGEST_SERVER"):  # only then is what asks it loaded
        from digest.cli.issue_remote import check as check_there
        from digest.cli.remote import server

        if place := server():
            return await check_there(
                place, file, slug=newsletter, annotate=annotate, as_json=as_json
            )
    issue = read_file(file)
    look = await look_of(newsletter, issue)
    rendered, _ = rendered_file(issue, file, look)
    settings = load_settings() if newsletter else load_settings(env_file=None)
    asking = Asking(settings, offline or settings.check.offline, quiet=as_json)
    known, spam = await asyncio.gather(
        _known(issue, newsletter, asking), _spam(message_of(rendered, look), asking)
    )
    findings = check_issue(issue, rendered=rendered, known=replace(known, spam=spam))
    data = _as_data(issue, findings, spam, asking)
    if as_json:
        output.result(data, as_json=True)
    else:
        tell_findings(data["findings"], file, annotate=annotate)
        tell_verdict(data)
    return RefusedError.exit_code if blocking(findings) else 0


async def _known(issue: Issue, slug: str | None, asking: Asking) -> Known:
    """What earlier issues had and what pages answer; both are kept where they were found."""
    if slug is None:
        from digest.cli.link_cache import cache_file, read_cache, write_cache

        asking.left_out["earlier-issues"] = NO_DATABASE
        kept = read_cache(cache_file(), now=asking.now)
        asked = await _ask_pages(issue, kept, asking)
        if asked:
            write_cache(cache_file(), kept | asked)
        return Known(reached=kept | asked)
    # Only here, so that a file is looked at without a database.
    from digest.cli.connection import connected
    from digest.delivery.known import what_is_known
    from digest.store.links import put_link_statuses
    from digest.store.newsletters import get_newsletter

    async with connected() as found:
        async with found.db.read() as session:
            of = await get_newsletter(session, slug)
            known = await what_is_known(session, of, issue, now=asking.now)
        asked = await _ask_pages(issue, known.reached, asking)
        if asked:
            async with found.db.begin() as session:
                await put_link_statuses(session, asked)
    return replace(known, reached={**known.reached, **asked})


async def _ask_pages(
    issue: Issue, kept: Mapping[str, LinkStatus], asking: Asking
) -> dict[str, LinkStatus]:
    """Ask every page of the issue whose answer is not known or too old."""
    if asking.offline:
        asking.left_out["links"] = SWITCHED_OFF
        return {}
    pages = {
        canonical: url
        for canonical, url in pages_to_ask(issue).items()
        if canonical not in kept or not holds(kept[canonical], asking.now)
    }
    if not pages:
        return {}
    # Only here: it is not needed where every answer is known.
    from digest.net.fetch import Fetcher
    from digest.net.guard import Guard
    from digest.net.links import ask_links

    done = 0
    with output.progress_bar("Links", total=len(pages), quiet=asking.quiet) as bar:

        def told() -> None:
            nonlocal done
            done += 1
            bar(done)

        allow = tuple(map(ip_network, asking.settings.fetch.allow.split()))
        async with Fetcher(_agent(asking.settings), guard=Guard(allow)) as fetcher:
            return await ask_links(fetcher, pages, now=asking.now, told=told)


def _agent(settings: Settings) -> str:
    """Who asks, with a page about it where there is one (RFC 9110 §10.1.5)."""
    more = "" if settings.loopback_only else f"; +{settings.public_url}"
    return f"digest/{__version__} (link check of a newsletter{more})"


async def _spam(message: bytes, asking: Asking) -> SpamScore | None:
    from digest.delivery.spam_filter import spam_score

    if not asking.settings.check.spam:
        asking.left_out["spam-score"] = SWITCHED_OFF
        return None
    score = await spam_score(message)
    if score is None:
        asking.left_out["spam-score"] = NO_FILTER
    return score


def _as_data(
    issue: Issue, findings: tuple[Finding, ...], spam: SpamScore | None, asking: Asking
) -> dict[str, Any]:
    sections = issue.rendered_sections
    return {
        "issue": issue.name,
        "ok": not blocking(findings),
        "sections": len(sections),
        "items": sum(len(section.items) for section in sections),
        "findings": [_finding(finding) for finding in findings],
        "spam_points": None if spam is None else spam.points,
        "not_checked": asking.left_out,
        "ignored": {ignore.code: ignore.reason for ignore in issue.ignore},
    }


def _finding(finding: Finding) -> dict[str, object]:
    place = finding.place
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "line": place.line,
        "column": place.column,
        "fix": finding.fix,
    }
