"""Issues for editors without a shell on the server: check, add, test, approve, see how far it is.

The same checks and the same moves as by the command line; nothing is sent from here but tests, by
whoever sends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from digest.access.api_keys import Scope
from digest.content.issue_file import parse_issue
from digest.content.lint import blocking
from digest.delivery.issue_tests import write_tests
from digest.delivery.known import what_is_known
from digest.delivery.publish import Prepared, approve_issue, prepare_issue, store_issue
from digest.delivery.readiness import when_it_goes
from digest.delivery.writing import pictures_of, saved_since
from digest.errors import (
    AddressError,
    ConflictError,
    DigestError,
    InputError,
    IssueFileError,
    NotFoundError,
    RefusedError,
)
from digest.mail.address import parse_address
from digest.mail.tokens import share_token
from digest.store.issue_tests import last_test
from digest.store.issues import (
    StoredIssue,
    find_version,
    get_issue,
    get_version,
    issue_by_id,
    latest_version,
    list_issues,
)
from digest.store.media import file_names
from digest.store.newsletters import Newsletter
from digest.store.session import Session
from digest.web.api.calls import Call, Operation, RefusalError
from digest.web.api.issue_models import (
    Approval,
    Approved,
    Finding,
    IssueAdded,
    IssueChecked,
    IssueLine,
    IssueList,
    IssueSource,
    IssueText,
    ShareAsked,
    Shared,
    TestAsked,
    TestWritten,
)
from digest.web.api.newsletters import newsletter_called

BODY_LIMIT = 16 << 20  # bytes: a text and its pictures

_LIST = "/newsletters/{newsletter}/issues"
ONE = f"{_LIST}/{{issue}}"
_NOT_ASKED = {  # whoever may write a text need not make the server ask around
    "links": "a server asks no pages",
    "spam-score": "a server asks no spam filter",
}


async def list_all(call: Call) -> IssueList:
    """Every issue of a newsletter."""
    async with call.site.db.read() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
        found = await list_issues(session, newsletter.id)
    return IssueList(items=[IssueLine.of(one) for one in found])


async def source(call: Call) -> IssueSource:
    """The latest text of an issue."""
    async with call.site.db.read() as session:
        _, issue = await issue_of(session, call)
        version = await latest_version(session, issue.id)
        if version is None:
            raise NotFoundError
        shown = version.pictures or {}
        files = await file_names(session, set(shown.values()))
    media = f"{call.site.public_url}/media"
    return IssueSource(
        issue=issue.name,
        version=version.ordinal,
        hash=version.hash,
        source=version.source,
        pictures={name: f"{media}/{files[sha256]}" for name, sha256 in shown.items()},
    )


async def check(call: Call) -> IssueChecked:
    """Look at a text as an approval would, and store nothing."""
    async with call.site.db.read() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
        prepared = await _prepared(session, newsletter, call)
    sections = prepared.issue.rendered_sections
    return IssueChecked(
        issue=prepared.issue.name,
        ok=not blocking(prepared.findings),
        sections=len(sections),
        items=sum(len(one.items) for one in sections),
        findings=[Finding.of(one) for one in prepared.findings],
        spam_points=None,
        not_checked=_NOT_ASKED,
        ignored={one.code: one.reason for one in prepared.issue.ignore},
    )


async def add(call: Call) -> IssueAdded:
    """Store a text as the next version of its issue."""
    asked: IssueText = call.body
    async with call.site.db.begin() as session:
        newsletter = await newsletter_called(session, call.path["newsletter"])
        prepared = await _prepared(session, newsletter, call)
        if asked.based_on is not None:
            await _refuse_older(session, newsletter, prepared, asked.based_on)
        try:
            stored = await store_issue(session, newsletter, prepared, now=call.site.clock.now())
        except ConflictError as error:
            raise RefusalError(409, error) from error
    return IssueAdded(
        issue=stored.issue.name,
        version=stored.version.ordinal,
        hash=stored.version.hash,
        findings=[Finding.of(one) for one in stored.findings],
    )


async def share(call: Call) -> Shared:
    """Make a link that shows a version for some days. Nothing is stored: the link says it all."""
    asked: ShareAsked = call.body
    site = call.site
    async with site.db.read() as session:
        _, issue = await issue_of(session, call)
        if asked.hash is None:
            shown = await latest_version(session, issue.id)
        else:
            try:
                shown = await find_version(session, issue.id, asked.hash)
            except RefusedError as error:
                raise RefusalError(409, error) from error
    if shown is None:
        raise NotFoundError
    until = site.clock.now().date() + timedelta(days=asked.days)
    url = f"{site.public_url}/share/{share_token(site.keys, shown.id, until)}"
    return Shared(issue=issue.name, version=shown.ordinal, hash=shown.hash, url=url, until=until)


async def test(call: Call) -> TestWritten:
    """Put a test of the latest version in the queue."""
    asked: TestAsked = call.body
    addresses = [_address(one) for one in asked.to]
    async with call.site.db.begin() as session:
        newsletter, issue = await issue_of(session, call)
        written = await write_tests(
            session, newsletter, issue, addresses, now=call.site.clock.now()
        )
    return TestWritten(
        issue=issue.name,
        test=written.number,
        version=written.version.ordinal,
        hash=written.version.hash,
        state=issue.state.value,
        to=list(dict.fromkeys(addresses)),
    )


async def approve(call: Call) -> Approved:
    """Approve one version: this and nothing else goes out."""
    asked: Approval = call.body
    if (asked.hash is None) != asked.tested:
        raise InputError("Give the hash of a version, or say that the tested one is.", where="hash")
    now = call.site.clock.now()
    async with call.site.db.begin() as session:
        newsletter, issue = await issue_of(session, call)
        digits = asked.hash or await _tested(session, issue)
        try:
            version = await approve_issue(session, issue, digits, by=call.door, now=now)
        except (RefusedError, ConflictError) as error:
            raise RefusalError(409, error) from error
        issue = await issue_by_id(session, issue.id)  # as it is by now
        coming = await when_it_goes(session, newsletter, issue, now)
    return Approved.of(issue, version, coming)


async def issue_of(session: Session, call: Call) -> tuple[Newsletter, StoredIssue]:
    """The issue that the path names, and whose it is; NotFoundError."""
    newsletter = await newsletter_called(session, call.path["newsletter"])
    name = call.path["issue"]
    if not name.isprintable():  # PostgreSQL takes no NUL, not even in a question
        raise NotFoundError
    return newsletter, await get_issue(session, newsletter.id, name)


async def _prepared(session: Session, newsletter: Newsletter, call: Call) -> Prepared:
    """The text as a version would have it; InputError with its place for one that is none."""
    asked: IssueText = call.body
    site = call.site
    try:
        text = parse_issue(asked.text, path=asked.path)
        known = await what_is_known(session, newsletter, text, now=site.clock.now())
        return prepare_issue(
            newsletter,
            asked.text,
            path=asked.path,
            media=await pictures_of(session, None, asked.text) | asked.pictures,
            public_url=site.public_url,
            themes=site.themes,
            known=known,
        )
    except IssueFileError as error:
        raise InputError(_said(error), where="text") from error


async def _refuse_older(
    session: Session, newsletter: Newsletter, prepared: Prepared, based_on: str
) -> None:
    """Somebody else may have added a version meanwhile, which this text would undo."""
    name = str(prepared.issue.name)
    latest = await saved_since(session, newsletter, name, based_on)
    if latest is not None:
        message = (
            f"Version {latest.ordinal} of issue {name} was added since; yours is made of "
            "an earlier one."
        )
        fix = "Get it, and put both together: digest issue pull."
        raise RefusalError(409, ConflictError(message, where="based_on", fix=fix))


async def _tested(session: Session, issue: StoredIssue) -> str:
    last = await last_test(session, issue.id)
    if last is None:
        message = f"Issue {issue.name} was never sent as a test."
        raise RefusalError(409, RefusedError(message, where="tested"))
    return (await get_version(session, last.version_id)).hash


def _address(text: str) -> str:
    try:
        return str(parse_address(text.strip()))
    except AddressError as error:
        raise InputError(error.message, where="to") from error


def _said(error: DigestError) -> str:
    return " ".join(part for part in (f"{error.where}: {error.message}", error.fix) if part)


_WRITE = Operation(
    "add_issue",
    "POST",
    _LIST,
    Scope.ISSUES_WRITE,
    add,
    IssueAdded,
    "Store a text as the next version of its issue",
    body=IssueText,
    body_limit=BODY_LIMIT,
    status=201,
    problems=(404, 409),
)
OPERATIONS = (
    Operation(
        "list_issues",
        "GET",
        _LIST,
        Scope.ISSUES_READ,
        list_all,
        IssueList,
        "List the issues of a newsletter",
        problems=(404,),
    ),
    _WRITE,
    replace(
        _WRITE,
        name="check_issue",
        path="/newsletters/{newsletter}/check",
        scope=Scope.ISSUES_READ,
        answering=check,
        answer=IssueChecked,
        summary="Look at a text as an approval would; nothing is stored",
        looks=True,
        status=200,
        problems=(404,),
    ),
    Operation(
        "show_source",
        "GET",
        f"{ONE}/source",
        Scope.ISSUES_READ,
        source,
        IssueSource,
        "The latest text of an issue",
        problems=(404,),
    ),
    Operation(
        "share_issue",
        "POST",
        f"{ONE}/previews",
        Scope.ISSUES_READ,
        share,
        Shared,
        "Make a link that shows a version to whoever has it, for some days",
        body=ShareAsked,
        problems=(404, 409),
        looks=True,
    ),
    Operation(
        "test_issue",
        "POST",
        f"{ONE}/tests",
        Scope.ISSUES_WRITE,
        test,
        TestWritten,
        "Send the latest version to a few addresses; links in it change nothing",
        body=TestAsked,
        status=202,
        problems=(404,),
    ),
    Operation(
        "approve_issue",
        "POST",
        f"{ONE}/approval",
        Scope.ISSUES_APPROVE,
        approve,
        Approved,
        "Approve one version: this and nothing else goes out",
        body=Approval,
        problems=(404, 409),
    ),
)
