"""An issue file cut into its parts: front matter, opening, sections, items, closing.

The formatter and the reader both begin here; only the reader judges what stands in the parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from digest.content.front_matter import FrontMatter, read_front_matter
from digest.content.issue_blocks import Block, read_blocks
from digest.content.issue_source import Body, split_lines, strip_comments
from digest.content.markdown import issue_markdown


@dataclass(slots=True)
class ItemOutline:
    """An item's heading and the blocks below it."""

    heading: Block
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class SectionOutline:
    """A section's heading, the blocks before its first ``###`` and its items."""

    heading: Block
    blocks: list[Block] = field(default_factory=list)
    items: list[ItemOutline] = field(default_factory=list)

    @property
    def later(self) -> bool:
        """Whether the section is kept for a later issue."""
        return self.heading.tokens[1].meta.get("label") == "later"


@dataclass(slots=True)
class Outline:
    """A whole file cut into its parts, not yet judged."""

    front: FrontMatter
    body: Body
    blocks: list[Block]
    opening: list[Block] = field(default_factory=list)
    sections: list[SectionOutline] = field(default_factory=list)
    rule: Block | None = None
    closing: list[Block] = field(default_factory=list)


def read_outline(text: str, *, path: str) -> Outline:
    """Cut a file into front matter, opening, sections, items and closing.

    Raises IssueFileError where a part stands at a place that is not its own.
    """
    lines = split_lines(text, path=path)
    front = read_front_matter(lines, path=path)
    body = strip_comments(lines[front.lines :], first=front.lines + 1, path=path)
    outline = Outline(front, body, read_blocks(body, issue_markdown()))
    for block in outline.blocks:
        _place_block(outline, block)
    if not (outline.opening or outline.sections or outline.closing):
        fix = "Write a text, or a section: ## Heading, then ### [Title](https://…)."
        raise body.error("The issue has no text.", fix, line=max(len(body.raw) - 1, 0))
    return outline


def _place_block(outline: Outline, block: Block) -> None:
    body, start = outline.body, block.start
    if block.is_rule:
        if outline.rule:
            message = "A second rule: only one --- may stand, before the closing."
            raise body.error(message, "Write *** for a divider in a text.", line=start)
        outline.rule = block
    elif block.kind == "heading":
        if outline.rule:
            message = "A rule stands before the end of the sections: what follows is the closing."
            fix = "Move --- below the last section, or write *** for a divider."
            raise body.error(message, fix, line=outline.rule.start)
        _open_heading(outline, block)
    elif outline.rule:
        outline.closing.append(block)
    elif not outline.sections:
        outline.opening.append(block)
    elif outline.sections[-1].items:
        outline.sections[-1].items[-1].blocks.append(block)
    else:
        outline.sections[-1].blocks.append(block)


def _open_heading(outline: Outline, block: Block) -> None:
    error, start = outline.body.error, block.start
    if block.level == 2:
        outline.sections.append(SectionOutline(block))
    elif block.level == 3 and outline.sections:
        outline.sections[-1].items.append(ItemOutline(block))
    elif block.level == 3:
        fix = "Write a section above it: ## Heading."
        raise error("This item stands before the first section.", fix, line=start)
    elif block.level == 1:
        fix = "The title stands in the front matter; write ## for a section, \\# for the sign."
        raise error("An issue has no # heading.", fix, line=start)
    else:
        fix = "Write ## for a section and ### for an item; emphasise a line inside a text."
        raise error("Headings below ### are not known.", fix, line=start)
