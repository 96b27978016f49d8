"""What is wrong with an issue before anybody gets it.

The checks are pure: what pages, the database and a spam filter say is handed in.

Each check has a stable code, which ``ignore:`` in the file may name together with a reason. Some
cannot be ignored: a placeholder, a link that does something else than showing a page, a mail
without a way out, and one that the largest mailbox provider would cut off (Gmail clips at about
102 KB, the footer with its unsubscribe link first; so a warning from 70 KB and a failure from 90 KB
of decoded HTML). Codes are for ever: scripts and old issue files name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from digest.content import lint_links, lint_mail, lint_words
from digest.content.finding import TOP, Check, Draft, Finding, Found, Known, Severity, words_of
from digest.content.issue import TODO, Issue, Place
from digest.content.issue_file import placeholders
from digest.content.layout import clean_text
from digest.content.links import canonical_url, link_target
from digest.content.lint_mail import KB, mail_size
from digest.content.render import Rendered

__all__ = [
    "CHECKS",
    "KB",
    "Check",
    "Finding",
    "Known",
    "Severity",
    "blocking",
    "check_issue",
    "mail_size",
]


def check_issue(
    issue: Issue, *, rendered: Rendered | None = None, known: Known | None = None
) -> tuple[Finding, ...]:
    """All findings, in the order of the file.

    With ``rendered`` the mail is judged too, with ``known`` what was found out beside the text.
    """
    draft = Draft(issue, rendered, known or Known())
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


def _placeholder(draft: Draft) -> Iterator[Found]:
    """TODO as a link, a heading or a text: the issue is not finished."""
    for place in placeholders(draft.issue):
        yield place, "Something is still TODO."


def _duplicate_item(draft: Draft) -> Iterator[Found]:
    """The same page twice in the issue, by its canonical form."""
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
    """A picture without a description: nothing is there where pictures are not shown."""
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if item.figure and not item.figure.alt.strip():
                yield item.figure.place, f"The picture {item.figure.source} has no description."
    for words in words_of(draft.issue):
        if words.kind == "image" and not words.text.strip():
            yield words.place, f"The picture {words.target} has no description."


def _bad_link(draft: Draft) -> Iterator[Found]:
    """A link that does something else than showing a page or writing a mail."""
    for section in draft.issue.rendered_sections:
        for item in section.items:
            if item.url != TODO and link_target(item.url) is None:
                yield item.place, f"{clean_text(item.url)[:80]!r} is no link to a page."
    for words in words_of(draft.issue):
        if words.kind == "link" and words.target != TODO and link_target(words.target) is None:
            yield words.place, f"{clean_text(words.target)[:80]!r} is no link to a page."


def _no_items(draft: Draft) -> Iterator[Found]:
    """Neither an opening nor an item."""
    sections = draft.issue.rendered_sections
    if not any(section.items for section in sections) and not draft.issue.opening:
        yield TOP, "There is nothing to read in it."


def _ignored_code(draft: Draft) -> Iterator[Found]:
    """An `ignore:` of a code that cannot be ignored, or without a reason."""
    known = {check.code for check in CHECKS if check.ignorable}
    for ignore in draft.issue.ignore:
        if ignore.code not in known:
            yield TOP, f"ignore: {clean_text(ignore.code)!r} is no finding that can be ignored."
        elif not ignore.reason.strip():
            yield TOP, f"ignore: {ignore.code} has no reason."


_LEAVE_FIX: Final = "A theme's footer shows {{ leave_url }}; `digest theme check` says where."
_SLOT_FIX: Final = "Write {name|fallback}, in a text; there is no other slot."
_DEAD_FIX: Final = "Correct it or leave it out; it is asked again in ten minutes."
_UNASKED_FIX: Final = "Open it once yourself."
_SPONSOR_FIX: Final = "Add its item, with {sponsor} behind the heading, or: digest link drop."
_SPAM_FIX: Final = "Say differently what the rules named point to."
_ERROR, _WARNING, _HINT = Severity.ERROR, Severity.WARNING, Severity.HINT

CHECKS: Final[tuple[Check, ...]] = (
    Check("placeholder", _ERROR, _placeholder, "Replace TODO by a link or words.", ignorable=False),
    Check("bad-link", _ERROR, _bad_link, "Use an http:, https: or mailto: link.", ignorable=False),
    Check("size", _ERROR, lint_mail.size_limit, "Leave items out or cut texts.", ignorable=False),
    Check("no-way-out", _ERROR, lint_mail.no_way_out, _LEAVE_FIX, ignorable=False),
    Check("slot-spelling", _ERROR, lint_words.slot_spelling, _SLOT_FIX),
    Check("empty", _ERROR, _no_items, "Write an opening, or a section with an item."),
    Check("dead-link", _ERROR, lint_links.dead_link, _DEAD_FIX),
    Check("sponsor-missing", _ERROR, lint_mail.sponsor_missing, _SPONSOR_FIX),
    Check("spam-score", _ERROR, lint_mail.spam, _SPAM_FIX),
    Check("size", _WARNING, lint_mail.size, "Leave items out or shorten texts."),
    Check("text-part", _WARNING, lint_mail.text_part, "Show the same links in both parts."),
    Check("spam-score", _WARNING, lint_mail.nearly_spam, _SPAM_FIX),
    Check("moved-link", _WARNING, lint_links.moved_link, "Link where it is now."),
    Check("slow-link", _HINT, lint_links.slow_link, "Readers will wait as long."),
    Check("unasked-link", _HINT, lint_links.unasked_link, _UNASKED_FIX),
    Check("already-sent", _WARNING, lint_mail.already_sent, "Leave it out, or say what is new."),
    Check("same-subject", _WARNING, lint_mail.same_subject, "Name what is in this issue."),
    Check("duplicate-item", _WARNING, _duplicate_item, "Keep one of the two."),
    Check("same-title", _WARNING, lint_words.link_twice, "Say in each title what is different."),
    Check("missing-alt", _WARNING, _missing_alt, "Say in ![…] what the picture shows."),
    Check("link-words", _WARNING, lint_words.link_words, "Link the words that name the page."),
    Check("short-link", _WARNING, lint_words.short_link, "Link the page itself."),
    Check("leftover", _WARNING, lint_words.leftover, "Replace it, or say it differently."),
    Check("subject-length", _WARNING, lint_words.subject_length, "Important words first, or cut."),
    Check("subject-shouts", _WARNING, lint_words.subject_shouts, "Write it as a sentence."),
    Check("preview-missing", _WARNING, lint_words.preview_missing, "Add preview: … at the top."),
    Check("preview-length", _WARNING, lint_words.preview_length, "Say in one line what is in it."),
    Check("preview-repeats", _WARNING, lint_words.preview_repeats, "Go on where the subject ends."),
    Check("ignored-code", _WARNING, _ignored_code, "Write ignore: CODE: reason."),
)
