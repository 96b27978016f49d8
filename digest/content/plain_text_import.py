"""A newsletter's plain text as an issue file; no word of it is lost or moved.

Titles become ``###`` items, what is missing becomes ``TODO``: a link that is not in the text and
the heading of a section that is only set apart by a larger gap. What was recognised as what is
in :mod:`digest.content.plain_text_parts`; here it is written down.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from digest.content.issue import TODO
from digest.content.issue_file import read_issue
from digest.content.issue_format import normal_form
from digest.content.issue_outline import read_outline
from digest.content.issue_source import MAX_BYTES, MAX_LINE, forbidden_character, issue_error
from digest.content.item_kind import REPOSITORY_NAME
from digest.content.markdown_words import URL, escape_line, escape_words, linked
from digest.content.plain_text_blocks import DASHED, LABELLED, TextBlock, read_text_blocks
from digest.content.plain_text_parts import Part, read_parts
from digest.errors import IssueFileError

_NUMBER = re.compile(
    r"(?:\b(?:issue|number|edition|no|nr|vol(?:ume)?|ep(?:isode)?|week|letter)\b\.?\s*[#:№]?\s*|[#№]\s?)"
    r"([1-9]\d{0,5})\b",
    re.IGNORECASE,
)
_TRAILING_NUMBER = re.compile(r"^[^\d]*[^\d./-]\s([1-9]\d{0,4})(?=\s*(?:$|[:–—|(-]\s?))")
_REPOSITORY = re.compile(
    r"\[?(?:github|repo)(?:\]|:)\s*([\w.-]+/[\w.-]+?)(?:[:,]?\s.*|[:,]?)", re.IGNORECASE
)
_SPONSOR = re.compile(
    r"[\[(](?:sponsor(?:ed)?|ad|advertisement)[\])]|sponsor(?:ed)?:", re.IGNORECASE
)
_ADDRESS_AT_END = re.compile(rf"\s*(?:[-–—|:]\s+)?[(<\[]*({URL.pattern})[)>\]]*$", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(rf"\[([^\[\]]+)\]\(({URL.pattern})\)", re.IGNORECASE)
_TITLE_LENGTH = 300
_MOST_BLOCKS = 5_000


@dataclass(frozen=True, slots=True)
class Imported:
    """An issue file made from something else.

    ``missing_links`` are the lines of ``markdown`` (from 1) whose link is ``TODO``.
    """

    markdown: str
    missing_links: tuple[int, ...]
    sections: int
    items: int


@dataclass(slots=True)
class IssueDraft:
    """The parts of an issue that is being put together, as Markdown."""

    title: str = TODO
    preview: str = ""
    number: int | None = None
    slug: str = "issue"
    date: str = ""
    parts: list[str] = field(default_factory=list)

    def finish(self, *, path: str) -> Imported:
        """The file in normal form, read once more. Raises IssueFileError where it cannot be."""
        name = f"number: {self.number}" if self.number else f"slug: {self.slug}"
        front = ["---", name, f"title: {self.title}"]
        if self.preview:
            front.append(f"preview: {self.preview}")
        if self.date:
            front.append(f"date: {self.date}")
        text = "\n".join([*front, "---", ""]) + "\n\n".join(self.parts) + "\n"
        try:
            outline = read_outline(text, path=path)
            issue = read_issue(outline)
        except IssueFileError as error:  # its place is one in the new file, which nobody has
            raise IssueFileError(error.message, where=path, fix=error.fix) from error
        markdown = normal_form(outline)
        missing = [
            number
            for number, line in enumerate(markdown.split("\n"), 1)
            if line.startswith(("### ", "- [")) and f"]({TODO})" in line
        ]
        items = sum(len(section.items) for section in issue.sections)
        return Imported(markdown, tuple(missing), len(issue.sections), items)


def import_plain_text(text: str, *, path: str = "issue.txt") -> Imported:
    """Turn the plain text of a newsletter into an issue file that can be read as it is.

    Raises IssueFileError for a text that is empty, too long or holds control characters.
    """
    lines = _checked_lines(text, path=path)
    blocks = read_text_blocks(lines, most=_MOST_BLOCKS + 2)
    if not blocks:
        raise issue_error(path, "The file has no text.", "Give the text of a newsletter.", line=1)
    draft = IssueDraft(slug=slug_of(PurePath(path).stem))
    if _is_title(blocks[0]):
        draft.title = blocks[0].text
        draft.number, slug = name_of(draft.title)
        draft.slug = slug
        blocks = blocks[1:]
        if draft.number is None and blocks and blocks[0].is_dateline:
            draft.number = name_of(blocks[0].text)[0]
    if len(blocks) > _MOST_BLOCKS:
        message = f"The text has more than {_MOST_BLOCKS:,} paragraphs."
        raise issue_error(path, message, "Import the issues one by one.", line=1)
    if blocks:
        _write_parts(draft, blocks)
    if not draft.parts:
        draft.parts.append(TODO)
    return draft.finish(path=path)


def _checked_lines(text: str, *, path: str) -> list[str]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\f", "\n").replace("\v", "\n")
    if len(text) > MAX_BYTES:
        message = f"The text has {len(text):,} characters; an issue has at most {MAX_BYTES:,}."
        raise issue_error(path, message, "Import the issues one by one.", line=1)
    bad = forbidden_character(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        message = f"The character U+{ord(bad[0]):04X} cannot stand in an issue."
        raise issue_error(path, message, "Delete it.", line=line, column=column)
    lines = text.split("\n")
    for number, line_text in enumerate(lines, 1):
        # Escaped, a line can grow to twice its length.
        if len(line_text) * 2 > MAX_LINE:
            message = f"The line has {len(line_text):,} characters; at most {MAX_LINE // 2:,}."
            raise issue_error(path, message, "Break it into several lines.", line=number)
    return lines


def _is_title(block: TextBlock) -> bool:
    fits = len(block.text) <= _TITLE_LENGTH and "{name|" not in block.text
    text = block.is_greeting or (block.is_sentence and block.words > 14) or block.is_address
    return fits and not text


def name_of(title: str) -> tuple[int | None, str]:
    """The number in a title, or None, and a slug made from it."""
    match = _NUMBER.search(title) or _TRAILING_NUMBER.search(title)
    number = int(match[1]) if match else None
    if match and match.re is _TRAILING_NUMBER and 1900 <= int(match[1]) <= 2100:
        number = None  # the year, not the issue
    return number, slug_of(title)


def slug_of(text: str) -> str:
    """Lower-case ASCII letters, digits and hyphens of a text; ``issue`` where there are none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))[:60].strip("-")
    return slug if re.search("[a-z]", slug) else f"issue-{slug}".strip("-")


