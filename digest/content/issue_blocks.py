"""The blocks of an issue: headings, paragraphs, quotes, lists, code and rules, in order.

Both the reader and the formatter work on them, so what the one accepts the other can write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markdown_it.rules_core import StateCore
from markdown_it.rules_core.text_join import text_join

from digest.content.issue_source import MAX_ITEMS, Body, forbidden_character
from digest.content.markdown import MAX_DEPTH, FlawError, IssueMarkdown, link_flaw, picture_flaw
from digest.errors import IssueFileError

if TYPE_CHECKING:
    from markdown_it.token import Token

_NO_SPACE = re.compile(r"#{2,6}[^#\s]")
_LABEL = re.compile(r"(?:^|(?<=[ \t)]))(?<!\\)\{([^{}|]*)\}$")


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its kind (the first token's type), its tokens, its lines of the body."""

    kind: str
    tokens: tuple[Token, ...]
    start: int
    end: int

    @property
    def level(self) -> int:
        """The level of a heading, 0 for anything else."""
        return int(self.tokens[0].tag[1]) if self.kind == "heading" else 0

    @property
    def is_rule(self) -> bool:
        """Whether this is the ``---`` before the closing (``***`` is a divider in a text)."""
        return self.kind == "hr" and self.tokens[0].markup.startswith("-")


def read_blocks(body: Body, markdown: IssueMarkdown) -> list[Block]:
    """The top-level blocks of a body, every inline text in them read and checked.

    Raises IssueFileError at the first construct that is not accepted.
    """
    tokens: list[Token] = []
    markdown.block.parse("\n".join(body.bare), markdown, {}, tokens)
    items = [token for token in tokens if token.type == "heading_open" and token.tag == "h3"]
    if len(items) > MAX_ITEMS:  # before any of them is read, for ten thousand take their time
        raise too_many_items(body, (items[MAX_ITEMS].map or [0])[0])
    blocks = [_block(group, body) for group in _groups(tokens)]
    for block in blocks:
        _check(block, body, markdown)
    text_join(StateCore("", markdown, {}, tokens))  # as in a whole parse: one text where one is
    return blocks


def too_many_items(body: Body, line: int) -> IssueFileError:
    """The error at the first item that is one too many."""
    message = f"The issue has more than {MAX_ITEMS:,} items."
    return body.error(message, "Split it into several issues.", line=line)


def _groups(tokens: list[Token]) -> list[list[Token]]:
    groups: list[list[Token]] = []
    open_group: list[Token] = []
    for token in tokens:
        open_group.append(token)
        if token.level == 0 and token.nesting != 1:
            groups.append(open_group)
            open_group = []
    return groups


def _block(tokens: list[Token], body: Body) -> Block:
    start, end = tokens[0].map or [0, 0]
    while end > start + 1 and not body.bare[end - 1]:
        end -= 1
    return Block(tokens[0].type.removesuffix("_open"), tuple(tokens), start, end)


def _check(block: Block, body: Body, markdown: IssueMarkdown) -> None:
    start = block.start
    if block.kind == "paragraph" and _NO_SPACE.match(body.bare[start].lstrip(" \t")):
        message = "This heading has no space after its # signs."
        raise body.error(message, "Write a space there, or \\# for the sign itself.", line=start)
    for token in block.tokens:
        line = token.map[0] if token.map else start
        if token.level > MAX_DEPTH:
            message = "Quotes and lists are nested too deep."
            raise body.error(message, f"Use at most {MAX_DEPTH // 2} levels.", line=line)
        if token.type == "heading_open" and token.level:
            message = "A heading cannot stand in a quote or a list."
            raise body.error(message, "Move it out, or write \\# for the sign itself.", line=line)
        if token.type == "fence":
            _check_fence(token, body)
        if token.type == "inline":
            _read_inline(token, body, markdown, kind=block.kind)


def _check_fence(token: Token, body: Body) -> None:
    start, end = token.map or [0, 0]
    last = body.bare[end - 1].strip(" \t>")
    closed = end - start > 1 and len(last) >= len(token.markup) and not last.strip(token.markup[0])
    if not closed:
        fix = f"Write {token.markup} alone on a line where the code ends."
        raise body.error("This code is not closed.", fix, line=start)


def _read_inline(token: Token, body: Body, markdown: IssueMarkdown, *, kind: str) -> None:
    if kind == "heading":
        content, label = split_label(token.content)
        token.content = content
        token.meta["label"] = label
    token.children = []
    env: dict[str, Any] = {"labels": kind == "bullet_list"}
    try:
        markdown.inline.parse(token.content, markdown, env, token.children)
        _check_children(token)
    except FlawError as flaw:
        raise inline_error(body, token, flaw) from None
    if kind == "bullet_list" and "link_end" in env:
        token.meta["label"] = env.get("label")
        token.meta["rest"] = token.content[env["link_end"] :].strip(" \t\n")


def split_label(content: str) -> tuple[str, str | None]:
    """A heading's text and the word in the ``{label}`` at its end (None without one)."""
    match = _LABEL.search(content)
    if not match:
        return content, None
    return content[: match.start()].rstrip(" \t"), match[1].strip()


def _check_children(token: Token) -> None:
    spelt = "&" in token.content or "%" in token.content
    for child in token.children or []:
        offset = int(child.meta.get("offset", 0))
        reason = None
        if child.type == "link_open":
            reason = link_flaw(str(child.attrs["href"]))
        elif child.type == "image":
            reason = picture_flaw(str(child.attrs["src"]))
            plain = {"text", "text_special", "softbreak"}
            if any(inner.type not in plain for inner in child.children or []):
                reason = reason or "The description of a picture is plain text."
        if reason:
            raise FlawError(
                reason, "Write a full address, or TODO until you have it.", offset=offset
            )
        # Entities (&#xE000;) and percent signs in <https://…> can spell what is refused as such.
        words = [child.content, *(inner.content for inner in child.children or [])]
        if spelt and any(forbidden_character(word.replace("\n", "")) for word in words):
            message = "A control or private-use character cannot stand in an issue."
            raise FlawError(message, "Delete the entity that stands for it.", offset=offset)


def inline_error(body: Body, token: Token, flaw: FlawError) -> IssueFileError:
    """The error of a flaw at an offset of an inline text, with the line and column of the file."""
    line, column = inline_place(body, token, flaw.offset)
    return body.error(flaw.message, flaw.fix, line=line, column=column)


def inline_place(body: Body, token: Token, offset: int) -> tuple[int, int]:
    """The line and column (both from 0) of the body at an offset of an inline text."""
    first, end = token.map or [0, 1]
    before = token.content[:offset].split("\n")
    line = min(first + len(before) - 1, end - 1)
    written = token.content.split("\n")[line - first]
    # The text of a block has lost the marks of quotes and lists before each of its lines.
    start = body.bare[line].find(written.strip(" \t"))
    indent = len(written) - len(written.lstrip(" \t"))
    return line, max(start, 0) + max(len(before[-1]) - indent, 0)


def block_text(block: Block, lines: tuple[str, ...]) -> str:
    """The normal form of a block's lines: no blank line twice, except in code."""
    chosen = list(lines[block.start : block.end])
    if block.kind == "paragraph":
        chosen[0] = chosen[0].lstrip(" \t")
    if any(token.type == "fence" for token in block.tokens):
        return "\n".join(chosen)
    kept = [line for i, line in enumerate(chosen) if line or (i and chosen[i - 1])]
    return "\n".join(kept)
