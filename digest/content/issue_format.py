"""The normal form of an issue file, and the file of the next issue.

In normal form keys stand in one order, one blank line between blocks, no space at a line's end
and paragraphs as the editor broke them, so that two editors' files merge in git. Comments stay
where they stand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.content.front_matter import normal_front_matter
from digest.content.issue import TODO
from digest.content.issue_blocks import Block, block_text
from digest.content.issue_file import parse_issue, read_issue
from digest.content.issue_outline import Outline, SectionOutline, read_outline
from digest.content.issue_source import Body
from digest.content.markdown_words import escape_words
from digest.errors import InputError

USUAL_SECTIONS = ("News", "Code", "Papers")


def format_issue(text: str, *, path: str = "issue.md") -> str:
    """The same issue in normal form; formatting it again changes nothing.

    Raises IssueFileError as :func:`~digest.content.issue_file.parse_issue` does.
    """
    outline = read_outline(text, path=path)
    read_issue(outline)  # what cannot be read is not formatted
    return normal_form(outline)


def normal_form(outline: Outline) -> str:
    """The text of an outline that was read as an issue, in normal form."""
    front = "\n".join(normal_front_matter(outline.front)) + "\n"
    return front + "".join(_chunks(outline.body, outline.blocks)).lstrip("\n")


def _chunks(body: Body, blocks: Sequence[Block]) -> Iterator[str]:
    """Blocks and, between them, the comments: lines that belong to no block."""
    line, gap, above = 0, "", 0
    for block in blocks:
        for note in _notes(body.raw[line : block.start]):
            yield f"{gap}{note}\n"
            gap = "\n"
        if block.is_rule or block.level == 2 or (block.level and above == 3):
            gap = "\n"
        yield f"{gap}{_written(block, body)}\n"
        # What follows a heading or the rule stands right below it, as a reader sees it.
        gap = "" if block.level or block.is_rule else "\n"
        line, above = block.end, block.level
    for note in _notes(body.raw[line:]):
        yield f"{gap}{note}\n"
        gap = "\n"


def _notes(lines: Sequence[str]) -> Iterator[str]:
    note: list[str] = []
    for line in [*lines, ""]:
        if line:
            note.append(line)
        elif note:
            yield "\n".join(note)
            note = []


def _written(block: Block, body: Body) -> str:
    if block.is_rule and body.raw[block.start] == body.bare[block.start]:
        return "---"
    if block.kind != "heading":
        return block_text(block, body.raw)
    if body.raw[block.start] != body.bare[block.start]:
        return body.raw[block.start].lstrip(" \t")
    token = block.tokens[1]
    label = token.meta.get("label")
    return f"{'#' * block.level} {token.content}" + (f" {{{label}}}" if label else "")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of the next issue before a word of it is written.

    ``previous`` is the text of the last issue.
    """

    number: int
    title: str
    date: dt.date | None = None
    sections: tuple[str, ...] = USUAL_SECTIONS
    previous: str | None = None


def begin_after(text: str, *, path: str) -> Beginning:
    """The issue after the one with this text; InputError where that has no number."""
    last = parse_issue(text, path=path)
    if last.number is None:
        raise InputError("The last issue has no number.", where=path, fix="Give --number.")
    title = last.title.replace(str(last.number), str(last.number + 1))
    headings = tuple(section.heading for section in last.rendered_sections)
    return Beginning(last.number + 1, title, None, headings or USUAL_SECTIONS, text)


def new_issue(
    *,
    number: int,
    title: str,
    date: dt.date | None = None,
    sections: Sequence[str] = (),
    previous: str | None = None,
) -> str:
    """The text of a new issue file: valid, in normal form, and full of ``TODO``.

    ``sections`` are headings in plain text; where there are none, those of ``previous`` (the
    text of the last issue's file) are taken. What ``previous`` kept in ``{later}`` sections is
    put in here, into the section of the same heading where there is one.
    """
    carried: dict[str, str] = {}
    headings = [escape_words(" ".join(heading.split())) for heading in sections]
    if previous is not None:
        outline = read_outline(format_issue(previous), path="previous issue")
        headings = headings or _usual_headings(outline)
        carried = _kept_for_later(outline)
    front = ["---", f"number: {number}", f"title: {' '.join(title.split())}", f"preview: {TODO}"]
    if date is not None:
        front.append(f"date: {date.isoformat()}")
    parts = ["\n".join([*front, "---"]), TODO]
    for heading in dict.fromkeys([*headings, *carried]):
        parts += [f"## {heading}", carried.get(heading, TODO)]
    return format_issue("\n\n".join(parts) + "\n")


def kept_for_later(text: str) -> dict[str, str]:
    """What an issue's file keeps for the next one: by heading, the Markdown below it."""
    return _kept_for_later(read_outline(format_issue(text), path="previous issue"))


def _usual_headings(outline: Outline) -> list[str]:
    written = [str(part.heading.tokens[1].content) for part in outline.sections if not part.later]
    return [heading for heading in written if not heading.startswith(TODO)]


def _kept_for_later(outline: Outline) -> dict[str, str]:
    """What stands below each ``{later}`` heading, the editor's comments included."""
    kept: dict[str, str] = {}
    for index, part in enumerate(outline.sections):
        if part.later:
            heading = str(part.heading.tokens[1].content)
            lines = outline.body.raw[part.heading.end : _end(outline, index)]
            text = "\n".join(lines).strip("\n")
            kept[heading] = f"{kept[heading]}\n\n{text}" if heading in kept else text
    return kept


def _end(outline: Outline, index: int) -> int:
    following: list[SectionOutline] = outline.sections[index + 1 :]
    if following:
        return following[0].heading.start
    return outline.rule.start if outline.rule else len(outline.body.raw)
