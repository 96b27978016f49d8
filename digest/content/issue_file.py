"""Reads an issue file: front matter, opening, sections of items, closing.

The format is described in ``docs/reference/issue-file.md``. Reading is strict: what is not
understood is an IssueFileError with ``path:line:column`` and what to do, and nothing of the
issue is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markdown_it.token import Token

from digest.content.issue import (
    TODO,
    TODO_WORD,
    Figure,
    Fragment,
    Ignore,
    Issue,
    Item,
    ItemKind,
    Place,
    Section,
)
from digest.content.issue_blocks import Block, block_text, inline_place, too_many_items
from digest.content.issue_outline import ItemOutline, Outline, SectionOutline, read_outline
from digest.content.issue_source import MAX_ITEMS, MAX_SECTIONS, Body, decode_issue
from digest.content.item_kind import LABELS, kind_of_link
from digest.content.markdown import plain_words

__all__ = [
    "TODO",
    "Figure",
    "Fragment",
    "Ignore",
    "Issue",
    "Item",
    "ItemKind",
    "Place",
    "Section",
    "decode_issue",
    "parse_issue",
    "placeholders",
    "read_issue",
]

_PLAIN = {"text", "text_special", "link_open", "link_close"}


def parse_issue(text: str, *, path: str = "issue.md") -> Issue:
    """Read an issue from its text; ``path`` is what errors call it.

    Raises IssueFileError with the place and what to do.
    """
    return read_issue(read_outline(text, path=path))


def read_issue(outline: Outline) -> Issue:
    """The issue in an outline; raises IssueFileError where a part is not what it has to be."""
    return _Reader(outline).issue()


def placeholders(issue: Issue) -> tuple[Place, ...]:
    """Where ``TODO`` still stands, in the order of the file; not in ``{later}`` sections."""
    return issue.todo


@dataclass(slots=True)
class _Reader:
    outline: Outline
    todo: list[Place] = field(default_factory=list)
    pictures: list[tuple[str, Place]] = field(default_factory=list)
    items: int = 0

    @property
    def body(self) -> Body:
        return self.outline.body

    def issue(self) -> Issue:
        outline, front = self.outline, self.outline.front
        opening = self.fragment(outline.opening)
        sections: list[Section] = []
        number = 0
        for part in outline.sections:
            number += 0 if part.later else 1
            sections.append(self.section(part, 0 if part.later else number))
        if len(sections) > MAX_SECTIONS:
            line = outline.sections[MAX_SECTIONS].heading.start
            message = f"The issue has {len(sections):,} sections; at most {MAX_SECTIONS} may stand."
            raise self.body.error(message, "Join some of them.", line=line)
        return Issue(
            number=front.number,
            slug=front.slug,
            title=front.title,
            subject=front.subject,
            preview=front.preview,
            date=front.date,
            editor=front.editor,
            listed=front.listed,
            utm=front.utm,
            ignore=front.ignore,
            opening=opening,
            sections=tuple(sections),
            closing=self.fragment(outline.closing),
            path=self.body.path,
            todo=(*front.todo, *sorted(set(self.todo))),
            pictures=tuple(self.pictures),
        )

    def section(self, part: SectionOutline, number: int) -> Section:
        todo, pictures = len(self.todo), len(self.pictures)
        token = part.heading.tokens[1]
        if token.meta.get("label") not in {None, "later"}:
            message = f"The label {{{token.meta['label'][:40]}}} is not known for a section."
            fix = "Write {later}, or \\{ for a brace."
            raise self.body.error(message, fix, line=part.heading.start)
        heading = self.title(token, part.heading)
        lists = [i for i, block in enumerate(part.blocks) if _is_link_list(block)]
        texts = part.blocks[: lists[0]] if lists else part.blocks
        if lists and len(lists) != len(part.blocks) - lists[0]:
            stray = next(block for block in part.blocks[lists[0] :] if not _is_link_list(block))
            message = "A text stands below the list of links of this section."
            fix = "Write it above the list, or make the links ### items."
            raise self.body.error(message, fix, line=stray.start)
        if not part.blocks and not part.items:
            fix = "Write a text or an item below it, TODO until you have one, or delete it."
            message = f"The section “{heading[:60]}” has neither text nor items."
            raise self.body.error(message, fix, line=part.heading.start)
        text = self.fragment(texts)
        short = [item for i in lists for item in self.short_items(part.blocks[i])]
        items = (*short, *(self.item(item) for item in part.items))
        if part.later:
            del self.todo[todo:]
            del self.pictures[pictures:]
        return Section(heading, number, part.later, text, items, self.place(part.heading.start))

    def item(self, part: ItemOutline) -> Item:
        block, token = part.heading, part.heading.tokens[1]
        self.count(block.start)
        children = token.children or []
        if not _is_one_link(children):
            message = "An item's heading is one link."
            if any(child.type == "link_open" for child in children):
                message = "An item's heading is one link, with nothing but a {label} beside it."
            fix = "Write ### [Title](https://…), with TODO as the address until you have it."
            raise self.body.error(message, fix, line=block.start)
        title = self.title(token, block)
        url = str(children[0].attrs["href"])
        kind = self.kind(token.meta.get("label"), url, block.start)
        byline, rest = self.byline(part.blocks)
        figure, rest = self.figure(rest)
        self.check_head(rest, has_figure=figure is not None, has_byline=bool(byline))
        body = self.fragment(rest)
        return Item(
            title, url, kind, byline, figure, body, short=False, place=self.place(block.start)
        )

    def byline(self, blocks: list[Block]) -> tuple[Fragment, list[Block]]:
        if not blocks or not _is_byline(blocks[0]):
            return Fragment(), blocks
        block = blocks[0]
        self.note(block)
        written = block.tokens[1].content[1:-1].strip()
        children = [
            child for child in block.tokens[1].children or [] if child.content or child.nesting
        ]
        inline = Token("inline", "", 0, content=written, children=children[1:-1])
        return Fragment(written, self.body.first + block.start, (inline,)), blocks[1:]

    def figure(self, blocks: list[Block]) -> tuple[Figure | None, list[Block]]:
        if not blocks or not _is_picture(blocks[0]):
            return None, blocks
        block = blocks[0]
        self.note(block)
        image = (block.tokens[1].children or [])[0]
        place = self.place(block.start)
        return Figure(plain_words([image]).strip(), str(image.attrs["src"]), place), blocks[1:]

    def check_head(self, rest: list[Block], *, has_figure: bool, has_byline: bool) -> None:
        if rest and _is_byline(rest[0]) and (has_figure or has_byline):
            message = "A second byline." if has_byline else "The byline stands below the figure."
            fix = "Write *one line* right below the title; _one line_ is emphasised text."
            raise self.body.error(message, fix, line=rest[0].start)
        for block in rest:
            if _is_picture(block):
                message = "A second figure." if has_figure else "The figure stands below the text."
                fix = "An item has one figure, below its title or byline and above its text."
                raise self.body.error(message, fix, line=block.start)

    def short_items(self, block: Block) -> list[Item]:
        items = []
        for entry in _entries(block):
            if len(entry) != 5 or entry[1].type != "paragraph_open":
                message = "An entry of a list of links is one paragraph."
                fix = "Make it an item of its own: ### [Title](https://…)."
                raise self.body.error(message, fix, line=(entry[0].map or [block.start])[0])
            items.append(self.short_item(entry[2]))
        self.note(block)
        return items

    def short_item(self, token: Token) -> Item:
        line = (token.map or [0])[0]
        self.count(line)
        children = token.children or []
        close = next(i for i, child in enumerate(children) if child.type == "link_close")
        title = self.title(token, None, children[: close + 1])
        url = str(children[0].attrs["href"])
        rest, label = token.meta["rest"], token.meta["label"]
        return Item(
            title,
            url,
            self.kind(label, url, line),
            byline=Fragment(),
            figure=None,
            body=Fragment(rest, self.body.first + line if rest else 0),
            short=True,
            place=self.place(line),
        )

    def title(self, token: Token, block: Block | None, children: list[Token] | None = None) -> str:
        chosen = (token.children or []) if children is None else children
        line = (token.map or [0])[0]
        allowed = _PLAIN if block is None or block.level == 3 else _PLAIN - {"link_open"}
        if any(child.type not in allowed for child in chosen):
            message = "A heading is plain text: no emphasis, code, pictures or slots."
            if allowed is not _PLAIN and any(child.type == "link_open" for child in chosen):
                message = "The heading of a section is no link."
            fix = "Write a backslash before a sign that is meant as such: \\* \\_ \\` \\[."
            raise self.body.error(message, fix, line=line)
        if any(child.attrs.get("title") for child in chosen):
            fix = "Leave out what stands in quotation marks after the address."
            raise self.body.error("The link of an item has no title of its own.", fix, line=line)
        words = plain_words(chosen).strip()
        if not words:
            raise self.body.error("This heading has no words.", "Write some, or TODO.", line=line)
        if block is not None:
            self.note(block)
        return words

    def kind(self, label: str | None, url: str, line: int) -> ItemKind:
        if label is None:
            return kind_of_link(url)
        if label not in LABELS:
            known = " ".join(f"{{{name}}}" for name in LABELS)
            message = f"The label {{{label[:40]}}} is not known."
            raise self.body.error(message, f"There are: {known}; \\{{ is a brace.", line=line)
        return LABELS[label]

    def count(self, line: int) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise too_many_items(self.body, line)

    def place(self, line: int) -> Place:
        return Place(self.body.first + line, 1)

    def fragment(self, blocks: list[Block]) -> Fragment:
        if not blocks:
            return Fragment()
        for block in blocks:
            self.note(block)
            self.refuse_labels(block)
        text = "\n\n".join(block_text(block, self.body.bare) for block in blocks)
        tokens = tuple(token for block in blocks for token in block.tokens)
        return Fragment(text, self.body.first + blocks[0].start, tokens)

    def refuse_labels(self, block: Block) -> None:
        for token in block.tokens:
            for child in token.children or []:
                if child.type == "label":
                    line, column = inline_place(self.body, token, child.meta["offset"])
                    message = "A label stands behind the link of an item only."
                    raise self.body.error(
                        message, "Write \\{ for a brace.", line=line, column=column
                    )

    def note(self, block: Block) -> None:
        """Keep where ``TODO`` stands in a block, and the pictures it shows."""
        for token in block.tokens:
            for child in token.children or []:
                offset = _todo_offset(token, child)
                if offset is not None:
                    self.todo.append(self.place_of(token, offset))
                if child.type == "image":
                    place = self.place_of(token, int(child.meta.get("offset", 0)))
                    self.pictures.append((str(child.attrs["src"]), place))

    def place_of(self, token: Token, offset: int) -> Place:
        line, column = inline_place(self.body, token, offset)
        return Place(self.body.first + line, self.body.column(line, column))


def _todo_offset(token: Token, child: Token) -> int | None:
    if TODO in (child.attrs.get("href"), child.attrs.get("src")):
        return int(child.meta.get("offset", 0))
    if child.type in ("text", "image") and TODO_WORD.search(child.content):
        match = TODO_WORD.search(token.content)
        return match.start() if match else 0
    return None


def _is_one_link(children: list[Token]) -> bool:
    closes = [i for i, child in enumerate(children) if child.type == "link_close"]
    return bool(children) and children[0].type == "link_open" and closes == [len(children) - 1]


def _is_picture(block: Block) -> bool:
    children = block.tokens[1].children or [] if block.kind == "paragraph" else []
    return len(children) == 1 and children[0].type == "image"


def _is_byline(block: Block) -> bool:
    if block.kind != "paragraph" or block.end - block.start != 1:
        return False
    children = [child for child in block.tokens[1].children or [] if child.content or child.nesting]
    if len(children) < 3 or children[0].type != "em_open" or children[0].markup != "*":
        return False
    depth = 0
    for child in children[:-1]:
        depth += child.nesting
        if depth == 0:
            return False
    return children[-1].type == "em_close"


def _is_link_list(block: Block) -> bool:
    entries = _entries(block) if block.kind == "bullet_list" else []
    return bool(entries) and all(_begins_with_link(entry) for entry in entries)


def _begins_with_link(entry: list[Token]) -> bool:
    inline = entry[2] if len(entry) > 2 else entry[0]
    children = inline.children or []
    return bool(children) and children[0].type == "link_open" and "rest" in inline.meta


def _entries(block: Block) -> list[list[Token]]:
    entries: list[list[Token]] = []
    for token in block.tokens:
        if token.type == "list_item_open" and token.level == 1:
            entries.append([])
        if entries and token.level >= 1:
            entries[-1].append(token)
    return entries
