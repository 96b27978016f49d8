"""What is wrong with an issue before anybody gets it: the checks that need no network.

Each check has a stable code, which ``ignore:`` in the file may name together with a reason. Some
cannot be ignored: a placeholder, a link that does something else than showing a page, and a mail
that the largest mailbox provider would cut off (Gmail clips at about 102 KB, the footer with its
unsubscribe link first; so a warning from 70 KB and a failure from 90 KB of decoded HTML).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from digest.content.issue import TODO, Fragment, Issue, Place
from digest.content.issue_file import placeholders
from digest.content.layout import clean_text
from digest.content.links import canonical_url, link_target
from digest.content.markdown import issue_markdown
from digest.content.render import Rendered
from digest.mail.message import fill_marks
from digest.mail.tokens import TOKEN_LENGTH

__all__ = ["CHECKS", "Check", "Finding", "Severity", "blocking", "check_issue", "mail_size"]

KB: Final = 1024
SIZE_WARNING: Final = 70 * KB
SIZE_LIMIT: Final = 90 * KB
SUBJECT_LONGEST: Final = 78  # phones show about 40 characters, desktops about 70
PREVIEW_SHORTEST, PREVIEW_LONGEST = 30, 140
_TOP: Final = Place(1, 1)


class Severity(StrEnum):
    """An error keeps an issue from being approved, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: where it stands and what to do about it."""

    code: str
    severity: Severity
    message: str
    place: Place
    fix: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a check looks at."""

    issue: Issue
    rendered: Rendered | None


Found = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table: a code, how bad it is, who looks, and what to do."""

    code: str
    severity: Severity
    look: Callable[[Draft], Iterator[Found]]
    fix: str
    ignorable: bool = True


def check_issue(issue: Issue, *, rendered: Rendered | None = None) -> tuple[Finding, ...]:
    """All findings, in the order of the file. With ``rendered``, the size is judged too."""
    draft = Draft(issue, rendered)
    ignored = {ignore.code for ignore in issue.ignore if ignore.reason.strip()}
    findings = [
        Finding(check.code, check.severity, message, place, check.fix)
        for check in CHECKS
        if not (check.ignorable and check.code in ignored)
        for place, message in check.look(draft)
    ]
    return tuple(sorted(findings, key=lambda finding: finding.place))


def blocking(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings an issue cannot be approved with."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def mail_size(rendered: Rendered) -> int:
    """Bytes of the HTML as one reader gets it, decoded, with values in the place of marks."""
    values = [
        slot.fallback if slot.name == "name" else "x" * TOKEN_LENGTH for slot in rendered.slots
    ]
    return len(fill_marks(rendered.html, values).encode())


def _placeholder(draft: Draft) -> Iterator[Found]:
    for place in placeholders(draft.issue):
        yield place, "Something is still TODO."


def _duplicate_item(draft: Draft) -> Iterator[Found]:
    first: dict[str, Place] = {}
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if item.url == TODO:
                continue
            before = first.setdefault(canonical_url(item.url), item.place)
            if before is not item.place:
                title = clean_text(item.title)
                yield item.place, f"“{title}” is linked already in line {before.line}."


def _missing_alt(draft: Draft) -> Iterator[Found]:
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if item.figure and not item.figure.alt.strip():
                yield item.figure.place, f"The picture {item.figure.source} has no description."
    for place, child in _inline_tokens(draft.issue, "image"):
        if not child[1].strip():
            yield place, f"The picture {child[0]} has no description."


def _bad_link(draft: Draft) -> Iterator[Found]:
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if item.url != TODO and link_target(item.url) is None:
                yield item.place, f"{clean_text(item.url)[:80]!r} is no link to a page."
    for place, (href, _) in _inline_tokens(draft.issue, "link_open"):
        if href != TODO and link_target(href) is None:
            yield place, f"{clean_text(href)[:80]!r} is no link to a page."


def _subject_length(draft: Draft) -> Iterator[Found]:
    length = len(draft.issue.subject)
    if length > SUBJECT_LONGEST:
        yield _TOP, f"The subject has {length} characters; {SUBJECT_LONGEST} can be seen."


def _preview_missing(draft: Draft) -> Iterator[Found]:
    if not draft.issue.preview.strip():
        yield _TOP, "There is no preview line."


def _preview_length(draft: Draft) -> Iterator[Found]:
    length = len(draft.issue.preview.strip())
    if length and not PREVIEW_SHORTEST <= length <= PREVIEW_LONGEST:
        bounds = f"{PREVIEW_SHORTEST} to {PREVIEW_LONGEST}"
        yield _TOP, f"The preview line has {length} characters; {bounds} look best."


def _size_limit(draft: Draft) -> Iterator[Found]:
    if draft.rendered and (size := mail_size(draft.rendered)) > SIZE_LIMIT:
        yield _TOP, f"The mail has {size / KB:.1f} KB; {SIZE_LIMIT // KB} KB is the most."


def _size(draft: Draft) -> Iterator[Found]:
    if draft.rendered and SIZE_WARNING < (size := mail_size(draft.rendered)) <= SIZE_LIMIT:
        yield _TOP, f"The mail has {size / KB:.1f} KB; from {SIZE_LIMIT // KB} KB on it is refused."


def _ignored_code(draft: Draft) -> Iterator[Found]:
    known = {check.code for check in CHECKS if check.ignorable}
    for ignore in draft.issue.ignore:
        if ignore.code not in known:
            yield _TOP, f"ignore: {clean_text(ignore.code)!r} is no finding that can be ignored."
        elif not ignore.reason.strip():
            yield _TOP, f"ignore: {ignore.code} has no reason."


def _inline_tokens(issue: Issue, kind: str) -> Iterator[tuple[Place, tuple[str, str]]]:
    """Target and text of every link or image in the issue's texts, with the line of its block."""
    for fragment in _fragments(issue):
        if "](" not in fragment.text and "<" not in fragment.text:
            continue
        for token in issue_markdown().parse(fragment.text):
            line = fragment.line + (token.map[0] if token.map else 0)
            for child in token.children or ():
                if child.type == kind:
                    target = child.attrs.get("href") or child.attrs.get("src") or ""
                    yield Place(line), (str(target), child.content)


def _fragments(issue: Issue) -> Iterator[Fragment]:
    yield issue.opening
    for section in issue.rendered_sections:
        yield section.text
        for item in section.items:
            yield item.byline
            yield item.body
    yield issue.closing


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

CHECKS: Final[tuple[Check, ...]] = (
    Check("placeholder", _ERROR, _placeholder, "Replace TODO by a link or words.", ignorable=False),
    Check("bad-link", _ERROR, _bad_link, "Use an http:, https: or mailto: link.", ignorable=False),
    Check("size", _ERROR, _size_limit, "Leave items out or shorten texts.", ignorable=False),
    Check("size", _WARNING, _size, "Leave items out or shorten texts."),
    Check("duplicate-item", _WARNING, _duplicate_item, "Keep one of the two."),
    Check("missing-alt", _WARNING, _missing_alt, "Say in ![…] what the picture shows."),
    Check("subject-length", _WARNING, _subject_length, "Put the important words first, or cut."),
    Check("preview-missing", _WARNING, _preview_missing, "Add a line preview: … at the top."),
    Check("preview-length", _WARNING, _preview_length, "Say what is in the issue in one line."),
    Check("ignored-code", _WARNING, _ignored_code, "Write ignore: CODE: reason."),
)
