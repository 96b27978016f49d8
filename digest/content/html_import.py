"""A newsletter's HTML, or the mail it came in, as an issue file that keeps the links.

Headings become sections, links with the text behind them items. Of a mail (RFC 5322, MIME:
RFC 2045) the HTML part is taken, else the plain text. What a sender's system added for one
reader (leave and preferences links, "view in browser") is left out, and so are pictures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from itertools import groupby
from pathlib import PurePath

from digest.content.html_lines import Line, Page, Run, clean, read_page
from digest.content.issue import TODO
from digest.content.issue_source import issue_error
from digest.content.markdown import link_flaw
from digest.content.markdown_words import escape_words, guard_start, join_pieces, linked, safe_url
from digest.content.plain_text_import import (
    Imported,
    IssueDraft,
    import_plain_text,
    name_of,
    slug_of,
)

MAX_SOURCE = 5_000_000
"""Bytes of an HTML file or a mail."""

_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_SYSTEM = re.compile(
    r"""unsubscribe | (?:manage|update)[ ](?:your[ ])?(?:subscription|profile|preferences)
    | view[ ](?:this|it|in|online|email) | read[ ](?:online|in[ ]browser) | web[ ]version
    | open[ ]in[ ](?:app|browser)""",
    re.IGNORECASE | re.VERBOSE,
)
_MORE = re.compile(
    r"\W*(?:read|learn|find out|see|watch|continue|more|full)\b[^.]{0,30}$|\W*link\W*$",
    re.IGNORECASE,
)
_BEHIND_TITLE = re.compile(r"\s*[-–—:|(•·]|\s*$")


def import_html(data: bytes, *, path: str = "issue.html") -> Imported:
    """Turn the HTML of a newsletter into an issue file that can be read as it is.

    Raises IssueFileError for a file over 5 MB, in no known encoding or without text.
    """
    _check_size(data, path)
    draft = IssueDraft(slug=slug_of(PurePath(path).stem))
    return _import_page(read_page(_decode(data, path), path=path), draft, path=path)


def import_eml(data: bytes, *, path: str = "issue.eml") -> Imported:
    """Turn a mail into an issue file: its HTML part, else its plain text.

    The subject becomes the title, the Date header the date. Raises IssueFileError as
    :func:`import_html` does.
    """
    _check_size(data, path)
    try:
        message = message_from_bytes(data)
        parts = list(message.walk())
    except (MessageError, RecursionError, ValueError) as error:
        fix = "Save the mail again, or give its HTML."
        raise issue_error(path, "The mail cannot be read.", fix, line=1) from error
    subject = _subject(message)
    for part in parts:
        if part.get_content_type() == "text/html" and not part.get_filename():
            draft = IssueDraft(title=subject, date=_date(message))
            draft.slug = slug_of(PurePath(path).stem)
            return _import_page(read_page(_body(part, path), path=path), draft, path=path)
    for part in parts:
        if part.get_content_type() == "text/plain" and not part.get_filename():
            text = clean(_body(part, path))
            first = next((line.strip() for line in text.split("\n") if line.strip()), "")
            if not first:
                break
            known = subject in {TODO, first}
            return import_plain_text(text if known else f"{subject}\n\n{text}", path=path)
    fix = "Give a mail with an HTML or a text part."
    raise issue_error(path, "The mail has no text.", fix, line=1)


def _check_size(data: bytes, path: str) -> None:
    if len(data) > MAX_SOURCE:
        message = f"The file has {len(data):,} bytes; at most {MAX_SOURCE:,} are read."
        raise issue_error(path, message, "Give one newsletter without attachments.", line=1)


def _decode(data: bytes, path: str, charset: str | None = None) -> str:
    declared = _CHARSET.search(data[:4_096])
    names = [charset, "utf-8-sig", declared[1].decode() if declared else None]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        names.insert(0, "utf-16")
    for name in filter(None, names):
        try:
            return data.decode(name)
        except (LookupError, UnicodeError):
            continue
    fix = "Save it as UTF-8, or name its encoding in <meta charset>."
    raise issue_error(path, "The encoding of the file is not known.", fix, line=1)


def _body(part: Message, path: str) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    return _decode(data, path, part.get_content_charset())


def _subject(message: Message) -> str:
    written = str(message.get("Subject", ""))[:2_000]
    try:
        subject = str(make_header(decode_header(written)))
    except (MessageError, LookupError, ValueError):
        subject = written
    return _title(subject) or TODO


def _date(message: Message) -> str:
    try:
        return parsedate_to_datetime(str(message.get("Date", ""))).date().isoformat()
    except (TypeError, ValueError, IndexError, OverflowError):
        return ""


def _title(text: str) -> str:
    return " ".join(clean(text).split())[:300].replace("{name|", "{ name|")


def _import_page(page: Page, draft: IssueDraft, *, path: str) -> Imported:
    lines = [line for line in page.lines if not _is_system(line)]
    if not lines:
        raise issue_error(path, "The file has no text.", "Give a newsletter's HTML.", line=1)
    top = [line for line in lines if line.level == 1]
    name = page.title or (top[0].text if len(top) == 1 else "")
    if draft.title == TODO:
        draft.title = _title(name) or TODO
    lines = [line for line in lines if line.level != 1 or _title(line.text) != draft.title]
    draft.number, slug = name_of(draft.title)
    draft.slug = slug if draft.title != TODO else draft.slug
    draft.preview = _title(page.preheader)
    writer = _Writer(draft, _section_level(lines))
    writer.write(lines)
    return draft.finish(path=path)


def _is_system(line: Line) -> bool:
    linked_words = any(run.href for run in line.runs)
    return linked_words and len(line.text) < 200 and bool(_SYSTEM.search(line.text))


def _section_level(lines: Sequence[Line]) -> int:
    """The level of the headings that are sections: the highest without a link.

    One single ``h1`` above others is the name of the newsletter.
    """
    levels = sorted(line.level for line in lines if line.level and _whole_link(line) is None)
    if levels[:1] == [1] and levels[1:2] not in ([], [1]):
        return levels[1]
    return levels[0] if levels else 0


def _whole_link(line: Line) -> str | None:
    """The address all words of a line link to."""
    hrefs = {run.href for run in line.runs if run.text.strip()}
    href = hrefs.pop() if len(hrefs) == 1 else None
    return href if href and not link_flaw(safe_url(href)) else None


@dataclass(slots=True)
class _Open:
    """An item whose text is still being read."""

    title: str
    url: str | None
    texts: list[str] = field(default_factory=list)


class _Writer:
    def __init__(self, draft: IssueDraft, section_level: int) -> None:
        self.draft = draft
        self.section_level = section_level
        self.item: _Open | None = None
        self.heading: str | None = None
        self.in_section = False
        self.lost = 0

    def write(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.level and line.level == self.section_level and _whole_link(line) is None:
                self.begin_section(line.text)
            elif line.level and line.level < self.section_level:
                self.add_text(line)
            elif line.level:
                self.begin_item(line.text, _whole_link(line), ())
            elif (count := self.title_runs(line)) > 0:
                title = " ".join("".join(run.text for run in line.runs[:count]).split())
                self.begin_item(title, _first_link(line.runs[:count]), line.runs[count:])
            else:
                self.add_text(line)
        self.end_item()
        self.end_heading()
        if not self.draft.parts:
            self.draft.parts.append(TODO)

    def title_runs(self, line: Line) -> int:
        """How many runs at the start of a line are the title of an item; 0 when it has none."""
        runs = line.runs
        count = 0
        while count < len(runs) and not runs[count].text.strip():
            count += 1
        if count == len(runs) or _first_link([runs[count]]) is None:
            return 0
        first = runs[count]
        while count < len(runs) and runs[count].href == first.href:
            count += 1
        rest = "".join(run.text for run in runs[count:])
        title = " ".join("".join(run.text for run in runs[:count]).split())
        if _MORE.match(title) or len(title) > 300:
            return 0
        sets_off = not rest.strip() or bool(_BEHIND_TITLE.match(rest)) or first.bold or line.entry
        enough = len(title.split()) > 1 or first.bold or line.entry or self.in_section
        return count if sets_off and enough else 0

    def begin_section(self, words: str) -> None:
        self.end_item()
        self.end_heading()
        self.heading = words
        self.in_section = True

    def begin_item(self, title: str, url: str | None, rest: Sequence[Run]) -> None:
        self.end_item()
        if not self.in_section:
            self.lost += 1
            self.draft.parts.append(f"## {TODO} section {self.lost}")
            self.in_section = True
        elif self.heading is not None:
            self.draft.parts.append(f"## {escape_words(self.heading)}")
            self.heading = None
        self.item = _Open(title, url)
        text = _markdown(rest)
        if text:
            self.item.texts.append(text)

    def add_text(self, line: Line) -> None:
        text = _markdown(line.runs)
        if line.quoted or line.text.lower().startswith("abstract:"):
            text = f"> {text}"
        elif line.entry:
            text = f"- {text}"
        if self.item is not None:
            if self.item.url is None:
                self.item.url = _first_link(line.runs)
            self.item.texts.append(text)
            return
        if self.heading is not None:
            self.draft.parts.append(f"## {escape_words(self.heading)}")
            self.heading = None
        self.draft.parts.append(text)

    def end_item(self) -> None:
        if self.item is not None:
            self.draft.parts += [f"### {linked(self.item.title, self.item.url)}", *self.item.texts]
            self.item = None

    def end_heading(self) -> None:
        """A heading with nothing below it says nothing as a section, but its words stay."""
        if self.heading is not None:
            self.draft.parts += [f"## {escape_words(self.heading)}", TODO]
            self.heading = None


def _first_link(runs: Sequence[Run]) -> str | None:
    hrefs = (run.href for run in runs if run.href and run.text.strip())
    return next((href for href in hrefs if not link_flaw(safe_url(href))), None)


def _markdown(runs: Sequence[Run]) -> str:
    """Runs as one line of Markdown."""
    pieces: list[str] = []
    for href, same in groupby(runs, key=lambda run: run.href):
        text = "".join(run.text for run in same)
        words = " ".join(text.split())
        target = safe_url(href) if href else ""
        if words and target and not link_flaw(target):
            written = f"[{escape_words(words)}]({target})"
        else:
            written = escape_words(words)
        pieces += [" " * text[:1].isspace(), written, " " * text[-1:].isspace()]
    return guard_start(" ".join(join_pieces(pieces).split()))