def _write_parts(draft: IssueDraft, blocks: Sequence[TextBlock]) -> None:
    parts = read_parts(blocks)
    lost = 0
    position = 0
    began, closing = False, False
    while position < len(parts):
        part, index = parts[position]
        block = blocks[index]
        position += 1
        if part is Part.PREVIEW and "{name|" not in block.text:
            draft.preview = block.text
        elif part is Part.HEADING:
            draft.parts.append(f"## {_heading(block)}")
            began = True
        elif part is Part.LOST_HEADING:
            lost += 1
            draft.parts.append(f"## {TODO} section {lost}")
            began = True
        elif part is Part.TITLE:
            end = position
            while end < len(parts) and parts[end][0] is Part.BLURB:
                end += 1
            draft.parts += write_item([block, *(blocks[i] for _, i in parts[position:end])])
            position = end
        else:
            if part is Part.CLOSING and began and not closing:
                draft.parts.append("---")
                closing = True
            draft.parts.append(_paragraph(block))
    draft.parts = list(_with_something_below(draft.parts))


def _with_something_below(parts: Sequence[str]) -> Iterator[str]:
    """A heading with nothing below it says nothing as a section, but its words stay."""
    for part, following in zip(parts, [*parts[1:], "---"], strict=True):
        yield part
        if part.startswith("## ") and (following == "---" or following.startswith("## ")):
            yield TODO


def _heading(block: TextBlock) -> str:
    return escape_words(block.heading_words)


def _paragraph(block: TextBlock) -> str:
    text = "\n".join(escape_line(line) for line in block.lines)
    return "- " + text.replace("\n", "\n  ") if block.bullet else text


def write_item(blocks: Sequence[TextBlock]) -> list[str]:
    """An item as Markdown: its title as the link, an address that stood alone taken as target."""
    title, url, rest = _title_and_link(blocks[0])
    texts = list(rest)
    byline: str | None = None
    for block in blocks[1:]:
        if block.is_address:
            if url is None:
                url = block.text.strip("<>()")
                continue
        elif block.ends_with_address and url is None:
            url = block.text.split()[-1].strip("()<>[]")
        elif block.is_byline and not texts and byline is None:
            byline = f"*{escape_words(block.text)}*"
            continue
        texts.append(block)
    label = " {sponsor}" if _SPONSOR.match(title) or _SPONSOR.search(title[-20:]) else ""
    head = f"### {linked(title, url or _repository(title))}{label}"
    return [head, *([byline] if byline else []), *_blurbs(texts)]


def _title_and_link(block: TextBlock) -> tuple[str, str | None, list[TextBlock]]:
    text = block.text
    whole = _MARKDOWN_LINK.fullmatch(text)
    if whole:
        return whole[1], whole[2], []
    at_end = _ADDRESS_AT_END.search(text) if block.before_address else None
    if at_end and not URL.search(text[: at_end.start()]):
        return text[: at_end.start()].strip(), at_end[1], []
    dashed = DASHED.fullmatch(text) if block.is_dashed else None
    if dashed and not URL.search(dashed[1]):
        return dashed[1], None, [replace(block, lines=(dashed[2],), bullet=False)]
    labelled = LABELLED.fullmatch(text) if block.bullet else None
    if labelled and not URL.search(labelled[1]):
        blurb = replace(block, lines=(labelled[2],), bullet=False)
        return labelled[1], None, [blurb]
    return text, None, []


def _repository(title: str) -> str | None:
    match = _REPOSITORY.fullmatch(title)
    known = match and REPOSITORY_NAME.fullmatch(match[1])
    return f"https://github.com/{match[1]}" if match and known else None


def _blurbs(blocks: Sequence[TextBlock]) -> Iterator[str]:
    """Texts as paragraphs, an abstract with all that belongs to it as one quotation."""
    quoted: list[str] = []
    for block in blocks:
        plain = block.is_text_label or block.is_address or block.bullet or block.is_byline
        if block.is_abstract or (quoted and not plain):
            quoted.append("> " + _paragraph(block).replace("\n", "\n> "))
            continue
        if quoted:
            yield "\n>\n".join(quoted)
            quoted = []
        yield _paragraph(block)
    if quoted:
        yield "\n>\n".join(quoted)
