"""What goes in and out of the API about issues; see ``models`` for how it is read and made."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Base64Bytes, Field

from digest.content.finding import Finding as FoundFinding
from digest.store.issues import StoredIssue
from digest.store.versions import StoredVersion
from digest.web.api.models import Address, Answer, Asked
from digest.web.review import SHARED_DAYS, SHARED_DAYS_MAX

TEXT_MAX = 1 << 20  # characters
PICTURES_MAX = 50
TESTS_MAX = 20  # addresses

IssueName: TypeAlias = int | str
IssueState: TypeAlias = Literal["draft", "approved", "sending", "paused", "finished", "cancelled"]
Path: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Hash: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]


class Finding(Answer):
    """Something to look at in a text."""

    code: str
    severity: str
    """`error` stands in the way of an approval."""
    message: str
    line: int
    column: int
    fix: str

    @classmethod
    def of(cls, found: FoundFinding) -> Self:
        """What is shown of a finding."""
        return cls(
            code=found.code,
            severity=found.severity.value,
            message=found.message,
            line=found.place.line,
            column=found.place.column,
            fix=found.fix,
        )


class IssueLine(Answer):
    """An issue in a list."""

    issue: IssueName
    """Its number, or its slug where it has none."""
    title: str
    state: IssueState
    listed: bool
    scheduled_at: datetime | None
    planned: int | None
    planned_at: datetime | None
    finished_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, found: StoredIssue) -> Self:
        """What is shown of an issue in a list."""
        return cls.model_validate(
            {
                "issue": found.name,
                "title": found.title,
                "state": found.state.value,
                "listed": found.listed,
                "scheduled_at": found.scheduled_at,
                "planned": found.planned,
                "planned_at": found.planned_at,
                "finished_at": found.finished_at,
                "created_at": found.created_at,
            }
        )


class IssueList(Answer):
    """Every issue of a newsletter, the one added last first."""

    items: list[IssueLine]


class IssueSource(Answer):
    """The latest text of an issue."""

    issue: IssueName
    version: int
    hash: str
    source: str
    pictures: dict[str, str]
    """Where the pictures are that it shows, by the path the text names them with."""


class IssueText(Asked):
    """An issue file, with the pictures it shows."""

    text: Annotated[str, Field(max_length=TEXT_MAX)]
    path: Path = "issue.md"
    """What its errors call it."""
    pictures: Annotated[dict[Path, Base64Bytes], Field(max_length=PICTURES_MAX)] = Field(
        default_factory=dict
    )
    """By the path the text names them with; base64."""
    based_on: Hash | None = None
    """The hash of the version it was made of: refused where there is a later one by now."""


class IssueAdded(Answer):
    """A text that is a version now."""

    issue: IssueName
    version: int
    hash: str
    findings: list[Finding]


class IssueChecked(Answer):
    """What was found in a text."""

    issue: IssueName
    ok: bool
    """Whether nothing stands in the way of sending it."""
    sections: int
    items: int
    findings: list[Finding]
    spam_points: float | None
    """Null: no spam filter was asked."""
    not_checked: dict[str, str]
    """What was not looked at, and why."""
    ignored: dict[str, str]
    """The findings that the text wants left out, and why."""


class ShareAsked(Asked):
    """Which version is shown, and for how long."""

    hash: Hash | None = None
    """The latest, when not given."""
    days: Annotated[int, Field(ge=1, le=SHARED_DAYS_MAX)] = SHARED_DAYS


class Shared(Answer):
    """A link that shows a version before it goes out; whoever has it can look, no more."""

    issue: IssueName
    version: int
    hash: str
    url: str
    until: date
    """The last day it works (UTC)."""


class TestAsked(Asked):
    """Who gets a test."""

    __test__ = False  # for pytest

    to: Annotated[list[Address], Field(min_length=1, max_length=TESTS_MAX)]


class TestWritten(Answer):
    """A test that is on its way."""

    __test__ = False  # for pytest

    issue: IssueName
    test: int
    version: int
    hash: str
    state: IssueState
    to: list[str]


class Approval(Asked):
    """Which version may go out: by its hash, or the one that was tested last."""

    hash: Hash | None = None
    tested: bool = False


class Approved(Answer):
    """What an approval was given to."""

    issue: IssueName
    version: int
    hash: str
    state: IssueState
    next: str
    """When it goes out, in words."""

    @classmethod
    def of(cls, issue: StoredIssue, version: StoredVersion, coming: str) -> Self:
        """What is said of an approval."""
        return cls(
            issue=issue.name,
            version=version.ordinal,
            hash=version.hash,
            state="approved",
            next=coming,
        )


class IssueCounts(Answer):
    """How far an issue is: ``planned`` is the sum of the others but ``in_doubt``."""

    issue: IssueName
    state: IssueState
    paused_reason: str | None
    planned: int
    accepted: int
    rejected: int
    deferred: int
    in_doubt: int
    expired: int
    cancelled: int
    suppressed: int
    skipped: int
    held: int
    queued: int
    sending: int
